import type { FleetReport } from './run-fleet.js'

/** One promise, what was seen, and the most that is allowed. */
export interface FleetBound {
  readonly what: string
  readonly seen: number
  readonly most: number
  readonly unit: string
}

/** The promises to a fleet. */
export function boundsOf(report: FleetReport): readonly FleetBound[] {
  const { model, coldConnections, peaks, probesPerSecond } = report
  const { logInsPerSecond, processes, connections } = model
  const patienceMs = 1_500
  return [
    {
      what: 'log-ins in any second at the new primary',
      seen: report.logInsAtNewPrimary,
      most: 1.5 * logInsPerSecond,
      unit: '',
    },
    {
      what: 'log-ins in any second at the other standby',
      seen: report.logInsAtStandby,
      most: 1.5 * logInsPerSecond,
      unit: '',
    },
    {
      what: 'until 99 % of those with a warm connection wrote',
      seen: report.warmWroteMs,
      most: patienceMs,
      unit: 'ms',
    },
    {
      what: 'until 99 % of all wrote',
      seen: report.allWroteMs,
      most: (1_000 * coldConnections) / logInsPerSecond + patienceMs,
      unit: 'ms',
    },
    ...Object.entries(probesPerSecond).map(([host, seen]) => ({
      what: `probes in a second at ${host} in calm`,
      seen,
      most: 1.25 * processes,
      unit: '',
    })),
    ...Object.entries(peaks).map(([host, seen]) => ({
      what: `connections at ${host} at one time`,
      seen,
      most: connections,
      unit: '',
    })),
    { what: 'log-ins refused because a server was full', seen: report.refusals, most: 0, unit: '' },
    { what: 'sessions left at the end', seen: report.sessionsLeft, most: 0, unit: '' },
  ]
}

/** Whether it was kept. */
export function isKept({ seen, most }: FleetBound): boolean {
  return seen <= most
}

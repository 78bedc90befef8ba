import { EventEmitter, getEventListeners } from 'node:events'
import { Socket } from 'node:net'
import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const Timeout = setTimeout(() => {}, 0).constructor

/** What must not grow, counted when no work is under way. */
export interface Gauges {
  /** Heap in use after a garbage collection, in MB. */
  readonly heap: number
  /** Live `net.Socket` objects. */
  readonly sockets: number
  /** Live timers, those that keep no process alive included. */
  readonly timers: number
  /** Live event emitters. */
  readonly emitters: number
  /** Listeners of the process and of the signal that every call was given. */
  readonly listeners: number
}

/** The names of the gauges, in the order of the columns. */
export const GAUGES = ['heap', 'sockets', 'timers', 'emitters', 'listeners'] as const

/** What each gauge may grow by in an hour before it counts as a leak. */
const MOST_AN_HOUR: Gauges = { heap: 10, sockets: 10, timers: 20, emitters: 20, listeners: 1 }
/** Or this share of its mean: what is measured for minutes wavers. */
const MOST_SHARE = 0.1

/** Counts what is there now. */
export function readGauges(signal: AbortSignal): Gauges {
  for (let turn = 0; turn < 3; turn++) collect()
  const count = (kind: Parameters<typeof queryObjects>[0]): number =>
    queryObjects(kind, { format: 'count' }) as unknown as number
  let listeners = getEventListeners(signal, 'abort').length
  for (const name of process.eventNames()) listeners += process.listenerCount(name)
  return {
    heap: process.memoryUsage().heapUsed / 2 ** 20,
    sockets: count(Socket),
    timers: count(Timeout),
    emitters: count(EventEmitter),
    listeners,
  }
}

/** How a gauge went: its growth, by least squares, and whether that is none. */
export interface Slope {
  readonly gauge: keyof Gauges
  readonly first: number
  readonly last: number
  readonly perHour: number
  readonly isFlat: boolean
}

/**
 * The slopes of all gauges over readings with their times in hours. What grows by less than a tenth
 * of its mean over the whole run, or by no more in an hour than is allowed, is flat.
 */
export function slopesOf(readings: readonly { at: number; gauges: Gauges }[]): Slope[] {
  return GAUGES.map((gauge) => {
    const points = readings.map(({ at, gauges }) => [at, gauges[gauge]] as const)
    const mean = (which: 0 | 1): number =>
      points.reduce((sum, point) => sum + point[which], 0) / points.length
    const [meanAt, meanValue] = [mean(0), mean(1)]
    let above = 0
    let below = 0
    for (const [at, value] of points) {
      above += (at - meanAt) * (value - meanValue)
      below += (at - meanAt) ** 2
    }
    const perHour = below === 0 ? 0 : above / below
    const hours = points.at(-1)![0] - points[0]![0]
    const isFlat = perHour <= MOST_AN_HOUR[gauge] || perHour * hours <= MOST_SHARE * meanValue
    return { gauge, first: points[0]![1], last: points.at(-1)![1], perHour, isFlat }
  })
}

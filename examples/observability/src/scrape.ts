import { tell } from './tell.js'

/** The lines that are shown: what an alert would look at. */
const SHOWN = [
  /^db_client_operation_duration_seconds_count/,
  /^db_client_connection_count.*used/,
  /^poolhouse_node_state.* 1$/,
  /^poolhouse_timeline/,
  /^poolhouse_failovers_total/,
  /^poolhouse_hold_time_seconds/,
  /^poolhouse_held_calls_total/,
  /^poolhouse_events_total.* [1-9]/,
]

/** Gets the metrics as Prometheus would. Throws unless the answer is 200. */
export async function scrape(address: string): Promise<readonly string[]> {
  const response = await fetch(`${address}/metrics`)
  if (response.status !== 200) throw new Error(`/metrics says ${response.status}`)
  return (await response.text()).trimEnd().split('\n')
}

/** Prints some lines of a scrape. */
export function tellScrape(what: string, lines: readonly string[]): void {
  for (const line of lines) {
    if (SHOWN.some((pattern) => pattern.test(line))) tell(what, line)
  }
}

/** The sum of the values of a metric. */
export function sumOf(lines: readonly string[], metric: string): number {
  return lines
    .filter((line) => line.startsWith(`${metric}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

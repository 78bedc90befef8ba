/** A time for a table: `0.84 ms`, `12.3 ms`, `1.50 s`; `-` for none. */
export function showMs(ms: number | undefined): string {
  if (ms === undefined) return '-'
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
}

/** A number of things: `1 finding`, `2 findings`. */
export function showCount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** A number of milliseconds for a document: rounded to microseconds. */
export function roundMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 1_000) / 1_000
}

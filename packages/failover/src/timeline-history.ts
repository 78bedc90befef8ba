import { readLsn } from '@poolhouse/core/kit'

/**
 * Reads a `.history` file of PostgreSQL: at what LSN the server that it belongs to left `timeline` for a later one; `never-on-it` if its past does
 * not contain that timeline at all; undefined if the text is no history.
 */
export function switchPoint(history: string, timeline: number): bigint | 'never-on-it' | undefined {
  let entries = 0
  for (const line of history.split('\n')) {
    if (/^\s*(?:#|$)/.test(line)) continue
    const [, number, lsn] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? []
    const left = readLsn(lsn)
    if (left === undefined) return undefined
    if (Number(number) === timeline) return left
    entries++
  }
  return entries === 0 ? undefined : 'never-on-it'
}

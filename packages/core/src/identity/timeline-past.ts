import type { Statement } from '../api/statement.js'
import { readLsn } from '../server/server-words.js'

/**
 * Where one timeline began, and where the older ones of its past were left.
 *
 * The whole of it stands in the `.history` file of the timeline. Reading that takes EXECUTE on
 * `pg_read_file(text)`; membership in `pg_read_server_files` does not include it (tried on 14 and
 * 18). Without that right a primary that was promoted in its present life still tells where its own
 * timeline began: `pg_last_wal_replay_lsn()` stays at the end of its recovery.
 */
export class TimelinePast {
  /** The timeline whose past this is. */
  readonly timeline: number
  /** Where it began; 0 for the first. */
  readonly begin: bigint
  // Where each older timeline was left; undefined where only the begin is known.
  readonly #left: ReadonlyMap<number, bigint> | undefined

  /** Takes what is known; `read` and `begunAt` are the usual ways. */
  constructor(timeline: number, begin: bigint, left: ReadonlyMap<number, bigint> | undefined) {
    this.timeline = timeline
    this.begin = begin
    this.#left = left
  }

  /** The past of a timeline of which only the begin is known. The first timeline has no other. */
  static begunAt(timeline: number, begin: bigint): TimelinePast {
    return new TimelinePast(timeline, begin, undefined)
  }

  /** Reads the text of the timeline's `.history` file. Undefined if it is none. */
  static read(timeline: number, text: unknown): TimelinePast | undefined {
    if (typeof text !== 'string') return undefined
    const left = new Map<number, bigint>()
    let begin: bigint | undefined
    for (const line of text.split('\n')) {
      if (/^\s*(?:#|$)/.test(line)) continue
      const [, older, position] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? []
      begin = readLsn(position)
      if (begin === undefined) return undefined
      left.set(Number(older), begin)
    }
    return begin === undefined ? undefined : new TimelinePast(timeline, begin, left)
  }

  /**
   * Whether what stood at this position of an older timeline is a part of this one's past;
   * undefined if that is not known. Where only the begin is known, the timeline with the number
   * before is taken for the one that it began on.
   */
  keeps(older: number, lsn: bigint): boolean | undefined {
    if (this.#left === undefined) {
      if (lsn > this.begin) return false
      return older === this.timeline - 1 ? true : undefined
    }
    // A timeline that is not named was left before it began: nothing of it is kept for certain.
    const left = this.#left.get(older)
    return left !== undefined && lsn <= left
  }

  /** Where an older timeline of this past began; undefined if that is not known. */
  beganAt(older: number): bigint | undefined {
    if (older === 1) return 0n
    let before: number | undefined
    for (const timeline of this.#left?.keys() ?? []) {
      if (timeline < older && (before === undefined || timeline > before)) before = timeline
    }
    return before === undefined ? undefined : this.#left?.get(before)
  }
}

/** The past of the first timeline: it has none. */
export const FIRST_TIMELINE: TimelinePast = TimelinePast.begunAt(1, 0n)

/**
 * What is asked for the past of a timeline above 1: one row with `history`. Fails with 42501
 * without the right, and with 58P01 without the file.
 */
export function pastStatement(timeline: number): Statement {
  const file = `pg_wal/${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
  return { text: 'select pg_catalog.pg_read_file($1) as history', values: [file] }
}

/** Whether the session may ask `pastStatement`, as an expression of SQL. It never fails. */
export const MAY_READ_PAST =
  "pg_catalog.has_function_privilege('pg_catalog.pg_read_file(pg_catalog.text)', 'execute')"

/**
 * Where the timeline of a primary began, as an expression of SQL that any role may use; null unless
 * the primary was promoted in its present life, which having received a log shows. After a crash
 * the same function tells the end of the crash's recovery. Not to be asked of a standby.
 */
export const TIMELINE_BEGIN = `\
case when pg_catalog.pg_last_wal_receive_lsn() is not null then pg_catalog.pg_last_wal_replay_lsn() end::pg_catalog.text`

import type { Topology } from '@poolhouse/core'
import type { Position } from './position.js'
import { readLsn } from './sample-statement.js'
import type { Token } from './session-token.js'

/** What the present primary knows of a token: `lost` if it has never had it, `open` if only its history file could tell. */
export type Verdict = 'kept' | 'lost' | 'foreign' | 'open'

// How long the word of the primary, that its timeline is the newest, counts for standbys that do not tell theirs. A standby is promoted
// without the primary's consent only after that has been silent for longer.
const CONFIRMED_MS = 2_000
const HISTORY_MS = 1_000
const READ_AGAIN_MS = 60_000

/**
 * What has been seen of the cluster's history: the newest timeline, and where each older one was left. It decides whether a server has
 * what a token names, because a position alone says nothing after a failover: the new timeline soon passes what was lost.
 */
export class History {
  readonly #topology: () => Topology | undefined
  // Where each timeline was left for the next one, as told by the history file of the newest.
  #left = new Map<number, bigint>()
  #readFor: number | undefined
  #unreadableUntil = Number.NEGATIVE_INFINITY
  #systemId: string | undefined
  #newest = 0
  #confirmedAt = Number.NEGATIVE_INFINITY

  /** A topology, where there is one, watches over the timelines too. */
  constructor(topology: () => Topology | undefined) {
    this.#topology = topology
  }

  /** A primary told its position. */
  primarySaid({ systemId, timeline, sentAt }: Position): void {
    if (systemId !== this.#systemId) {
      this.#systemId = systemId
      this.#newest = 0
      this.#left = new Map()
      this.#readFor = undefined
    }
    if (timeline > this.#newest) {
      this.#newest = timeline
      this.#confirmedAt = sentAt
    } else if (timeline === this.#newest) this.#confirmedAt = Math.max(this.#confirmedAt, sentAt)
  }

  /** Whether it is known at present that no newer timeline has begun; otherwise the primary must be asked. */
  confirmed(now: number): boolean {
    const current = this.#topology()?.current
    if (current?.primary !== undefined && current.timeline === this.#newestKnown()) return true
    return now - this.#confirmedAt <= CONFIRMED_MS
  }

  /** Whether a server at this position certainly has everything before the token. */
  covers(position: Position | undefined, token: Token, now: number): boolean {
    if (position === undefined || position.systemId !== token.systemId) return false
    if (position.lsn < token.lsn) return false
    const newest = Math.max(this.#newestKnown(), position.timeline)
    const common = Math.min(position.timeline, token.timeline)
    // All later timelines share the older one up to the point at which it was left.
    if (common < newest) return this.#reaches(common, token.lsn) === true
    if (position.timeline !== token.timeline) return false
    return position.exact || this.confirmed(now)
  }

  /** What the primary at this position knows of the token. */
  judge(position: Position, token: Token): Verdict {
    if (position.systemId !== token.systemId) return 'foreign'
    if (position.timeline < token.timeline) return 'lost'
    if (position.timeline === token.timeline) return position.lsn < token.lsn ? 'lost' : 'kept'
    const reaches = this.#reaches(token.timeline, token.lsn)
    if (reaches === undefined) return 'open'
    return reaches ? 'kept' : 'lost'
  }

  /** Reads the history file of the primary's timeline, unless that was done. Roles without the right to read it learn nothing. */
  async read(
    pool: {
      query: (
        statement: { text: string; values: string[] },
        options: object,
      ) => Promise<{ rows: unknown[] }>
    },
    timeline: number,
    now: number,
  ): Promise<void> {
    if (this.#readFor === timeline || now < this.#unreadableUntil) return
    const file = `pg_wal/${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
    try {
      const { rows } = await pool.query(
        { text: 'select pg_catalog.pg_read_file($1) as history', values: [file] },
        { timeoutMs: HISTORY_MS, intent: 'write' },
      )
      const left = readHistory((rows[0] as { history?: unknown } | undefined)?.history)
      if (left === undefined) throw new Error('it is no history')
      this.#left = left
      this.#readFor = timeline
    } catch {
      // No right to read files, as a rule: the primary answers instead, and the next token is of the new timeline.
      this.#unreadableUntil = now + READ_AGAIN_MS
    }
  }

  /** Whether the position lies before the point at which the timeline was left; undefined if that is not known. */
  #reaches(timeline: number, lsn: bigint): boolean | undefined {
    if (this.#readFor === undefined || this.#readFor < this.#newestKnown()) return undefined
    const left = this.#left.get(timeline)
    // A timeline that is not in the history of the newest one was left before it began: nothing of it is kept for certain.
    return left === undefined ? false : lsn <= left
  }

  #newestKnown(): number {
    return Math.max(this.#newest, this.#topology()?.current.timeline ?? 0)
  }
}

/** Reads a `.history` file: for each older timeline the position at which it was left. Undefined if the text is none. */
function readHistory(text: unknown): Map<number, bigint> | undefined {
  if (typeof text !== 'string') return undefined
  const left = new Map<number, bigint>()
  for (const line of text.split('\n')) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const [number, position] = entry.split(/\s+/)
    const lsn = readLsn(position)
    if (lsn === undefined || !Number.isInteger(Number(number))) return undefined
    left.set(Number(number), lsn)
  }
  return left.size === 0 ? undefined : left
}

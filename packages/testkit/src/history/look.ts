import type { Queryable, QueryResult } from '@poolhouse/core'
import type { Operation } from './operation.js'

// How many of the newest writes a read looks at: more than a user has under way, and little enough
// to be read at every turn.
const WINDOW = 32

interface Seen {
  readonly seq: number
}

/** What one worker or user knows to have been acknowledged: the newest of its writes. */
export class Acknowledged {
  #highest = 0
  readonly #recent = new Set<number>()

  /** The highest number; 0 for none. */
  get highest(): number {
    return this.#highest
  }

  /** Notes a write. */
  add(seq: number): void {
    this.#highest = Math.max(this.#highest, seq)
    this.#recent.add(seq)
    for (const old of this.#recent) {
      if (this.#recent.size <= WINDOW) return
      this.#recent.delete(old)
    }
  }

  /** The newest of them as they are now. */
  recent(): number[] {
    return [...this.#recent]
  }
}

/**
 * Reads the newest writes of a worker and writes down what was seen: the highest, and which of
 * those that must be there were not. `must` is what had been acknowledged when the read was begun.
 */
export async function lookAt(
  from: Queryable,
  operation: Operation,
  { writer, table, must }: { writer: number; table: string; must: readonly number[] },
): Promise<void> {
  operation.looksAt = writer
  const text = `select distinct seq from ${table} where worker = $1 order by seq desc limit ${WINDOW}`
  const options = { timeoutMs: operation.deadlineMs, intent: 'read' as const }
  const { rows }: QueryResult<Seen> = await from.query<Seen>(text, [writer], options)
  const seen = new Set(rows.map(({ seq }) => seq))
  operation.saw = Math.max(0, ...seen)
  const oldest = seen.size < WINDOW ? 0 : Math.min(...seen)
  operation.missed = must.filter((seq) => seq > oldest && seq < operation.saw! && !seen.has(seq))
}

import { InDoubtError, type Pool } from '@poolhouse/core'

/** What became of one write. Times are readings of `performance.now()`. */
export interface WriteRecord {
  readonly id: number
  readonly startedAt: number
  readonly endedAt: number
  readonly outcome: 'acknowledged' | 'in-doubt' | 'failed'
  readonly node: string | undefined
  readonly error: unknown
}

/** A load of inserts with unique ids, kept up by several writers until it is stopped. */
export class Writers {
  readonly records: WriteRecord[] = []
  readonly #pool: Pool
  readonly #running: Promise<void>[]
  #stopped = false
  #lastId = 0

  /** Begins at once. The table `writes(id int)` must exist; it has no key, so that a duplicate would show. */
  constructor(pool: Pool, count = 6) {
    this.#pool = pool
    this.#running = Array.from({ length: count }, () => this.#write())
  }

  /** Ends the load; resolves when every writer has its last answer. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  /** The records of one outcome. */
  of(outcome: WriteRecord['outcome']): WriteRecord[] {
    return this.records.filter((record) => record.outcome === outcome)
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const id = ++this.#lastId
      const startedAt = performance.now()
      let outcome: WriteRecord['outcome'] = 'acknowledged'
      let node: string | undefined
      let error: unknown
      try {
        node = (await this.#pool.query('insert into writes(id) values ($1)', [id])).node
      } catch (caught) {
        error = caught
        outcome = caught instanceof InDoubtError ? 'in-doubt' : 'failed'
      }
      this.records.push({ id, startedAt, endedAt: performance.now(), outcome, node, error })
      // A pace of some hundred writes a second, so that the machine is not the bottleneck.
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** Compares what writers were told with what a node holds. */
export function checkHistory(
  records: readonly WriteRecord[],
  stored: readonly number[],
): { lost: number[]; duplicated: number[]; phantom: number[] } {
  const count = new Map<number, number>()
  for (const id of stored) count.set(id, (count.get(id) ?? 0) + 1)
  const byId = new Map(records.map((record) => [record.id, record]))
  return {
    lost: records
      .filter(({ id, outcome }) => outcome === 'acknowledged' && !count.has(id))
      .map(({ id }) => id),
    duplicated: [...count].filter(([, times]) => times > 1).map(([id]) => id),
    phantom: [...count.keys()].filter((id) => (byId.get(id)?.outcome ?? 'failed') === 'failed'),
  }
}

import type { ReplicaPool } from '@poolhouse/read-replicas'

/**
 * Callers that read one after the other without a pause until they are stopped, and what became of
 * their reads.
 */
export class Readers implements AsyncDisposable {
  /** Names of the nodes that served, in order. */
  readonly nodes: string[] = []
  /** What callers got instead of an answer. */
  readonly errors: unknown[] = []
  /** The longest that a caller waited, in milliseconds. */
  longestMs = 0
  readonly #loops: Promise<void>[]
  #stopped = false

  /** Begins to read with so many callers at once. */
  constructor(db: ReplicaPool, callers: number, text = 'select 1') {
    this.#loops = Array.from({ length: callers }, () => this.#loop(db, text))
  }

  /** Resolves when every caller has its last answer. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #loop(db: ReplicaPool, text: string): Promise<void> {
    const reader = db.reader()
    while (!this.#stopped) {
      const startedAt = performance.now()
      try {
        this.nodes.push((await reader.query(text)).node ?? 'no node')
      } catch (error) {
        this.errors.push(error)
        // A refusal may take no time at all, and other work must get its turn.
        await pause(1)
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt)
    }
  }
}

/** Resolves after so many milliseconds. */
export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

import type { AcquireOptions, Lease } from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import { leasedCopyTo, leasedRows, watchSignal } from '@poolhouse/core/kit'
import { type AfterFailure, afterFailure } from '../base/read-failure.js'
import type { ReadCall, ReadTarget } from './read-call.js'
import { acquireReadOnly } from './read-only.js'

/** A call of `stream` or `copyTo`. */
export type StreamingCall<R> = Extract<PoolCall<R>, { kind: 'stream' | 'copyTo' }>

/**
 * A stream or a copy, up to its first element. Before that nothing has been handed out, so it may
 * begin again on another node. After that the reader stays with the chosen node.
 */
export class StreamRead<R> implements ReadCall<R> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly started: boolean = false
  readonly repeatable: boolean = false
  readonly text: string
  readonly #call: StreamingCall<R>
  readonly #now: () => number
  readonly #failed: (error: unknown) => unknown

  /** `failed` makes the error that the reader of the stream gets. */
  constructor(call: StreamingCall<R>, now: () => number, failed: (error: unknown) => unknown) {
    this.#call = call
    this.#now = now
    this.#failed = failed
    this.text = call.statement!.text
    this.timeoutMs = call.timeoutMs
    this.signal = call.signal
  }

  async run(
    target: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
  ): Promise<R> {
    const call = this.#call
    const lend = new Lender(target, ended)
    try {
      if (call.kind === 'stream') {
        return await call.run({
          stream: (statement, options) =>
            leasedRows((wait) => lend.lease(wait), statement, options, this.#failed),
        })
      }
      return await call.run(
        {
          copyTo: (sql, options) =>
            leasedCopyTo(this.#now, (wait) => lend.lease(wait), sql, options, this.#failed),
        },
        { timeoutMs: remainingMs() },
      )
    } catch (error) {
      lend.end()
      throw error
    }
  }

  after(error: unknown): AfterFailure {
    return afterFailure(error)
  }
}

/**
 * Lends connections to one stream, and calls `ended` once when the server has nothing more to do
 * for it.
 */
class Lender {
  readonly #target: ReadTarget
  readonly #ended: () => void
  // Leases that are held or waited for. A stream has several only one after the other, when a
  // session that could not be reset is replaced.
  #open = 0
  #over = false

  constructor(target: ReadTarget, ended: () => void) {
    this.#target = target
    this.#ended = ended
  }

  async lease(options: AcquireOptions): Promise<Lease> {
    const { pool, writable } = this.#target
    this.#open++
    try {
      const lease = await (writable ? acquireReadOnly(pool, options) : pool.acquire(options))
      // The signal fires however the lease ends.
      const { signal } = lease
      if (signal.aborted) this.#given()
      else watchSignal(signal, () => this.#given())
      return lease
    } catch (error) {
      this.#given()
      throw error
    }
  }

  /** The stream needs no more connections. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#ended()
  }

  #given(): void {
    this.#open--
    // A replaced session is given back just before the next one is acquired.
    queueMicrotask(() => {
      if (this.#open === 0) this.end()
    })
  }
}

import type { ConnectionPool, Transaction, TransactionOptions } from '@poolhouse/core'
import { BEGIN_FIRST, isConflict, isRepeatable, KeyedWork, standsFor } from '@poolhouse/core/kit'
import { fateOf } from '../base/fate.js'
import { BasicCall, type Call, type Decision, RERUN, RETRY } from './call.js'

/**
 * A transaction. `retry` and `idempotencyKey` are carried out here and not by the node, because the
 * next attempt belongs to the primary of that moment.
 */
export class TransactionCall<R> extends BasicCall<TransactionOptions> implements Call<R> {
  readonly #work: (tx: Transaction) => Promise<R>
  readonly #keyed: KeyedWork<R> | undefined
  readonly #mostAttempts: number
  readonly #resolver: TransactionOptions['resolver']
  #attempts = 0
  #hasBegun = false
  #wasInterrupted = false

  /**
   * Takes checked arguments. `resolver` finds out what became of the transaction if its COMMIT gets
   * no answer.
   */
  constructor(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions | undefined,
    startedAt: number,
    resolver: TransactionOptions['resolver'],
  ) {
    super(options, startedAt)
    const key = options?.idempotencyKey
    this.#mostAttempts = options?.retry?.attempts ?? 1
    this.#keyed =
      key === undefined ? undefined : new KeyedWork(key, work, options?.idempotencyScope)
    this.#work = work
    this.#resolver = options?.resolver ?? resolver
  }

  override get isReadOnly(): boolean {
    return this.options?.readOnly === true
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined): Promise<R> {
    this.#hasBegun = false
    const keyed = this.#keyed
    const work = (tx: Transaction): Promise<R> => {
      this.#hasBegun = true
      this.#attempts++
      return keyed === undefined ? this.#work(tx) : keyed.run(tx)
    }
    return pool.transaction(
      // What a key writes comes before and after the work.
      keyed === undefined ? standsFor(this.#work, work) : work,
      {
        ...this.options,
        timeoutMs,
        retry: undefined,
        idempotencyKey: undefined,
        resolver: this.#resolver,
        // A transaction that could not be begun goes to another node, with its work not called yet.
        [BEGIN_FIRST]: true,
      } as TransactionOptions,
    )
  }

  override decide(error: unknown, pool: ConnectionPool): Decision {
    if (!this.#hasBegun) return super.decide(error, pool)
    if (this.#keyed !== undefined) {
      if (this.#keyed.marking && fateOf(error) === 'misrouted') return super.decide(error, pool)
      if (this.#keyed.repeats(error)) return this.#afterInterruption()
    }
    if (this.#attempts >= this.#mostAttempts || !isRepeatable(error, this.isReadOnly)) {
      return { kind: 'surface', error }
    }
    // Conflicts are normal on a healthy server under load, and `retry` says how often to try.
    return isConflict(error) ? RERUN : { kind: 'retry', isRerun: true, costs: true, error }
  }

  override finalError(error: unknown): unknown {
    return this.#keyed === undefined ? error : this.#keyed.surfaced(error)
  }

  /**
   * With a key, the transaction is tried until its outcome is known. Its time to wait starts at the
   * first interruption and is not renewed after that.
   */
  #afterInterruption(): Decision {
    this.#attempts--
    if (this.#wasInterrupted) return RETRY
    this.#wasInterrupted = true
    return RERUN
  }
}

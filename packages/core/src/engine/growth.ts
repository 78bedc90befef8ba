import { Backoff } from '../base/backoff.js'
import { own } from '../base/own.js'
import { isBeyondWaiting } from '../outcome/beyond-waiting.js'
import { newsOf } from '../outcome/error-meaning.js'
import { ConnectError } from '../outcome/errors.js'
import { ownErrorHere } from '../outcome/fail-call.js'
import type { EngineView } from './engine-view.js'

// Four at a time is the measured optimum: the first connection is ready after 17 ms instead of 208,
// the hundredth 1.4 × later.
const MOST_AT_ONCE = 4
const BACKOFF_BASE_MS = 50
const BACKOFF_MAX_MS = 5_000
const CAP_MS = 10_000

/**
 * Decides when connections are opened, apart from the callers that wait for one: a caller waits on
 * the pool and takes whatever comes first. At most four connects run at a time, one while the
 * server fails; a connect is skipped once no caller needs it.
 */
export class Growth {
  readonly #engine: EngineView
  readonly #backoff: Backoff
  /** Connects under way. */
  readonly connecting: number = 0
  #allowed = MOST_AT_ONCE
  #failing = false
  #retryAt = 0
  /** The last connect error, until a connect succeeds. */
  readonly lastError: unknown
  #fatal: ConnectError | undefined
  #cap = Number.POSITIVE_INFINITY
  #capUntil = 0
  #stopped = false
  // Whether a session was ever opened.
  #hasConnected = false
  // Grows with every configuration.
  #era = 0

  /** Opens connections for this engine. */
  constructor(engine: EngineView) {
    this.#engine = engine
    this.#backoff = new Backoff({
      baseMs: BACKOFF_BASE_MS,
      maxMs: BACKOFF_MAX_MS,
      random: engine.config.random,
    })
  }

  /**
   * The error for a caller for whom waiting is pointless right now: wrong password, no such
   * database; before the first connection also an unknown host.
   */
  refusal(now: number): ConnectError | undefined {
    const fatal = now < this.#retryAt ? this.#fatal : undefined
    return fatal && ownErrorHere(fatal)
  }

  /** There is a new configuration: forgets what failed under the old one. */
  reconfigured(): void {
    this.#era++
    this.#cap = Number.POSITIVE_INFINITY
    this.#forget()
  }

  /**
   * The server has been reached by other means: the next connect need not wait for the back-off.
   */
  reachable(now: number): void {
    this.#hasConnected = true
    if (!this.#failing || this.#fatal !== undefined) return
    this.#forget()
    this.step(now)
  }

  /** Begins no more connects. */
  stop(): void {
    this.#stopped = true
  }

  /** Begins as many connects as are wanted and allowed now. */
  step(now: number): void {
    const { arrivals, slots } = this.#engine
    if (this.#stopped || slots.size >= this.#engine.config.max) return
    if (now >= this.#capUntil) this.#cap = Number.POSITIVE_INFINITY
    if (this.#failing && now < this.#retryAt) {
      if (arrivals.wanted() > 0) this.#engine.wakeAt(this.#retryAt)
      return
    }
    const limit = this.#failing ? 1 : this.#allowed
    while (this.connecting < limit && arrivals.wanted() > 0) {
      // Read anew each time: a connect calls the password function, which may change the pool.
      const { config, seat } = this.#engine
      if (slots.size >= Math.min(config.max, this.#cap)) {
        if (this.#cap < config.max) this.#engine.wakeAt(this.#capUntil)
        return
      }
      // With a budget, a permit is taken with this.
      if (seat !== undefined && !seat.take()) return
      this.#launch()
    }
  }

  #launch(): void {
    own<Growth>(this).connecting++
    const era = this.#era
    this.#engine.arrivals.open().then(
      (used) => {
        own<Growth>(this).connecting--
        if (used) this.#succeeded()
        this.step(this.#engine.now())
      },
      (error: unknown) => {
        own<Growth>(this).connecting--
        // A failure under another configuration says nothing about this one.
        if (era === this.#era) this.#failed(error)
        this.step(this.#engine.now())
      },
    )
  }

  #succeeded(): void {
    this.#hasConnected = true
    const slowStart = this.#failing ? 1 : this.#allowed
    this.#forget()
    this.#allowed = Math.min(MOST_AT_ONCE, slowStart * 2)
  }

  #forget(): void {
    this.#failing = false
    this.#fatal = undefined
    own<Growth>(this).lastError = undefined
    this.#retryAt = 0
    this.#backoff.reset()
  }

  #failed(error: unknown): void {
    if (this.#stopped) return
    const { arrivals, slots } = this.#engine
    const now = this.#engine.now()
    own<Growth>(this).lastError = error
    arrivals.failed(error)
    const others = slots.size
    const news = newsOf(error)
    if ((news === 'full' || news === 'limited') && others > 0) {
      // The server works and is full, or has no more for this role: keep to the connections that
      // exist for a while instead of failing.
      this.#cap = others
      this.#capUntil = now + CAP_MS
      // Until the server refuses it, a connect takes up a place: several at once would keep each
      // other out of the last one.
      this.#allowed = 1
      return
    }
    this.#failing = true
    this.#allowed = 1
    this.#retryAt = now + this.#backoff.next()
    if (this.isFinal(error)) {
      this.#fatal = error
      // While connections work, waiting for one of them is not pointless.
      if (arrivals.usable() === 0) this.#engine.refuseWaiters(error)
    }
  }

  /** Whether callers are to be refused because of this connect error; see `failFast`. */
  isFinal(error: unknown): error is ConnectError {
    if (!this.#engine.config.failFast || !(error instanceof ConnectError)) return false
    return error.fatal || (!this.#hasConnected && isBeyondWaiting(error))
  }
}

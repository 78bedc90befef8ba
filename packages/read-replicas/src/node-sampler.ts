import type { ClockTimer, ConnectionPool, Pool, QueryResult, Session } from '@poolhouse/core'
import type { Background } from './background.js'
import {
  readSample,
  SAMPLE_STATEMENT,
  type SampleFacts,
  type SampleRow,
} from './sample-statement.js'

/** Who wants to know what the sampler finds out. */
export interface SampleListener {
  /** The server answered a question that was sent at `sentAt`. */
  sampled(facts: SampleFacts, sentAt: number): void
  /** The server did not answer, for the `failures`th time in a row. */
  failed(error: unknown, failures: number): void
  /** How long to wait for the next sample after so many failures in a row, in milliseconds. */
  nextDelayMs(failures: number): number
}

const CONNECT_MS = 1_000
const ANSWER_MS = 500
// What takes longer than its two deadlines was held up on our side: no evidence.
const STALLED_MS = CONNECT_MS + ANSWER_MS + 500

/** Asks one server again and again where its log is, over a session of its own where the pool can open one. */
export class NodeSampler {
  readonly #pool: Pool | ConnectionPool
  readonly #background: Background
  readonly #listener: SampleListener
  #session: Session | undefined
  #timer: ClockTimer | undefined
  #sampling = false
  #failures = 0

  /** Begins with `start`. */
  constructor(pool: Pool | ConnectionPool, background: Background, listener: SampleListener) {
    this.#pool = pool
    this.#background = background
    this.#listener = listener
  }

  /** Takes a sample now, if none is under way, and then one after each delay. */
  start(): void {
    if (this.#sampling) return
    this.#sampling = true
    this.#timer?.cancel()
    this.#background.run(() => this.#sample())
  }

  /** Ends it and closes its session. */
  stop(): void {
    this.#timer?.cancel()
    this.#drop('monitoring has ended')
  }

  async #sample(): Promise<void> {
    const startedAt = this.#background.now()
    let sentAt = startedAt
    try {
      const ask = await this.#asker()
      sentAt = this.#background.now()
      const facts = readSample(await ask())
      this.#failures = 0
      if (!this.#stopped) this.#listener.sampled(facts, sentAt)
    } catch (error) {
      this.#drop('its sample failed')
      const stalled = this.#background.now() - startedAt > STALLED_MS
      if (!this.#stopped && !stalled) this.#listener.failed(error, ++this.#failures)
    } finally {
      this.#sampling = false
      if (!this.#stopped) {
        const delayMs = this.#listener.nextDelayMs(this.#failures)
        this.#timer = this.#background.after(delayMs, () => this.start())
      }
    }
  }

  get #stopped(): boolean {
    return this.#background.stopped.aborted
  }

  async #asker(): Promise<() => Promise<QueryResult<SampleRow>>> {
    const pool = this.#pool
    const limits = { timeoutMs: ANSWER_MS }
    if (!('openSession' in pool)) {
      return () =>
        pool.query<SampleRow>(SAMPLE_STATEMENT, undefined, { ...limits, intent: 'write' })
    }
    this.#session ??= await this.#open(pool)
    const session = this.#session
    return () => session.query<SampleRow>(SAMPLE_STATEMENT, undefined, limits)
  }

  async #open(pool: ConnectionPool): Promise<Session> {
    const { stopped } = this.#background
    const session = await pool.openSession({ timeoutMs: CONNECT_MS, signal: stopped })
    if (stopped.aborted) {
      session.destroy('monitoring has ended')
      throw new Error('monitoring has ended')
    }
    session.signal.addEventListener('abort', () => {
      if (this.#session !== session) return
      // Lost without our doing, and long before the next sample is due: see at once what has become of the server.
      this.#session = undefined
      this.start()
    })
    return session
  }

  #drop(reason: string): void {
    const session = this.#session
    this.#session = undefined
    session?.destroy(reason)
  }
}

import {
  type ClockTimer,
  type ConnectionPool,
  DatabaseError,
  type Pool,
  PoolClosedError,
  type QueryResult,
  type Session,
  type Statement,
} from '@poolhouse/core'
import { hasCondition, OwnQuestion, pastStatement, TimelinePast } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { type Position, positionOf } from './position.js'
import {
  PLAIN_SAMPLE_STATEMENT,
  PRIMARY_POSITION_STATEMENT,
  readPosition,
  readSample,
  SAMPLE_STATEMENT,
  type SampleFacts,
  type SampleRow,
  STANDBY_POSITION_STATEMENT,
} from './sample-statement.js'

/** Is told what the sampler finds out. */
export interface SampleListener {
  /** The server answered a question that was sent at `sentAt`. */
  sampled(facts: SampleFacts, sentAt: number, sampler: NodeSampler): void
  /** The server did not answer, for the `failures`th time in a row. */
  failed(error: unknown, failures: number): void
  /**
   * How long to wait before the next sample after so many failures in a row, in milliseconds;
   * `Infinity` to sample only on request.
   */
  nextDelayMs(failures: number): number
}

type Ask = <Row = SampleRow>(statement: Statement) => Promise<QueryResult<Row>>

interface Asker {
  readonly whole: boolean
  resolve(position: Position): void
  reject(error: unknown): void
}

const CONNECT_MS = 1_000
const ANSWER_MS = 500
// A sample that takes longer than its two deadlines was held up in this process, and says nothing
// about the server.
const STALLED_MS = CONNECT_MS + ANSWER_MS + 500
// The timer that keeps the process alive while a caller waits is renewed this often.
const HOLD_MS = 60_000
// For this long after a whole sample, a session may be asked for the position alone.
const WHOLE_FOR_MS = 1_000

/**
 * Samples the log position of one server repeatedly, over a session of its own if the pool can open
 * one.
 */
export class NodeSampler {
  readonly #pool: Pool | ConnectionPool
  readonly #background: Background
  readonly #listener: SampleListener
  #session: Session | undefined
  #timer: ClockTimer | undefined
  // When the timer fires, and when the next sample is due. The latter may be later.
  #wakesAt = 0
  #dueAt = 0
  #sampling = false
  readonly #own = new OwnQuestion()
  #failures = 0
  #statement = SAMPLE_STATEMENT
  #position: Position | undefined
  // The last whole sample of this session, and when it was asked.
  #facts: SampleFacts | undefined
  #wholeAt = Number.NEGATIVE_INFINITY
  #past: TimelinePast | undefined
  // The timeline whose past was asked for, whether or not there was one.
  #pastOf: number | undefined
  #incarnation = 0
  // Callers that wait for the answer to a question that has not been sent yet.
  #askers: Asker[] = []
  // Callers whose question is under way.
  #asked: readonly Asker[] = []
  #again = false
  #hold: ClockTimer | undefined
  #holding = false
  #ended = false

  /** Begins to sample with `start` or with the first `poll`. */
  constructor(pool: Pool | ConnectionPool, background: Background, listener: SampleListener) {
    this.#pool = pool
    this.#background = background
    this.#listener = listener
  }

  /**
   * The last position that the server told. Undefined before the first one, and after the session
   * was lost, because the server may have been restarted.
   */
  get position(): Position | undefined {
    return this.#position
  }

  /**
   * Whether the standby refuses questions that run at the isolation level that is set for the role
   * or the database.
   */
  get isSetToSerializable(): boolean {
    return this.#own.serializable
  }

  /** Whether a restart of the server would be noticed: there is an open session. */
  get watching(): boolean {
    return this.#session !== undefined
  }

  /** The version that the server told when the session was opened; undefined without a session. */
  get serverVersion(): string | undefined {
    return this.#session?.info.parameters.get('server_version')
  }

  /**
   * Changes whenever the server may have been restarted. A standby may then be behind what it had
   * replayed.
   */
  get incarnation(): number {
    return this.#incarnation
  }

  /** Takes a sample now, unless one is under way, and then one after each delay. */
  start(): void {
    if (this.#sampling || this.#ended) return
    this.#sampling = true
    this.#background.run(() => this.#sample())
  }

  /**
   * Resolves with the answer to a question that has not been sent yet; concurrent callers share it.
   * `whole` asks for the timeline too; otherwise that of a standby may be a second old. Rejects if
   * the server does not answer, or does not tell its system identifier and timeline.
   */
  poll(whole = false): Promise<Position> {
    if (this.#stopped) return Promise.reject(new PoolClosedError(this.#background.name))
    return new Promise((resolve, reject) => {
      this.#askers.push({ whole, resolve, reject })
      this.#holdOn()
      this.start()
    })
  }

  /**
   * Ends all waits, because the server will not answer or must not be believed. A later caller
   * makes it ask again.
   */
  giveUp(reason: string): void {
    const askers = [...this.#asked, ...this.#takeAskers()]
    this.#asked = []
    this.#drop(reason)
    this.#refuse(askers, new Error(reason))
  }

  /** Stops sampling and closes the session. */
  stop(): void {
    this.#ended = true
    this.#timer?.cancel()
    this.#letGo()
    this.#hold?.cancel()
    this.#drop('monitoring has ended')
    const askers = [...this.#asked, ...this.#takeAskers()]
    this.#refuse(askers, new PoolClosedError(this.#background.name))
  }

  async #sample(): Promise<void> {
    const startedAt = this.#background.now()
    let sentAt = startedAt
    let askers: Asker[] | undefined
    try {
      const ask = await this.#asker()
      sentAt = this.#background.now()
      askers = this.#takeAskers()
      this.#asked = askers
      const facts = await this.#factsFrom(ask, askers, sentAt)
      this.#failures = 0
      if (this.#stopped) throw new PoolClosedError(this.#background.name)
      this.#position = positionOf(facts, sentAt)
      this.#listener.sampled(facts, sentAt, this)
      this.#answer(askers)
    } catch (error) {
      this.#failed(error, startedAt, askers ?? this.#takeAskers())
    } finally {
      this.#sampling = false
      if (!this.#stopped) this.#goOn()
    }
  }

  /** Asks for the position alone if the rest is known and no caller wants a whole sample. */
  async #factsFrom(ask: Ask, askers: readonly Asker[], sentAt: number): Promise<SampleFacts> {
    const known = this.#facts
    const brief =
      known?.timeline !== undefined &&
      askers.length > 0 &&
      !askers.some(({ whole }) => whole) &&
      sentAt - this.#wholeAt < WHOLE_FOR_MS
    if (brief) {
      const { inRecovery } = known
      const statement = inRecovery ? STANDBY_POSITION_STATEMENT : PRIMARY_POSITION_STATEMENT
      try {
        const facts = readPosition(await ask(statement), known)
        if (facts !== undefined) return facts
      } catch (error) {
        // Another server answers behind a proxy: one in the other role, or one without this
        // session's prepared statements.
        if (!(error instanceof DatabaseError)) throw error
      }
    }
    const facts = await this.#withPast(ask, readSample(await ask({ text: this.#statement })))
    // Without a session of its own, the next question may reach another server.
    if (this.#session !== undefined) {
      this.#facts = facts
      this.#wholeAt = sentAt
    }
    return facts
  }

  /**
   * Adds the past of the server's timeline if the role may read it: once for each timeline of a
   * session.
   */
  async #withPast(ask: Ask, facts: SampleFacts): Promise<SampleFacts> {
    const { timeline, timelineExact, tellsPast } = facts
    if (!tellsPast || !timelineExact || timeline === undefined || timeline === 1) return facts
    if (this.#pastOf !== timeline || this.#session === undefined) {
      try {
        const { rows } = await ask<{ history?: unknown }>(pastStatement(timeline))
        this.#past = TimelinePast.read(timeline, rows[0]?.history)
      } catch (error) {
        // A standby that was cloned later may lack the file.
        if (!(error instanceof DatabaseError)) throw error
        this.#past = undefined
      }
      this.#pastOf = timeline
    }
    return this.#past === undefined ? facts : { ...facts, past: this.#past }
  }

  #goOn(): void {
    if (this.#askers.length === 0) this.#letGo()
    if (this.#askers.length > 0 || this.#again) {
      this.#again = false
      this.start()
      return
    }
    const delayMs = this.#listener.nextDelayMs(this.#failures)
    if (delayMs < Number.POSITIVE_INFINITY) this.#wakeAt(this.#background.now() + delayMs)
  }

  /**
   * An earlier timer is left alone. Under load there is a question every few milliseconds, and none
   * of them must make a timer.
   */
  #wakeAt(time: number): void {
    this.#dueAt = time
    if (this.#timer !== undefined) {
      if (this.#wakesAt <= time) return
      this.#timer.cancel()
    }
    this.#wakesAt = time
    this.#timer = this.#background.after(time - this.#background.now(), () => this.#wake())
  }

  #wake(): void {
    this.#timer = undefined
    if (this.#sampling) return
    if (this.#background.now() < this.#dueAt) this.#wakeAt(this.#dueAt)
    else this.start()
  }

  #answer(askers: readonly Asker[]): void {
    const position = this.#position
    if (position !== undefined) for (const { resolve } of askers) resolve(position)
    else if (askers.length > 0) {
      const error = new Error(
        `"${this.#pool.name}" does not tell system identifier and timeline; sessions need execute on pg_control_system, pg_control_checkpoint and pg_control_recovery`,
      )
      this.#refuse(askers, error)
    }
  }

  #failed(error: unknown, startedAt: number, askers: readonly Asker[]): void {
    // The server has answered, but refused a function: ask at once without the functions of the
    // control file.
    const hidden = hasCondition(error, 'insufficient_privilege', 'undefined_function')
    if (hidden && this.#statement === SAMPLE_STATEMENT) {
      this.#statement = PLAIN_SAMPLE_STATEMENT
      this.#askers.unshift(...askers)
      this.#again = true
      return
    }
    this.#drop('its sample failed')
    const stalled = this.#background.now() - startedAt > STALLED_MS
    if (!this.#stopped && !stalled) this.#listener.failed(error, ++this.#failures)
    this.#refuse(askers, error)
  }

  #refuse(askers: readonly Asker[], error: unknown): void {
    for (const { reject } of askers) reject(error)
  }

  #takeAskers(): Asker[] {
    const askers = this.#askers
    this.#askers = []
    return askers
  }

  get #stopped(): boolean {
    return this.#ended || this.#background.stopped.aborted
  }

  async #asker(): Promise<Ask> {
    const pool = this.#pool
    const limits = { timeoutMs: ANSWER_MS }
    if (!('openSession' in pool)) {
      return (statement) =>
        this.#inOwnSettings(statement, (own) => pool.query(own, { ...limits, intent: 'write' }))
    }
    this.#session ??= await this.#open(pool)
    const session = this.#session
    return (statement) => this.#inOwnSettings(statement, (own) => session.query(own, limits))
  }

  /**
   * Asks in a way that settings of the role cannot break. A question that brings its own settings
   * cannot be a prepared statement.
   */
  #inOwnSettings<R>(statement: Statement, run: (statement: Statement) => Promise<R>): Promise<R> {
    const { text, values } = statement
    if (values !== undefined) return run(statement)
    return this.#own.ask(text, (own) => run(own === text ? statement : { text: own }))
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
      // The session was lost, maybe long before the next sample is due: look at the server at once.
      this.#session = undefined
      this.#forget()
      this.start()
    })
    return session
  }

  #drop(reason: string): void {
    const session = this.#session
    this.#session = undefined
    this.#forget()
    session?.destroy(reason)
  }

  /**
   * Keeps the process alive while a caller waits; samples alone do not. The timer is renewed once a
   * minute and not for each question.
   */
  #holdOn(): void {
    this.#hold ??= this.#background.after(HOLD_MS, () => this.#holdAgain(), { keepAlive: true })
    if (this.#holding) return
    this.#holding = true
    this.#hold.keepAlive(true)
  }

  #holdAgain(): void {
    this.#hold = undefined
    if (!this.#holding) return
    this.#holding = false
    this.#holdOn()
  }

  #letGo(): void {
    if (!this.#holding) return
    this.#holding = false
    this.#hold?.keepAlive(false)
  }

  #forget(): void {
    this.#position = undefined
    this.#facts = undefined
    this.#pastOf = undefined
    this.#incarnation++
  }
}

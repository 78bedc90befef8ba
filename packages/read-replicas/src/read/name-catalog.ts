import { DatabaseError, type Pool } from '@poolhouse/core'
import { type CallParty, callFor, OwnQuestion } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { OWN_NAMES_STATEMENT, type OwnNames, readOwnNames } from '../classify/own-names.js'
import { topologyOf } from '../nodes/membership.js'

// A name that another program creates is known after this long at most.
const BELIEVED_MS = 60_000
// The names are asked again earlier, so that a busy pool always knows them.
const REFRESH_MS = 30_000
const RETRY_MS = 1_000
const ANSWER_MS = 5_000
// Databases of one kind, such as those of tenants, have the same names and share one object.
const MOST_SHARED = 16

interface State {
  names: OwnNames | undefined
  sentAt: number
  askAt: number
  /** Whether the last question was not answered. */
  failed: boolean
  /** Statements under way that may change the names. */
  changing: number
  /** Counts these statements, at their beginning and at their end. */
  generation: number
  asking: Promise<void> | undefined
}

/**
 * The names that each database has of its own, as told by its primary. They are asked for when the
 * pool is made, or else with the first call, and are not known before the answer. If a database
 * does not answer, its last known names stay valid.
 */
export class NameCatalog {
  readonly #primary: Pool
  readonly #background: Background
  readonly #states = new WeakMap<CallParty, State>()
  readonly #shared = new Map<string, OwnNames>()
  readonly #own = new OwnQuestion()
  // Stands for the database of a pool that has only one.
  readonly #alone: CallParty = {}

  /** Asks nothing by itself. */
  constructor(primary: Pool, background: Background) {
    this.#primary = primary
    this.#background = background
  }

  /** Asks before the first call, if it is known which database that will be for. */
  begin(): void {
    // While a topology still looks for its primary, the question would be held, and reported as a
    // held call.
    if (topologyOf(this.#primary) === undefined) this.current()
  }

  /**
   * The names of the database that the present call is for; undefined while they are not known.
   * Asks for them when it is time.
   */
  current(): OwnNames | undefined {
    const database = databaseOf(this.#primary, this.#alone)
    if (database === undefined) return undefined
    const state = this.#stateOf(database)
    const now = this.#background.now()
    if (now >= state.askAt) void this.#ask(database, state)
    if (!state.failed && now - state.sentAt >= BELIEVED_MS) return undefined
    return state.names
  }

  /** Whether the first question for the names is under way. */
  get isBeginning(): boolean {
    const database = databaseOf(this.#primary, this.#alone)
    if (database === undefined || this.current() !== undefined) return false
    const { asking, failed, generation, sentAt } = this.#stateOf(database)
    const isFirst = generation === 0 && sentAt === Number.NEGATIVE_INFINITY
    return asking !== undefined && isFirst && !failed
  }

  /**
   * Resolves when the names are known, when the question for them has failed, or at the deadline.
   */
  async learn(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const database = databaseOf(this.#primary, this.#alone)
    if (database === undefined || this.current() !== undefined) return
    const { asking, changing } = this.#stateOf(database)
    if (asking === undefined || changing > 0) return
    await this.#background.inTime(asking, deadline, signal)
  }

  /**
   * Runs work that may change the names. They are unknown until it is over and they have been asked
   * for again.
   */
  async during<R>(work: () => Promise<R>): Promise<R> {
    const database = databaseOf(this.#primary, this.#alone)
    if (database === undefined) return await work()
    const state = this.#stateOf(database)
    this.#forget(state)
    state.changing++
    try {
      return await work()
    } finally {
      state.changing--
      this.#forget(state)
      void this.#ask(database, state)
    }
  }

  #forget(state: State): void {
    state.generation++
    state.names = undefined
    state.askAt = Number.NEGATIVE_INFINITY
  }

  #stateOf(database: CallParty): State {
    let state = this.#states.get(database)
    if (state === undefined) {
      const never = Number.NEGATIVE_INFINITY
      state = {
        names: undefined,
        sentAt: never,
        askAt: never,
        failed: false,
        changing: 0,
        generation: 0,
        asking: undefined,
      }
      this.#states.set(database, state)
    }
    return state
  }

  #ask(database: CallParty, state: State): Promise<void> {
    const background = this.#background
    if (background.stopped.aborted || state.changing > 0) return Promise.resolve()
    state.asking ??= new Promise((resolve) => {
      background.run(async () => {
        let { generation } = state
        for (;;) {
          await this.#question(database, state)
          if (generation === state.generation || state.changing > 0) break
          // The names changed while they were asked for: ask again before the waiting calls go on.
          generation = state.generation
        }
        state.asking = undefined
        resolve()
      })
    })
    return state.asking
  }

  async #question(database: CallParty, state: State): Promise<void> {
    const { generation } = state
    const background = this.#background
    const sentAt = background.now()
    state.askAt = Number.POSITIVE_INFINITY
    const limits = { timeoutMs: ANSWER_MS, intent: 'write', signal: background.stopped } as const
    try {
      const result = await this.#own.ask(OWN_NAMES_STATEMENT, (text) =>
        callFor(database, () => this.#primary.query({ text }, limits)),
      )
      const told = readOwnNames(result)
      if (state.generation !== generation) {
        state.askAt = Number.NEGATIVE_INFINITY
        return
      }
      state.names = this.#share(told.signature, told.names)
      state.sentAt = sentAt
      state.askAt = sentAt + REFRESH_MS
      state.failed = false
    } catch (error) {
      state.askAt = background.now() + RETRY_MS
      // Without the names no text sends a statement to a replica, so the error is reported. That a
      // server cannot be reached is reported elsewhere.
      const isNews = !state.failed && error instanceof DatabaseError
      state.failed = true
      if (isNews) background.hub.emit('error', { pool: background.name, error })
    }
  }

  #share(signature: string, names: OwnNames): OwnNames {
    const known = this.#shared.get(signature)
    if (known !== undefined) return known
    if (this.#shared.size >= MOST_SHARED) this.#shared.clear()
    this.#shared.set(signature, names)
    return names
  }
}

/**
 * The database that the present call is for: `alone`, or the one that `databaseOfCall` names for a
 * pool that several databases share. Undefined if the call names none.
 */
function databaseOf(pool: Pool, alone: CallParty): CallParty | undefined {
  const { current } = topologyOf(pool) ?? {}
  const node = (current?.primary ?? current?.nodes[0])?.pool ?? pool
  if (!('databaseOfCall' in node)) return alone
  return node.databaseOfCall as CallParty | undefined
}

import { rethrowLater } from '../../base/rethrow-later.js'

/** What one session does at a time: a statement, a cursor, a COPY. */
export interface QueuedWork {
  /** Whether the server may have received it. */
  readonly sent?: boolean
  /**
   * Whether it is to be sent anew instead of being settled. `idle` says that the session is in no
   * transaction.
   */
  wantsRepeat(idle: boolean): boolean
  /** Settles the caller. Called at ReadyForQuery, once. */
  settle(): void
  /** Settles the caller when the session ended first. */
  lose(reason: unknown): void
}

/** What sends work: the session. */
export interface WorkRunner<Work> {
  /** Sends it, or sends it anew. */
  query(work: Work): unknown
}

/**
 * Gives a session one thing to do at a time and settles it at ReadyForQuery. The rest waits here,
 * so that exactly one is ever in doubt.
 */
export class WorkQueue<Work extends QueuedWork> {
  readonly #runner: WorkRunner<Work>
  #current: Work | undefined
  // Made when needed: idle sessions may be many.
  #waiting: Work[] | undefined
  #stopped = false

  /** Works for the life of a session. */
  constructor(runner: WorkRunner<Work>) {
    this.#runner = runner
  }

  /** How much has been given and not been settled. */
  get length(): number {
    return this.#current === undefined ? 0 : 1 + (this.#waiting?.length ?? 0)
  }

  /** The work that was added last, and is not settled. */
  get last(): Work | undefined {
    return this.#waiting?.at(-1) ?? this.#current
  }

  /** The work that the runner has. */
  get current(): Work | undefined {
    return this.#current
  }

  /** Starts it, or has it wait for its turn. */
  add(work: Work): void {
    if (this.#current === undefined) {
      this.#start(work)
      return
    }
    this.#waiting ??= []
    this.#waiting.push(work)
  }

  /** As `add`, for work that was sent already, and everything before it. */
  join(work: Work): void {
    if (this.#current === undefined) this.#current = work
    else {
      this.#waiting ??= []
      this.#waiting.push(work)
    }
  }

  /**
   * ReadyForQuery has come for the current work. `idle` says that the session is in no transaction.
   */
  answered(idle: boolean): void {
    const work = this.#current
    if (work === undefined) return
    if (!this.#stopped && work.wantsRepeat(idle)) {
      // What was sent meanwhile is answered first.
      if (this.#waiting?.[0]?.sent === true) {
        this.#waiting.push(work)
        this.#advance()
      }
      this.#runner.query(work)
      return
    }
    this.#advance()
    try {
      work.settle()
    } catch (error) {
      rethrowLater(error)
    }
  }

  /**
   * Starts the next work and settles this one with `settle`, because no ReadyForQuery will come for
   * it. Does nothing if it is not the current work.
   */
  skip(work: Work, settle: () => void): void {
    if (this.#current !== work) return
    this.#advance()
    try {
      settle()
    } catch (error) {
      rethrowLater(error)
    }
  }

  /** Starts nothing from now on. */
  stop(): void {
    this.#stopped = true
  }

  /** The session is over: settles everything, in order. */
  lose(reason: unknown): void {
    const all = this.#waiting ?? []
    this.#waiting = undefined
    if (this.#current !== undefined) all.unshift(this.#current)
    this.#current = undefined
    for (const work of all) {
      try {
        work.lose(reason)
      } catch (error) {
        rethrowLater(error)
      }
    }
  }

  #start(work: Work): void {
    this.#current = work
    this.#runner.query(work)
  }

  #advance(): void {
    this.#current = undefined
    const next = this.#waiting?.[0]
    // What was sent along with other work is answered all the same.
    if (next === undefined || (this.#stopped && next.sent !== true)) return
    this.#waiting!.shift()
    this.#start(next)
  }
}

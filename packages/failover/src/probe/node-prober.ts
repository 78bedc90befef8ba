import type { Clock, ConnectionPool, QueryResult, Session } from '@poolhouse/core'
import { OwnQuestion, pastStatement, TimelinePast } from '@poolhouse/core/kit'
import type { Finding, Observation, ProbeFacts } from '../base/observation.js'
import { StallAwareDeadline } from '../base/stall-aware-deadline.js'
import { findingOf, isRoleChanging, isUnsupported } from './probe-finding.js'
import { readProbe } from './probe-statement.js'

/** What a prober needs. */
export interface ProberOptions {
  readonly pool: Pick<ConnectionPool, 'openSession'>
  readonly clock: Clock
  /** Longest time for one probe, in milliseconds. */
  readonly timeoutMs: number
  /** The statement of a probe, and what to ask instead where the server does not support it. */
  readonly statements: readonly string[]
  /**
   * Age from which a session is replaced by one to wherever the node's name leads by then, in
   * milliseconds; `Infinity` for never.
   */
  readonly renewAfterMs: () => number
  /**
   * Something happened outside a probe that calls for another: the session was lost, or a late
   * answer came.
   */
  readonly onSign: (reason: string) => void
}

/** A session and the question on it that has not been answered yet. */
interface Line {
  readonly session: Session
  asking: Promise<void> | undefined
  /** When it was opened, or last tried to be replaced. */
  renewedAt: number
  /** Whether another one is to take its place although it answers. */
  isOld: boolean
  /** The past of the server's timeline, once it was read. */
  past: TimelinePast | undefined
  /** The timeline whose past was asked for. */
  pastOf: number | undefined
}

// A distant server gets its round trips on top of the deadline, or a little noise on a slow line
// would look like a death. Bounded, so that a frozen server is noticed within three seconds
// whatever it did before.
const EXTRA_ROUND_TRIPS = 2
const MOST_EXTRA_DEADLINES = 2
const APPLICATION_NAME = 'poolhouse-monitor'
const MOST_ATTEMPTS = 3
// Opening a session takes several round trips, so on a slow network it outlasts a probe. It goes on
// in the background: each probe that waits in vain counts, but the next one finds it further along
// instead of starting over.
const OPENING_PROBES = 5
const OPENING_LEAST_MS = 2_000

/** Asks one server what it is, over a session of its own. Owns that session. */
export class NodeProber {
  readonly #options: ProberOptions
  readonly #stop = new AbortController()
  #line: Line | undefined
  #opening: Promise<Line> | undefined
  // Follows a slower line at once and a faster one slowly.
  #roundTripMs = 0
  readonly #own = new OwnQuestion()
  // The first of the statements that the server has not called unsupported.
  #statement = 0

  /** Opens nothing before the first probe. */
  constructor(options: ProberOptions) {
    this.#options = options
  }

  /**
   * One probe: what was found within the deadline, or undefined if the event loop was stalled for
   * more than half of it and silence proves nothing.
   */
  observe(): Promise<Observation | undefined> {
    const { clock, timeoutMs } = this.#options
    const sentAt = clock.now()
    return new Promise((resolve) => {
      let over = false
      const end = (finding: Finding): void => {
        if (over) return
        over = true
        deadline.stop()
        const isVoid = finding.kind === 'failed' && deadline.lateMs > timeoutMs / 2
        resolve(isVoid ? undefined : { ...finding, sentAt, answeredAt: clock.now() })
      }
      const expired = (): void => {
        // A late answer may have shown meanwhile how long the line is.
        const more = sentAt + this.#allowedMs() - clock.now()
        if (more >= 1) deadline = new StallAwareDeadline(clock, more, expired)
        else end({ kind: 'failed', detail: `no answer to a probe within ${timeoutMs} ms` })
      }
      let deadline = new StallAwareDeadline(clock, this.#allowedMs(), expired)
      // Never rejects.
      void this.#ask(() => over).then(end)
    })
  }

  /** Breaks the session. Probes that are under way still settle. */
  stop(): void {
    this.#stop.abort(new Error('the monitor was stopped'))
    this.#line?.session.destroy('the monitor was stopped')
    this.#line = undefined
  }

  async #ask(isOver: () => boolean): Promise<Finding> {
    for (let attempt = 1; ; attempt++) {
      let line: Line | undefined
      try {
        line = await this.#freeLine()
        if (isOver() || this.#stop.signal.aborted)
          return { kind: 'failed', detail: 'came too late' }
        const answer = await this.#question(line, isOver)
        const facts = readProbe(answer, line.session.info.backendPid)
        return { kind: 'answer', facts: this.#withPast(line, facts) }
      } catch (error) {
        if (isUnsupported(error) && this.#statement + 1 < this.#options.statements.length) {
          this.#statement++
          continue
        }
        // The old session being dead says nothing about the server; a new one will tell.
        const again = line !== undefined && (line.session.closed || isRoleChanging(error))
        if (!again || attempt >= MOST_ATTEMPTS || isOver()) return findingOf(error)
      }
    }
  }

  /**
   * With the whole past of the server's timeline, where the role may read it. It is asked once, and
   * no answer of a probe waits for it.
   */
  #withPast(line: Line, facts: ProbeFacts): ProbeFacts {
    const { timeline, timelineExact, tellsPast } = facts
    if (!tellsPast || !timelineExact || timeline === undefined || timeline === 1) return facts
    if (line.pastOf === timeline) {
      return line.past === undefined ? facts : Object.freeze({ ...facts, past: line.past })
    }
    line.pastOf = timeline
    line.past = undefined
    line.asking = line.session.query<{ history?: unknown }>(pastStatement(timeline)).then(
      ({ rows }) => {
        line.asking = undefined
        line.past = TimelinePast.read(timeline, rows[0]?.history)
      },
      // A standby that was cloned later may lack the file.
      () => {
        line.asking = undefined
      },
    )
    return facts
  }

  #allowedMs(): number {
    const { timeoutMs } = this.#options
    return (
      timeoutMs + Math.min(EXTRA_ROUND_TRIPS * this.#roundTripMs, MOST_EXTRA_DEADLINES * timeoutMs)
    )
  }

  async #question(line: Line, isOver: () => boolean): Promise<QueryResult> {
    const { clock, statements } = this.#options
    const askedAt = clock.now()
    const answer = this.#own.ask(statements[this.#statement]!, (text) => line.session.query(text))
    const settled = (): void => {
      line.asking = undefined
      if (!line.session.closed) {
        const took = clock.now() - askedAt
        this.#roundTripMs = Math.max(took, this.#roundTripMs + (took - this.#roundTripMs) / 8)
      }
      // What it says is as old as its question; that it comes at all is reason to ask again.
      if (isOver() && line === this.#line && !line.session.closed) {
        this.#options.onSign('a late answer came')
      }
    }
    line.asking = answer.then(settled, settled)
    return await answer
  }

  /**
   * A session without an unanswered question: the one we have, or whichever of it and a new one is
   * first.
   */
  #freeLine(): Promise<Line> {
    const line = this.#line
    if (line === undefined || line.session.closed) return this.#open()
    if (line.asking === undefined) {
      this.#renew(line)
      return Promise.resolve(line)
    }
    return Promise.race([line.asking.then(() => line), this.#open()])
  }

  /**
   * The name may lead to another server by now, and this one would answer for ever. It does until
   * the new session is open.
   */
  #renew(line: Line): void {
    const now = this.#options.clock.now()
    if (now - line.renewedAt < this.#options.renewAfterMs()) return
    line.renewedAt = now
    line.isOld = true
    void this.#open()
  }

  #open(): Promise<Line> {
    if (this.#opening !== undefined) return this.#opening
    const { pool, timeoutMs } = this.#options
    const opening = pool
      .openSession({
        timeoutMs: Math.max(OPENING_LEAST_MS, OPENING_PROBES * timeoutMs),
        applicationName: APPLICATION_NAME,
        signal: this.#stop.signal,
      })
      .then((session) => this.#opened(session))
      .finally(() => {
        this.#opening = undefined
      })
    // A probe that waits for it handles the failure; if none does any more, nobody needs to know.
    opening.catch(() => {})
    this.#opening = opening
    return opening
  }

  #opened(session: Session): Line {
    const old = this.#line
    const renewedAt = this.#options.clock.now()
    const line: Line = {
      session,
      asking: undefined,
      renewedAt,
      isOld: false,
      past: undefined,
      pastOf: undefined,
    }
    if (this.#stop.signal.aborted) {
      session.destroy('the monitor was stopped')
      return line
    }
    if (old?.session.closed === false && old.asking === undefined && !old.isOld) {
      session.destroy('the former session answers again')
      return old
    }
    this.#line = line
    const leave = (): void => old?.session.destroy('a new session took its place')
    // One that is only old may be answering: its loss would look like one of the server.
    if (old?.isOld === true && old.asking !== undefined) void old.asking.then(leave)
    else leave()
    const { signal } = session
    const lost = (): void => {
      if (this.#line !== line) return
      this.#line = undefined
      this.#options.onSign('the session of the monitor was lost')
    }
    if (signal.aborted) lost()
    else signal.addEventListener('abort', lost, { once: true })
    return line
  }
}

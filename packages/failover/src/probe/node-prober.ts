import {
  type Clock,
  ConnectError,
  type ConnectionPool,
  type QueryResult,
  type Session,
} from '@poolhouse/core'
import { OwnQuestion, pastStatement, TimelinePast } from '@poolhouse/core/kit'
import type { Finding, Observation, ProbeFacts } from '../base/observation.js'
import { StallAwareDeadline } from '../base/stall-aware-deadline.js'
import { findingOf, isRoleChanging, isUnsupported } from './probe-finding.js'
import { readProbe } from './probe-statement.js'
import { SessionOpener } from './session-opener.js'

/** Options of `NodeProber`. */
export interface ProberOptions {
  readonly pool: Pick<ConnectionPool, 'openSession'>
  readonly clock: Clock
  /** Longest time for one probe, in milliseconds. */
  readonly timeoutMs: number
  /** The statement of a probe, then what replaces it where the server does not support it. */
  readonly statements: readonly string[]
  /**
   * Age at which a session is replaced, in milliseconds; `Infinity` for never. The node's name may
   * lead to another server by then, and only a new session finds that out.
   */
  readonly renewAfterMs: () => number
  /**
   * Called when something outside a probe makes another probe worthwhile: the session was lost, or
   * a late answer arrived.
   */
  readonly onHint: (reason: string) => void
  /**
   * Called when a new session was opened while an earlier attempt to open one hung: other
   * connections that are being opened may hang as well.
   */
  readonly onOvertaken: () => void
}

/** A session with its unanswered query, if there is one. */
interface ProbeLine {
  readonly session: Session
  asking: Promise<void> | undefined
  /** When it was opened, or when the last attempt to replace it began. */
  renewedAt: number
  /** Whether it is to be replaced although it still answers. */
  isOld: boolean
  /** The history of the server's timeline, once it was read. */
  past: TimelinePast | undefined
  /** The timeline whose history was asked for. */
  pastOf: number | undefined
}

// A distant server gets its round trips on top of the deadline; else a little jitter on a slow line
// would look like a dead server. Bounded, so that a frozen server is noticed within three seconds
// however slow it was before.
const EXTRA_ROUND_TRIPS = 2
const MOST_EXTRA_DEADLINES = 2
const MOST_ATTEMPTS = 3

/** Probes one server over a session of its own. Owns that session. */
export class NodeProber {
  readonly #options: ProberOptions
  readonly #opener: SessionOpener<ProbeLine>
  #line: ProbeLine | undefined
  /** Sessions that were replaced while they owed an answer. */
  readonly #leaving = new Set<Session>()
  #stopped = false
  // Rises at once when the line gets slower, and falls slowly when it gets faster.
  #roundTripMs = 0
  readonly #own = new OwnQuestion()
  // Index of the first statement that the server has not refused as unsupported.
  #statement = 0

  /** Opens nothing before the first probe. */
  constructor(options: ProberOptions) {
    this.#options = options
    this.#opener = new SessionOpener({
      pool: options.pool,
      probeTimeoutMs: options.timeoutMs,
      opened: (session) => this.#opened(session),
      isAnswer: (error) =>
        error instanceof ConnectError && (error.fatal || error.sqlState !== undefined),
      overtaken: options.onOvertaken,
    })
  }

  /**
   * Probes once. Resolves with what was found within the deadline, or with undefined if there was
   * no answer and the event loop was stalled for more than half of the time, so that silence proves
   * nothing.
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
        this.#opener.probeEnded()
        const isVoid = finding.kind === 'failed' && deadline.lateMs > timeoutMs / 2
        resolve(isVoid ? undefined : { ...finding, sentAt, answeredAt: clock.now() })
      }
      const expired = (): void => {
        // A late answer may have shown meanwhile how long a round trip takes.
        const more = sentAt + this.#allowedMs() - clock.now()
        if (more >= 1) deadline = new StallAwareDeadline(clock, more, expired)
        else end({ kind: 'failed', detail: `no answer to a probe within ${timeoutMs} ms` })
      }
      let deadline = new StallAwareDeadline(clock, this.#allowedMs(), expired)
      // Never rejects.
      void this.#ask(() => over).then(end)
    })
  }

  /** Destroys the session. Probes under way still settle. */
  stop(): void {
    this.#stopped = true
    this.#opener.stop()
    for (const session of this.#leaving) session.destroy('the monitor was stopped')
    this.#line?.session.destroy('the monitor was stopped')
    this.#line = undefined
  }

  async #ask(isOver: () => boolean): Promise<Finding> {
    for (let attempt = 1; ; attempt++) {
      let line: ProbeLine | undefined
      try {
        line = await this.#freeLine()
        if (isOver() || this.#stopped) return { kind: 'failed', detail: 'came too late' }
        const answer = await this.#question(line, isOver)
        const facts = readProbe(answer, line.session.info.backendPid)
        return { kind: 'answer', facts: this.#withPast(line, facts) }
      } catch (error) {
        // A server that has just changed its role answers the same question when it is asked again.
        const refuses = isUnsupported(error) || (attempt > 1 && isRoleChanging(error))
        if (refuses && this.#statement + 1 < this.#options.statements.length) {
          this.#statement++
          continue
        }
        // A dead old session says nothing about the server; try a new one.
        const again = line !== undefined && (line.session.closed || isRoleChanging(error))
        if (!again || attempt >= MOST_ATTEMPTS || isOver()) return findingOf(error)
      }
    }
  }

  /**
   * Adds the whole history of the server's timeline, if our role may read it. The history is read
   * once per session and timeline, after the probe has been answered, so the next probe has it.
   */
  #withPast(line: ProbeLine, facts: ProbeFacts): ProbeFacts {
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
      // A standby that was cloned after the promotion may lack the history file.
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

  async #question(line: ProbeLine, isOver: () => boolean): Promise<QueryResult> {
    const { clock, statements } = this.#options
    const askedAt = clock.now()
    const answer = this.#own.ask(statements[this.#statement]!, (text) => line.session.query(text))
    const settled = (): void => {
      line.asking = undefined
      if (!line.session.closed) {
        const took = clock.now() - askedAt
        this.#roundTripMs = Math.max(took, this.#roundTripMs + (took - this.#roundTripMs) / 8)
      }
      // A late answer is as old as its question, so it is not used. But the server is alive.
      if (isOver() && line === this.#line && !line.session.closed) {
        this.#options.onHint('a late answer came')
      }
    }
    line.asking = answer.then(settled, settled)
    return await answer
  }

  /**
   * A session without an unanswered query: the present one if it has none, else whichever is first,
   * its answer or a new session.
   */
  #freeLine(): Promise<ProbeLine> {
    const line = this.#line
    if (line === undefined || line.session.closed) return this.#opener.open()
    if (line.asking === undefined) {
      this.#renew(line)
      return Promise.resolve(line)
    }
    return Promise.race([line.asking.then(() => line), this.#opener.open()])
  }

  /**
   * Opens a new session if this one is old: the node's name may lead to another server by now. The
   * old session serves until the new one is open.
   */
  #renew(line: ProbeLine): void {
    const now = this.#options.clock.now()
    if (now - line.renewedAt < this.#options.renewAfterMs()) return
    line.renewedAt = now
    line.isOld = true
    this.#opener.openLater()
  }

  #opened(session: Session): ProbeLine {
    const old = this.#line
    const renewedAt = this.#options.clock.now()
    const line: ProbeLine = {
      session,
      asking: undefined,
      renewedAt,
      isOld: false,
      past: undefined,
      pastOf: undefined,
    }
    if (this.#stopped) {
      session.destroy('the monitor was stopped')
      return line
    }
    if (old?.session.closed === false && old.asking === undefined && !old.isOld) {
      session.destroy('the former session answers again')
      return old
    }
    this.#line = line
    if (old !== undefined) this.#leave(old)
    const { signal } = session
    const lost = (): void => {
      if (this.#line !== line) return
      this.#line = undefined
      this.#options.onHint('the session of the monitor was lost')
    }
    if (signal.aborted) lost()
    else signal.addEventListener('abort', lost, { once: true })
    return line
  }

  #leave({ session, isOld, asking }: ProbeLine): void {
    const leave = (): void => {
      this.#leaving.delete(session)
      session.destroy('a new session took its place')
    }
    if (!isOld || asking === undefined) {
      leave()
      return
    }
    // Breaking it now would look like a failure of the server.
    this.#leaving.add(session)
    void asking.then(leave)
  }
}

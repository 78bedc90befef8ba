import {
  AuthenticationError,
  ConnectError,
  DatabaseError,
  isPoolhouseError,
  type Statement,
} from '../../src/index.js'
import type { SeededRandom } from '../../src/testing/index.js'
import {
  type FakeConnection,
  type FakeDriver,
  type FakeFailure,
  type FakeHang,
  type FakeLoss,
  type FakeReply,
  fakeDriver,
  type VirtualClock,
} from '../../src/testing/index.js'

/** How the server treats connects at the moment. */
export type ConnectMood = 'well' | 'refused' | 'hang' | 'full' | 'wrong password' | 'mixed'

/** What became of one marked statement on the server. */
export interface Fate {
  runs: number
  /** Whether the run before this one was cancelled, so that it has done nothing. */
  wasCancelled: boolean
  outcome: 'started' | 'done' | 'failed'
  pid: number
}

const MARK = /\/\* (\w+) (\d+) (\w+) \*\//
const PART = /\/\* part (\d+) \*\//

/** A statement that names its sender and how the server is to treat it. */
export function marked(text: string, who: string, id: number, treatment: string): string {
  return `${text} ${markOf(who, id, treatment)}`
}

/** The same as a value, of a statement whose text stays what it is. */
export function markOf(who: string, id: number, treatment: string): string {
  return `/* ${who} ${id} ${treatment} */`
}

function markIn({ text, values }: Statement): RegExpExecArray | null {
  return MARK.exec(text) ?? MARK.exec(String(values?.[0]))
}

/**
 * The server of one schedule. It changes its behaviour at random and records what it does. It knows
 * which lease holds which session, so it notices at once when a statement arrives on a session of
 * another lease, or on one that was not cleaned.
 */
export class FakeServer {
  readonly driver: FakeDriver
  mood: ConnectMood = 'well'
  slowness = 5
  cancelSlowness: number
  cancelFails = false
  /** Session (by process id) to the lease that holds it. */
  readonly heldBy: Map<number, number> = new Map()
  /**
   * Leases whose holder did not await a query, which may therefore be sent until the pool has the
   * lease back.
   */
  readonly careless: Set<number> = new Set()
  /** Marked statements by `who id`. */
  readonly fates: Map<string, Fate> = new Map()
  /** Transactions whose COMMIT the server has carried out. */
  readonly committed: Set<number> = new Set()
  /** Share of BEGIN, COMMIT, ROLLBACK, savepoints and resets that go wrong. */
  readonly trouble: number
  readonly complaints: string[] = []
  lastRefusalAt: number = Number.NEGATIVE_INFINITY
  lastFullAt: number = Number.NEGATIVE_INFINITY
  /** Another process answers than was announced at the log-in: a pooler. */
  isPooler = false
  /** Sessions that calls have shared since their last reset, and when each was last busy. */
  readonly sharedAt: Map<number, number> = new Map()
  #nextTakesMs: number | undefined
  readonly #transactionOf = new Map<number, number>()
  /** Sessions in which a transaction was begun. */
  readonly #begun = new Set<number>()
  readonly #clock: VirtualClock
  readonly #random: SeededRandom

  constructor(clock: VirtualClock, random: SeededRandom) {
    this.#clock = clock
    this.#random = random
    this.trouble = random.pick([0, 0, 0.05, 0.3])
    this.cancelSlowness = random.pick([3, 3, 100])
    const sendsTogether = random.pick([
      undefined,
      undefined,
      undefined,
      'never',
      'refused',
    ] as const)
    this.driver = fakeDriver({
      clock,
      ...(sendsTogether === undefined ? {} : { sendsTogether }),
      destroysAtOnce: random.chance(0.5),
      connectMs: () => random.pick([0, 1, random.int(2, 60)]),
      shares: random.chance(0.9),
      statementMs: () => {
        const takesMs = this.#nextTakesMs
        this.#nextTakesMs = undefined
        return takesMs ?? (random.chance(0.3) ? 0 : random.int(1, this.slowness))
      },
      answeringPid: ({ info: { backendPid } }) => (this.isPooler ? backendPid + 1_000 : backendPid),
      onConnect: (_attempt, { settings }) => this.#connect(settings.endpoint.host),
      onStatement: (statement, connection) => this.#receive(statement, connection),
      onAnswer: (...answer) => this.#answered(...answer),
      onCancel: () =>
        this.cancelFails && random.chance(0.5)
          ? new Error('cancel refused')
          : random.int(0, this.cancelSlowness),
    })
  }

  /** Whether a session proves itself alive at this moment, or is reset after it was shared. */
  get pinging(): boolean {
    return [...this.driver.open].some(({ pinging, inFlight, statements }) => {
      return pinging || (inFlight > 0 && statements.at(-1) === 'reset session')
    })
  }

  #connect(endpoint: string): Error | 'hang' | undefined {
    const mood = this.mood === 'mixed' ? this.#random.pick(MOODS) : this.mood
    if (mood === 'well') return undefined
    this.lastRefusalAt = this.#clock.now()
    if (mood === 'full') this.lastFullAt = this.lastRefusalAt
    switch (mood) {
      case 'hang':
        return 'hang'
      case 'refused':
        return new ConnectError('connection refused', { endpoint })
      case 'full':
        return new ConnectError('too many connections', { endpoint, sqlState: '53300' })
      case 'wrong password':
        return new AuthenticationError('wrong password', {
          endpoint,
          sqlState: '28P01',
          fatal: true,
        })
    }
  }

  #receive(statement: Statement, connection: FakeConnection): FakeReply | undefined {
    const { backendPid: pid } = connection.info
    const mark = markIn(statement)
    const part = PART.exec(statement.text)
    this.#busy(pid)
    if (part !== null) this.#note(`part ${part[1]}`, pid)
    if (mark === null) {
      if (statement.text.startsWith('BEGIN')) {
        this.#expectFresh('a transaction', connection)
        this.#begun.add(pid)
      }
      return this.#control(statement.text, pid, connection.sessionStatus === 'failed')
    }
    const [, who = '', number = '', treatment = ''] = mark
    const id = Number(number)
    this.#note(`${who} ${id}`, pid)
    if (connection.sharing) this.sharedAt.set(pid, this.#clock.now())
    if (who === 'lease') {
      const holder = this.heldBy.get(pid)
      if (holder !== id && (holder !== undefined || !this.careless.has(id)))
        this.complaints.push(`lease ${id} ran on a stranger's session`)
    } else if (who === 'call' || who === 'share') {
      this.#expectFresh(`${who} ${id}`, connection)
    } else if (who === 'tx') {
      const other = this.#transactionOf.get(pid)
      if (other !== undefined && other !== id) {
        this.complaints.push(`transaction ${id} ran inside transaction ${other}`)
      }
      if (!this.#begun.has(pid)) this.complaints.push(`transaction ${id} ran without BEGIN`)
      this.#transactionOf.set(pid, id)
      if (this.heldBy.has(pid)) this.complaints.push(`transaction ${id} ran inside a lease`)
    }
    return who === 'share'
      ? this.#replyToShared(id, treatment)
      : this.#reply(statement.text, treatment)
  }

  /** The answer to a call that may share its session says whose it is. */
  #replyToShared(id: number, treatment: string): FakeReply | undefined {
    if (treatment === 'fail') {
      return { error: new DatabaseError(`of ${id}`, { code: '22012', severity: 'ERROR' }) }
    }
    // Texts that share are known to be quick, and may be slow all the same.
    this.#nextTakesMs = treatment === 'slow' ? this.#random.int(11, 300) : this.#random.int(0, 3)
    return replyTo(treatment) ?? { rows: [{ id }], command: 'SELECT' }
  }

  #busy(pid: number): void {
    if (this.sharedAt.has(pid)) this.sharedAt.set(pid, this.#clock.now())
  }

  /** A statement of the pool itself. */
  #control(text: string, pid: number, hasFailed: boolean): FakeReply | undefined {
    if (!/^(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|reset ahead)/.test(text)) return undefined
    if (!this.#random.chance(this.trouble)) return undefined
    if (text === 'COMMIT' && hasFailed) return undefined
    if (text === 'COMMIT' && this.#random.chance(0.3)) return { waitsForStandby: true }
    const reply = replyTo(this.#random.pick(['fail', 'serialize', 'hang', 'lose', 'fatal']))
    const id = this.#transactionOf.get(pid)
    // Committed, and the answer is lost.
    if (text === 'COMMIT' && reply !== undefined && 'lose' in reply && id !== undefined) {
      if (this.#random.chance(0.5)) this.committed.add(id)
    }
    return reply
  }

  #reply(text: string, treatment: string): FakeReply | undefined {
    const end = replyTo(treatment)
    const then = end === undefined ? {} : { then: end }
    const size = this.#random.int(0, 8)
    if (text.startsWith('rows'))
      return { rows: Array.from({ length: size }, (_, n) => ({ n })), ...then }
    if (text.startsWith('copy t to')) return { pieces: Array<string>(size).fill('x'), ...then }
    if (text.startsWith('copy t from') && end !== undefined) {
      return this.#random.chance(0.5) ? { takes: this.#random.int(0, 3), then: end } : { then: end }
    }
    return end
  }
  #note(key: string, pid: number): void {
    const fate = this.fates.get(key)
    if (fate === undefined) {
      this.fates.set(key, { runs: 1, outcome: 'started', pid, wasCancelled: false })
      return
    }
    fate.runs++
    if (!key.startsWith('share')) return
    if (fate.outcome !== 'failed' || !fate.wasCancelled) {
      this.complaints.push(`${key} ran again, although its first run ${fate.outcome}`)
    }
    fate.outcome = 'started'
  }

  #expectFresh(who: string, connection: FakeConnection): void {
    const { backendPid: pid } = connection.info
    if (this.heldBy.has(pid))
      this.complaints.push(`${who} ran inside lease ${this.heldBy.get(pid)}`)
    if (connection.sessionStatus !== 'idle') {
      this.complaints.push(`${who} inherited a transaction that is ${connection.sessionStatus}`)
    }
    if (connection.settings.size > 0) this.complaints.push(`${who} inherited settings`)
  }

  #answered(
    statement: Statement,
    connection: FakeConnection,
    error: Error | null,
    command: string,
  ): void {
    const { backendPid: pid } = connection.info
    const mark = markIn(statement)
    const part = PART.exec(statement.text)
    this.#busy(pid)
    if (part !== null) {
      this.fates.get(`part ${part[1]}`)!.outcome = error === null ? 'done' : 'failed'
    }
    if (mark !== null) {
      if (mark[1] === 'tx' && error === null && connection.sessionStatus === 'idle') {
        this.complaints.push(`transaction ${mark[2]} has run a statement outside of it`)
      }
      const fate = this.fates.get(`${mark[1]} ${mark[2]}`)
      if (fate !== undefined) {
        fate.outcome = error === null ? 'done' : 'failed'
        fate.wasCancelled = isPoolhouseError(error, '57014')
      }
    } else if (/^(?:commit|rollback|reset session)$/i.test(statement.text)) {
      const id = this.#transactionOf.get(pid)
      if (id !== undefined && error === null && command === 'COMMIT') this.committed.add(id)
      // It was to commit and to be lost, and was cancelled before that.
      if (id !== undefined && error !== null) this.committed.delete(id)
      if (error === null) {
        this.#transactionOf.delete(pid)
        this.#begun.delete(pid)
        if (/^reset/.test(statement.text)) this.sharedAt.delete(pid)
      }
    }
  }
}

/** How a statement of this treatment ends, if not well. */
function replyTo(treatment: string): FakeFailure | FakeHang | FakeLoss | undefined {
  switch (treatment) {
    case 'fail':
      return { error: new DatabaseError('duplicate', { code: '23505', severity: 'ERROR' }) }
    case 'serialize':
      return { error: new DatabaseError('try again', { code: '40001', severity: 'ERROR' }) }
    case 'fatal':
      return { error: new DatabaseError('go away', { code: '57P01', severity: 'FATAL' }) }
    case 'hang':
      return { hang: true }
    case 'lose':
      return { lose: 'reset by peer' }
    default:
      return undefined
  }
}

const MOODS: readonly Exclude<ConnectMood, 'mixed'>[] = [
  'well',
  'well',
  'well',
  'refused',
  'hang',
  'full',
]

import {
  AuthenticationError,
  ConnectError,
  type ConnectionPool,
  createPool,
  DatabaseError,
  type PoolOptions,
  type Statement,
} from '@poolhouse/core'
import {
  type FakeDriver,
  type FakeReply,
  fakeDriver,
  type VirtualClock,
} from '@poolhouse/core/testing'

const SYSTEM = '7000000000000000001'

/** How a fake server treats its clients. */
export type Mood = 'up' | 'refusing' | 'frozen' | 'starting' | 'denying'

/**
 * A server that exists only in the test's virtual time: it knows its role, answers probes and
 * remembers what was written.
 */
export class FakeServer {
  readonly name: string
  readonly driver: FakeDriver
  readonly pool: ConnectionPool
  readonly clock: VirtualClock
  mood: Mood = 'up'
  inRecovery = false
  readOnly = false
  systemId: string = SYSTEM
  timeline = 1
  lsn = '0/3000000'
  startedAt: string
  /** Process id that answers probes; null for none. */
  backendPid: number | null = null
  /**
   * The code with which it refuses the functions of positions, as Aurora does: 0A000 on a reader,
   * 55000 on a writer.
   */
  hidesPositions: '0A000' | '55000' | undefined
  /** The last transaction id that it assigned. */
  xid = 700
  /** Texts of the statements that it executed, apart from probes. */
  readonly executed: string[] = []
  /** When it was probed. */
  readonly probedAt: number[] = []
  /** Answers statements; undefined leaves them to the server. */
  script: ((statement: Statement) => FakeReply | undefined) | undefined
  // Fail the connects that it has not answered.
  #resets: ((error: Error) => void)[] = []

  constructor(name: string, clock: VirtualClock, options: Partial<PoolOptions> = {}) {
    this.name = name
    this.startedAt = `2026-01-01 00:00:00+00 of ${name}`
    this.clock = clock
    this.driver = fakeDriver({
      clock,
      onConnect: () => this.#greet(),
      onStatement: (statement) => this.#answer(statement),
    })
    const { connect } = this.driver
    this.driver.connect = (context) => {
      const reset = new Promise<never>((_resolve, reject) => {
        this.#resets.push(reject)
      })
      return Promise.race([connect(context), reset])
    }
    this.pool = createPool({
      driver: this.driver,
      connection: { host: name, user: 'app', database: 'app', ssl: false },
      name,
      clock,
      random: () => 0.5,
      ...options,
    })
  }

  /** A standby of the same cluster. */
  asReplica(): this {
    this.inRecovery = true
    return this
  }

  promote(timeline: number = this.timeline + 1): void {
    this.inRecovery = false
    this.timeline = timeline
  }

  /** Ends every session, fails every connect under way, and refuses later ones. */
  kill(): void {
    this.mood = 'refusing'
    for (const reset of this.#resets.splice(0)) reset(this.#greet() as Error)
    for (const session of [...this.driver.open]) session.lose('server closed the connection')
  }

  freeze(): void {
    this.mood = 'frozen'
  }

  #greet(): Error | 'hang' | undefined {
    const endpoint = `${this.name}:5432/app`
    switch (this.mood) {
      case 'up':
        return undefined
      case 'frozen':
        return 'hang'
      case 'refusing': {
        const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
        return new ConnectError('connect ECONNREFUSED', { endpoint, cause })
      }
      case 'starting':
        return new ConnectError('the database system is starting up', {
          endpoint,
          sqlState: '57P03',
        })
      case 'denying':
        return new AuthenticationError('password authentication failed', {
          endpoint,
          sqlState: '28P01',
          fatal: true,
        })
    }
  }

  #answer(statement: Statement): FakeReply | undefined {
    if (this.mood === 'frozen') return { hang: true }
    const { text } = statement
    if (text.includes('pg_is_in_recovery')) {
      this.probedAt.push(this.clock.now())
      const code = this.hidesPositions
      if (code !== undefined && text.includes('_lsn()')) {
        return { error: new DatabaseError('not supported', { code, severity: 'ERROR' }) }
      }
      return { rows: [this.facts()] }
    }
    const scripted = this.script?.(statement)
    if (scripted !== undefined) return scripted
    const identified = text.includes('pg_current_xact_id')
    if (this.inRecovery && (identified || /^insert/.test(text))) {
      return {
        error: new DatabaseError('cannot execute INSERT in a read-only transaction', {
          code: '25006',
          severity: 'ERROR',
        }),
      }
    }
    // A statement that also asks for the transaction's identity.
    this.executed.push(text.replace(/; SELECT pg_catalog\.pg_current_xact_id.*$/s, ''))
    return identified ? { rows: [this.identity()] } : undefined
  }

  identity(): Record<string, unknown> {
    return {
      xid: String(++this.xid),
      pid: '4711',
      lsn: this.lsn,
      begun_at: '2026-01-02 00:00:00+00',
      wal_file: `${this.timeline.toString(16).padStart(8, '0')}0000000000000003`,
    }
  }

  facts(): Record<string, unknown> {
    return {
      in_recovery: this.inRecovery,
      read_only: this.readOnly,
      system_id: this.systemId,
      timeline: this.timeline,
      started_at: this.startedAt,
      backend_pid: this.backendPid,
      lsn: this.lsn,
      receive_lsn: this.inRecovery ? this.lsn : null,
      replay_paused: false,
    }
  }
}

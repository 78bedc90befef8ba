import { type Clock, ConnectError, DatabaseError, type Statement } from '@poolhouse/core'
import type { FakeConnection, FakeReply } from '@poolhouse/core/testing'
import { type FleetModel, READ, WRITE } from './fleet-model.js'
import { Rate } from './rate.js'

/** One session and what it is for. */
interface ServerSession {
  readonly connection: FakeConnection
  readonly applicationName: string
}

const SYSTEM = '7000000000000000001'
const ROUND_TRIP_MS = 1
const PROBE_MS = 1
const CENSUS_MS = 2
const INSTANCE = 'poolhouse-instance '

/**
 * One server of the cluster: it carries out log-ins one after the other, counts its sessions, and
 * knows its role.
 */
export class FleetServer {
  readonly host: string
  /** Log-ins that came, whatever became of them. */
  readonly logIns: Rate = new Rate()
  /** Probes and censuses that came. */
  readonly probes: Rate = new Rate()
  /** Log-ins that were refused because there were too many sessions. */
  refusals = 0
  /** Most sessions at one time, with those that logged in. */
  peak = 0
  inRecovery: boolean
  timeline = 1
  /**
   * Whether log-ins take their time. Not while the fleet is started: it stands for one that has
   * been running for long.
   */
  takesTime = false
  // Of its own: what was started in the same microsecond is taken for one server.
  readonly #startedAt: string
  readonly #clock: Clock
  readonly #model: FleetModel
  readonly #sessions = new Map<FakeConnection, ServerSession>()
  // Sessions by the name of the process that counts itself by it.
  readonly #instances = new Map<string, number>()
  readonly #waiting = new Set<(error: Error) => void>()
  // When the last of those that log in is through.
  #freeAt = 0
  #isDown = false

  /** Runs from the beginning. */
  constructor(host: string, inRecovery: boolean, clock: Clock, model: FleetModel) {
    this.host = host
    this.#startedAt = `1700000000.${host.replaceAll('.', '').slice(-6).padStart(6, '0')}`
    this.inRecovery = inRecovery
    this.#clock = clock
    this.#model = model
  }

  /** Sessions that are open. */
  get sessions(): number {
    return this.#sessions.size
  }

  /**
   * Resolves when a log-in is through. Rejects with the server's error, or when the server is down;
   * or with the reason of the signal.
   */
  logIn(signal: AbortSignal): Promise<void> {
    const now = this.#clock.now()
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        timer?.cancel()
        this.#waiting.delete(reject)
        signal.removeEventListener('abort', giveUp)
        act()
      }
      const giveUp = (): void => settle(() => reject(this.#error('the connect was given up')))
      let timer: { cancel(): void } | undefined
      const refusal = this.#refusal(now)
      if (refusal !== undefined) {
        timer = this.#clock.setTimer(() => settle(() => reject(refusal)), ROUND_TRIP_MS)
        return
      }
      const logInMs = this.takesTime ? 1_000 / this.#model.logInsPerSecond : 0
      this.#freeAt = Math.max(now, this.#freeAt) + logInMs
      timer = this.#clock.setTimer(() => settle(resolve), this.#freeAt - now + ROUND_TRIP_MS)
      this.#waiting.add(reject)
      this.peak = Math.max(this.peak, this.#sessions.size + this.#waiting.size)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** A session has begun. */
  opened(connection: FakeConnection, applicationName: string): void {
    this.#sessions.set(connection, { connection, applicationName })
    this.#tell(applicationName, 1)
    this.peak = Math.max(this.peak, this.#sessions.size + this.#waiting.size)
  }

  /** A session is over. */
  closed(connection: FakeConnection): void {
    const session = this.#sessions.get(connection)
    if (session === undefined) return
    this.#sessions.delete(connection)
    this.#tell(session.applicationName, -1)
  }

  /** How a statement is answered and how long that takes, in milliseconds. */
  answer({ text }: Statement): { readonly reply: FakeReply | undefined; readonly ms: number } {
    if (text.includes('pg_is_in_recovery')) {
      this.probes.count(this.#clock.now())
      return { reply: { rows: [this.#facts()] }, ms: PROBE_MS }
    }
    if (text.includes('max_connections')) {
      this.probes.count(this.#clock.now())
      return { reply: { rows: [this.#census()] }, ms: CENSUS_MS }
    }
    const isWrite = text === WRITE
    if (isWrite && this.inRecovery) {
      const message = 'cannot execute INSERT in a read-only transaction'
      const error = new DatabaseError(message, { code: '25006', severity: 'ERROR' })
      return { reply: { error }, ms: ROUND_TRIP_MS }
    }
    const isWork = isWrite || text === READ
    return { reply: undefined, ms: isWork ? this.#model.statementMs : ROUND_TRIP_MS }
  }

  /** Every session ends at once, and no connection is accepted any more. */
  kill(): void {
    this.#isDown = true
    for (const reject of [...this.#waiting]) reject(this.#refused())
    for (const { connection } of [...this.#sessions.values()]) {
      connection.lose('the server closed the connection unexpectedly')
    }
  }

  /** A standby becomes primary, on a timeline of its own. */
  promote(): void {
    this.inRecovery = false
    this.timeline++
  }

  /** What a session says of its server when it is opened. */
  identity(): object {
    const { inRecovery, timeline, host } = this
    return {
      systemId: SYSTEM,
      timeline,
      startedAt: this.#startedAt,
      address: host,
      port: 5432,
      inRecovery,
    }
  }

  #refusal(now: number): Error | undefined {
    this.logIns.count(now)
    if (this.#isDown) return this.#refused()
    if (this.#sessions.size + this.#waiting.size < this.#model.connections) return undefined
    this.refusals++
    const cause = Object.assign(new Error('sorry, too many clients already'), {
      code: '53300',
      severity: 'FATAL',
      routine: 'InitProcess',
    })
    return new ConnectError(cause.message, { endpoint: this.host, sqlState: '53300', cause })
  }

  #refused(): Error {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    return new ConnectError(cause.message, { endpoint: this.host, cause })
  }

  #error(message: string): Error {
    return new ConnectError(message, { endpoint: this.host })
  }

  #facts(): object {
    const lsn = `0/${(0x3000000 + Math.floor(this.#clock.now())).toString(16).toUpperCase()}`
    return {
      in_recovery: this.inRecovery,
      read_only: false,
      system_id: SYSTEM,
      timeline: this.timeline,
      started_at: this.#startedAt,
      address: `${this.host}:5432`,
      port: 5432,
      backend_pid: null,
      lsn,
      receive_lsn: this.inRecovery ? lsn : null,
      replay_paused: false,
    }
  }

  #census(): object {
    const { size: sessions } = this.#sessions
    return { allowed: this.#model.connections, sessions, instances: this.#instances.size }
  }

  #tell(applicationName: string, more: 1 | -1): void {
    if (!applicationName.startsWith(INSTANCE)) return
    const sessions = (this.#instances.get(applicationName) ?? 0) + more
    if (sessions === 0) this.#instances.delete(applicationName)
    else this.#instances.set(applicationName, sessions)
  }
}

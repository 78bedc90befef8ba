import type { Socket } from 'node:net'
import { Listener } from '../protocol/listener.js'
import { StatementWatcher } from '../protocol/statement-watcher.js'
import { Gate } from './gate.js'
import type {
  OnCancel,
  OnConnect,
  OnStatement,
  WireCancel,
  WireError,
  WireScript,
} from './script.js'
import { primaryState, type WireRole, type WireState } from './server-state.js'
import { Session, type SessionHost } from './session.js'
import { WireLink } from './wire-link.js'

/** A statement that a wire server received. */
export interface WireStatement {
  /** The `id` of the session. */
  readonly session: number
  /** SQL text. */
  readonly text: string
  /** When it arrived, in milliseconds of `performance.now()`. */
  readonly at: number
}

/**
 * A server on 127.0.0.1 that speaks the PostgreSQL protocol and plays whatever part a test gives
 * it: roles, errors and timing, without a database. It starts as a primary. Made by
 * {@link startWireServer}.
 */
export class WireServer implements AsyncDisposable, SessionHost {
  /** Where the server listens; always `127.0.0.1`. */
  readonly host: string = '127.0.0.1'
  /** What the server says about itself. Change any field at any time. */
  readonly state: WireState = primaryState()
  /** How clients prove themselves, as given at the start. */
  readonly script: WireScript
  /** Decides about new connections. Replace it at any time. */
  onConnect: OnConnect | undefined
  /** Decides about statements. Replace it at any time. */
  onStatement: OnStatement | undefined
  /** Decides about cancel requests. Replace it at any time. */
  onCancel: OnCancel | undefined
  readonly #listener: Listener
  readonly #gate = new Gate()
  readonly #sessions = new Set<Session>()
  readonly #serving = new Set<Promise<void>>()
  readonly #statements: WireStatement[] = []
  readonly #cancels: WireCancel[] = []
  #connectionError: WireError | undefined
  #accepted = 0

  /** @internal Use {@link startWireServer}. */
  constructor(script: WireScript) {
    this.script = script
    this.onConnect = script.onConnect
    this.onStatement = script.onStatement
    this.onCancel = script.onCancel
    this.#listener = new Listener((socket) => this.#accept(socket))
  }

  /** The port; it stays the same through `refuse()` and `accept()`. */
  get port(): number {
    return this.#listener.port
  }

  /** A URL to connect with, the script's password included. */
  get url(): string {
    const { password } = this.script
    const login = password === undefined ? 'wire' : `wire:${encodeURIComponent(password)}`
    return `postgres://${login}@${this.host}:${this.port}/wire`
  }

  /**
   * Every statement received, in order: the text of each Query and Parse message, and of each
   * further run of a prepared one.
   */
  get statements(): readonly WireStatement[] {
    return this.#statements
  }

  /** Every cancel request received, in order. */
  get cancels(): readonly WireCancel[] {
    return this.#cancels
  }

  /** Sessions open now that have passed authentication. */
  get sessions(): number {
    let open = 0
    for (const { phase } of this.#sessions) if (phase === 'ready') open += 1
    return open
  }

  /** Connections ever accepted; cancel requests do not count once they are known to be such. */
  get connections(): number {
    return this.#accepted - this.#cancels.length
  }

  /** The error that new connections are refused with, or `undefined`. */
  get connectionError(): WireError | undefined {
    return this.#connectionError
  }

  /** @internal Called once by {@link startWireServer}. */
  async listen(): Promise<void> {
    await this.#listener.open()
    this.state.address ??= this.host
    this.state.port ??= this.port
  }

  /**
   * Changes the role. Open sessions stay and are told with the next answer, as after a promotion.
   *
   * @example
   * wire.setRole('replica')
   */
  setRole(role: WireRole): void {
    this.state.inRecovery = role === 'replica'
    this.state.readOnly = role === 'primary-read-only'
  }

  /**
   * Refuses new sessions with this error (FATAL) after their start-up message; `undefined` lets
   * them in again.
   *
   * @example
   * wire.failConnections({ code: '57P03', message: 'the database system is starting up' })
   */
  failConnections(error: WireError | undefined): void {
    this.#connectionError = error
  }

  /**
   * Freezes the server: it accepts connections and never answers, on open sessions too. What
   * arrives is kept and logged.
   *
   * @example
   * wire.hang()
   */
  hang(): void {
    this.#gate.close()
  }

  /**
   * Ends `hang()`: the server goes on with what has arrived meanwhile, as a process does after
   * SIGCONT.
   *
   * @example
   * wire.resume()
   */
  resume(): void {
    this.#gate.open()
  }

  /**
   * Stops listening: clients get ECONNREFUSED. Open sessions stay.
   *
   * @example
   * wire.refuse()
   */
  refuse(): void {
    this.#listener.stop()
  }

  /**
   * Listens again on the same port; resolves when it does.
   *
   * @example
   * await wire.accept()
   */
  async accept(): Promise<void> {
    await this.#listener.open()
  }

  /**
   * Ends all sessions with a FATAL error. Default code `57P01`, as a shutdown. New ones are still
   * accepted.
   *
   * @example
   * wire.kick()
   */
  kick(code = '57P01'): void {
    for (const session of [...this.#sessions]) session.kick(code)
  }

  /**
   * Resets all connections. New ones are still accepted.
   *
   * @example
   * wire.dropAll()
   */
  dropAll(): void {
    for (const session of [...this.#sessions]) session.reset()
  }

  /** @internal Part of what sessions need. */
  onCancelRequest(cancel: WireCancel): void {
    this.#cancels.push(cancel)
  }

  /** @internal Part of what sessions need. */
  cancel(cancel: WireCancel): void {
    for (const session of this.#sessions) {
      if (session.pid === cancel.pid && session.secret === cancel.secret) session.cancel()
    }
  }

  /**
   * Stops listening and closes all connections. Resolves when every socket is closed; nothing is
   * left running.
   *
   * @example
   * await wire.close()
   */
  async close(): Promise<void> {
    this.#listener.stop()
    await Promise.all([...this.#sessions].map((session) => session.destroy()))
    await Promise.all(this.#serving)
    await this.#listener.closed()
  }

  /** The same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(socket: Socket): void {
    this.#accepted += 1
    const id = this.#accepted
    const watcher = new StatementWatcher()
    const link = new WireLink(socket, this.#gate, (frame) => {
      const seen = frame.type === '' ? undefined : watcher.observe(frame)
      if (seen) this.#statements.push({ session: id, text: seen.text, at: performance.now() })
    })
    const session = new Session(id, link, this)
    this.#sessions.add(session)
    const serving = session.serve().finally(() => {
      this.#sessions.delete(session)
      this.#serving.delete(serving)
    })
    this.#serving.add(serving)
  }
}

/**
 * Starts a wire server on a free port. Throws `TypeError` when the script asks for a password
 * without giving one.
 *
 * @example
 * await using server = await startWireServer({
 *   onStatement: (text) => (text === 'slow' ? { delayMs: 500 } : undefined),
 * })
 * const client = new Client(server.url)
 * server.setRole('replica')
 */
export async function startWireServer(script: WireScript = {}): Promise<WireServer> {
  const { auth = 'trust', password } = script
  if (typeof auth === 'string' && auth !== 'trust' && password === undefined) {
    throw new TypeError(`auth '${auth}' needs a password in the script`)
  }
  const server = new WireServer(script)
  await server.listen()
  return server
}

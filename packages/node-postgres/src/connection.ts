import { performance } from 'node:perf_hooks'
import {
  type AutoPrepare,
  type ConnectionInfo,
  type ConnectionListener,
  type DriverConnection,
  PoolhouseError,
  type QueryResult,
  type ResetLevel,
  type Statement,
  type TransactionStatus,
} from '@poolhouse/core'
import { AutomaticNames } from './automatic-names.js'
import { sendCancel } from './cancel.js'
import {
  isServerError,
  type PgServerError,
  toClosedError,
  toDatabaseError,
  toLostError,
} from './errors.js'
import type { PgClient, PgModule } from './pg-module.js'
import { type Done, PgStatement, type StatementHost } from './pg-statement.js'
import { PreparedStatements } from './prepared-statements.js'
import { breakSocket, type OpenedSocket } from './socket.js'
import type { TlsPlan } from './tls.js'
import { encodeValues } from './wire-values.js'

/** What a connection is made of. */
export interface ConnectionParts {
  /** The application's copy of `pg`. */
  readonly pg: PgModule
  /** A client that has not been connected yet. */
  readonly client: PgClient
  /** The socket under it. */
  readonly socket: OpenedSocket
  /** How the socket was encrypted, for the cancel requests to come. */
  readonly tls: TlsPlan | undefined
  /** When to name statements that come without a name. */
  readonly prepare: AutoPrepare | undefined
  /** Who hears of what happens outside statements. */
  readonly listener: ConnectionListener
}

// Everything a session can be left with but its prepared statements, which DISCARD ALL would drop behind `pg`'s back. RESET ALL
// returns to the values of the start-up message. All of it is allowed on a standby.
const RESET_SESSION =
  'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; ' +
  'SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES'

/**
 * One session over one `pg.Client`. Gives `pg` one statement at a time and settles it at ReadyForQuery, where the
 * transaction status is known; whatever ends the session passes through `#end`, once.
 */
export class PgConnection implements DriverConnection, StatementHost {
  readonly raw: PgClient
  /** Monotonic time of the last byte from the server, in milliseconds. */
  lastByteAt: number = performance.now()
  /** What this session knows of its named statements. */
  readonly prepared: PreparedStatements
  readonly #parts: ConnectionParts
  readonly #info: { -readonly [Name in keyof ConnectionInfo]: ConnectionInfo[Name] }
  readonly #parameters = new Map<string, string>()
  /** `starting` until the log-in is through; `ending` from `close` on; `over` is for ever. */
  #state: 'starting' | 'open' | 'ending' | 'over' = 'starting'
  #status: TransactionStatus = 'unknown'
  /** The statement that `pg` has; the others wait here so that exactly one is ever in doubt. */
  #current: PgStatement | undefined
  readonly #waiting: PgStatement[] = []
  readonly #names: AutomaticNames | undefined
  readonly #onEnd: (() => void)[] = []
  /** The first thing that said why the session ends. */
  #reason: unknown

  /** Attaches every listener this connection will ever have. To be called before the client connects. */
  constructor(parts: ConnectionParts) {
    const { client, socket, listener } = parts
    this.#parts = parts
    this.raw = client
    const peer = 'path' in socket.peer ? undefined : socket.peer
    this.#info = {
      address: peer?.host,
      port: peer?.port,
      backendPid: 0,
      parameters: this.#parameters,
    }
    socket.stream.once('close', () => this.#end())
    client.on('error', (error: unknown) => this.#failed(error))
    const wire = client.connection
    this.prepared = new PreparedStatements(wire)
    const { prepare } = parts
    this.#names = prepare && new AutomaticNames(prepare, (name) => this.prepared.drop(name))
    wire.on('bindComplete', () => {
      if (this.#current !== undefined) this.#current.bound = true
    })
    wire.on('errorMessage', (error: PgServerError) => this.#refused(error))
    wire.on('parameterStatus', (message: { parameterName: string; parameterValue: string }) => {
      this.#parameters.set(message.parameterName, message.parameterValue)
      if (this.#state === 'open') listener.parameter(message.parameterName, message.parameterValue)
    })
    wire.on('notice', (notice: { severity?: string; code?: string; message?: string }) => {
      const { severity = 'NOTICE', code = '00000', message = '' } = notice
      if (this.#state !== 'over') listener.notice({ severity, code, message })
    })
    wire.on('notification', ({ channel, payload }: { channel: string; payload: string }) => {
      if (this.#state !== 'over') listener.notification(channel, payload)
    })
  }

  get info(): ConnectionInfo {
    return this.#info
  }

  get inFlight(): number {
    return this.#current === undefined ? 0 : 1 + this.#waiting.length
  }

  transactionStatus(): TransactionStatus {
    // The owner of `raw` may run statements of his own there.
    if (this.#current !== undefined || this.raw.readyForQuery === false) return 'unknown'
    return this.#status
  }

  /** The log-in is through. Called in the very handler of the first ReadyForQuery. */
  opened(status: TransactionStatus): void {
    this.#state = 'open'
    this.#status = status
    this.#info.backendPid = this.raw.processID ?? 0
    // After `pg`'s own listener for it, which is attached by now: then `pg` is ready for the next statement.
    this.raw.connection.on('readyForQuery', (message: { status: string }) =>
      this.#ready(statusOf(message.status)),
    )
  }

  run(statement: Statement, done: Done): void {
    if (this.#state !== 'open') {
      process.nextTick(done, toLostError(this.#reason ?? 'it is closed', 'no'))
      return
    }
    let work: PgStatement
    try {
      const values = encodeValues(statement.values, this.#parts.pg.utils)
      const name =
        statement.name ?? (values === undefined ? '' : (this.#names?.nameOf(statement.text) ?? ''))
      work = new PgStatement(this, statement, name, values, done)
    } catch (error) {
      process.nextTick(done, error as Error)
      return
    }
    if (this.#current === undefined) this.#send(work)
    else this.#waiting.push(work)
  }

  async ping(): Promise<void> {
    // The empty query: the server neither parses nor takes a snapshot, and it is allowed in a failed transaction.
    await this.#query('')
  }

  async reset(level: ResetLevel): Promise<void> {
    const open = this.transactionStatus() !== 'idle'
    if (level === 'session') await this.#query(open ? `ROLLBACK; ${RESET_SESSION}` : RESET_SESSION)
    else if (open) await this.#query('ROLLBACK')
  }

  async cancel(timeoutMs: number): Promise<void> {
    // Nothing runs any more.
    if (this.#state === 'over') return
    const { processID, secretKey } = this.raw
    if (processID === null || secretKey === null) {
      throw new PoolhouseError('the server gave no key to cancel with; is a proxy in between?')
    }
    const { socket, tls } = this.#parts
    // What `prefer` found out once is not negotiable for the request that follows.
    const same = tls && socket.stream !== socket.raw ? { ...tls, optional: false } : undefined
    try {
      await sendCancel(socket, same, { processID, secretKey }, timeoutMs)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new PoolhouseError(`the cancel request failed: ${why}`, { cause })
    }
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#state === 'over') return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(
        () => this.destroy(`it did not close within ${timeoutMs} ms`),
        timeoutMs,
      )
      this.#onEnd.push(() => {
        clearTimeout(timer)
        resolve()
      })
      if (this.#state === 'ending') return
      this.#state = 'ending'
      this.#reason ??= 'it was closed'
      // Not `client.end()`: that breaks the socket under a running statement. The server reads Terminate after its answer.
      this.raw.connection.end()
    })
  }

  destroy(reason: unknown): void {
    // The first to break it is the one to give the reason.
    if (this.#state === 'over' || this.#parts.socket.raw.destroyed) return
    this.#reason = reason
    this.#state = 'ending'
    breakSocket(this.#parts.socket)
    process.nextTick(() => this.#end())
  }

  /** Called by a statement, in a tick of its own. */
  unsent(work: PgStatement, error: Error): void {
    if (this.#current !== work) return
    this.#advance()
    guard(() => work.done(error instanceof TypeError ? error : toLostError(error, 'no')))
  }

  /** Breaks the socket of a session that was never born: nobody is told. */
  abandon(): void {
    this.#state = 'over'
    breakSocket(this.#parts.socket)
  }

  ref(): void {
    this.#parts.socket.raw.ref()
  }

  unref(): void {
    this.#parts.socket.raw.unref()
  }

  #query(text: string): Promise<QueryResult<unknown>> {
    return new Promise((resolve, reject) => {
      this.run({ text }, (error, result) => (error === null ? resolve(result!) : reject(error)))
    })
  }

  #send(work: PgStatement): void {
    this.#current = work
    this.raw.query(work)
  }

  /** ReadyForQuery: the statement is over, and only now is it known in which transaction status. */
  #ready(status: TransactionStatus): void {
    if (this.#state === 'over') return
    this.#status = status
    // What looked like the end was not: an ERROR whose severity came in another language.
    if (this.#state === 'open') this.#reason = undefined
    const work = this.#current
    // Without an answer, this ReadyForQuery is that of a statement somebody ran on `raw`.
    if (work === undefined || !work.answered) return
    if (this.#state === 'open' && work.wantsRepeat(status === 'idle')) {
      this.raw.query(work)
      return
    }
    this.#advance()
    try {
      work.settle()
    } catch (error) {
      rethrowLater(error)
    }
  }

  #advance(): void {
    this.#current = undefined
    const next = this.#state === 'open' ? this.#waiting.shift() : undefined
    if (next !== undefined) this.#send(next)
  }

  /** An ErrorResponse, before `pg` handles it. */
  #refused(error: PgServerError): void {
    const survives = this.#current?.sent === true && error.severity === 'ERROR'
    if (!survives && isServerError(error)) this.#reason ??= toDatabaseError(error, false)
  }

  /** An error that belongs to no statement. `pg` takes no more statements after it, so the session is of no use. */
  #failed(error: unknown): void {
    if (this.#state === 'starting' || this.#state === 'over') return
    this.#reason ??= isServerError(error) ? toDatabaseError(error, false) : toClosedError(error)
    this.#state = 'ending'
    breakSocket(this.#parts.socket)
  }

  /** The session is over. */
  #end(): void {
    if (this.#state === 'over') return
    const wasBorn = this.#state !== 'starting'
    this.#state = 'over'
    this.#status = 'unknown'
    if (!wasBorn) return
    const reason = this.#reason ?? toClosedError(undefined)
    const current = this.#current
    const waiting = this.#waiting.splice(0)
    this.#current = undefined
    if (current !== undefined) guard(() => current.lose(reason))
    for (const work of waiting) guard(() => work.done(toLostError(reason, 'no')))
    guard(() => this.#parts.listener.closed(reason))
    for (const onEnd of this.#onEnd.splice(0)) onEnd()
  }
}

/** Translates the byte of ReadyForQuery. */
export function statusOf(byte: string): TransactionStatus {
  switch (byte) {
    case 'I':
      return 'idle'
    case 'T':
      return 'active'
    case 'E':
      return 'failed'
    default:
      return 'unknown'
  }
}

/** What foreign code throws surfaces by itself instead of breaking the parser in whose middle we are. */
function rethrowLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

function guard(call: () => void): void {
  try {
    call()
  } catch (error) {
    rethrowLater(error)
  }
}

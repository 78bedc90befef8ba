import type { ConnectionSettings } from './connection-settings.js'
import type { QueryResult, Statement } from './statement.js'

/** What a driver can do beyond running statements one by one. */
export interface DriverCapabilities {
  /** Several statements may be in flight on one connection. */
  readonly pipeline: boolean
  /** Named prepared statements survive between calls. */
  readonly namedStatements: boolean
}

/**
 * The transaction status of a session as the server reported it last. `unknown` while a statement is in flight:
 * an ErrorResponse says nothing about it, only ReadyForQuery does.
 */
export type TransactionStatus = 'idle' | 'active' | 'failed' | 'unknown'

/** How thoroughly `reset` cleans a session. `rollback` ends an open transaction; `session` also undoes what was set. */
export type ResetLevel = 'rollback' | 'session'

/** What the driver knows about a connection it opened. */
export interface ConnectionInfo {
  /** Address of the socket's other end; cancel requests go to this very server. Undefined for Unix sockets. */
  readonly address: string | undefined
  /** Port of the socket's other end. */
  readonly port: number | undefined
  /** Process id of the server process behind it. */
  readonly backendPid: number
  /** The server's ParameterStatus values, kept current. */
  readonly parameters: ReadonlyMap<string, string>
}

/** A message from the server that belongs to no statement's result. */
export interface Notice {
  /** `WARNING`, `NOTICE`, … */
  readonly severity: string
  /** SQLSTATE. */
  readonly code: string
  /** Text of the message. */
  readonly message: string
}

/** The one permanent listener of a connection, attached at birth and never changed. */
export interface ConnectionListener {
  /** The session is over, for whatever reason. Called exactly once, also after `destroy`; then nothing else is called. */
  closed(reason: unknown): void
  /** The server sent a notice. */
  notice(notice: Notice): void
  /** A channel this session listens to was notified. */
  notification(channel: string, payload: string): void
  /** The server reported the new value of a parameter. */
  parameter(name: string, value: string): void
}

/** When a driver names statements by itself, so that the server parses and plans them once for each connection. */
export interface AutoPrepare {
  /** From which use of the same text on. */
  readonly after: number
  /** Most such statements for each connection; the least recently used is dropped. */
  readonly max: number
}

/** What a driver needs to open one connection. */
export interface ConnectContext {
  /** Where to and as whom. */
  readonly settings: ConnectionSettings
  /** The password, already fetched from its provider. */
  readonly password: string | undefined
  /** Longest time for look-up, TCP, TLS and authentication together, in milliseconds. */
  readonly timeoutMs: number
  /** Aborted when the pool no longer wants the connection; the driver then destroys what it has. */
  readonly signal: AbortSignal
  /** How to prepare statements that have values and no name; undefined for not at all. */
  readonly prepare?: AutoPrepare | undefined
  /** Gets everything that happens outside statements. */
  readonly listener: ConnectionListener
}

/**
 * One physical session, never shared, never re-connected: when its socket closes it is dead for ever.
 *
 * Every error handed to `done` or thrown is a `PoolhouseError`: `DatabaseError` for what the server said,
 * `ConnectionLostError` for a lost session with `executed: 'no'` when the statement was not written to the socket.
 */
export interface DriverConnection {
  /** The driver's own object (`pg.Client`, postgres.js `Sql`). */
  readonly raw: unknown
  /** Address, process id and parameters. */
  readonly info: ConnectionInfo
  /** Statements sent and not yet answered by ReadyForQuery. */
  readonly inFlight: number
  /** Monotonic time in milliseconds (`performance.now()`) when the last byte came from the server. */
  readonly lastByteAt: number
  /** The status of the last ReadyForQuery; `unknown` while a statement is in flight. */
  transactionStatus(): TransactionStatus
  /**
   * Runs one statement. `done` is called exactly once, at ReadyForQuery or when the session is lost, never before
   * `run` has returned.
   */
  run(
    statement: Statement,
    done: (error: Error | null, result?: QueryResult<unknown>) => void,
  ): void
  /** One round trip that proves the session alive. Rejects if it is not; the caller sets the deadline. */
  ping(): Promise<void>
  /** Brings the session back to a known state, keeping prepared statements. Rejects if that failed. */
  reset(level: ResetLevel): Promise<void>
  /**
   * Asks the server to cancel what this session runs, over a connection of its own to the very address of this one's
   * socket. Settles when the server has closed that connection: only then can the request hit nobody else.
   */
  cancel(timeoutMs: number): Promise<void>
  /** Ends the session politely; resolves when the socket is closed, at the latest after `timeoutMs` by force. */
  close(timeoutMs: number): Promise<void>
  /** Breaks the socket now. Synchronous; never throws; statements in flight fail. */
  destroy(reason: unknown): void
  /** Lets the socket keep the process alive. */
  ref(): void
  /** Lets the process exit although the socket is open. */
  unref(): void
}

/** Opens connections of one kind. An adapter package implements this and nothing more. */
export interface Driver {
  /** Name for messages: `pg`, `postgres.js`. */
  readonly name: string
  /** What it can do. */
  readonly capabilities: DriverCapabilities
  /**
   * Opens one session. Rejects with a `ConnectError` or an `AuthenticationError`, whose cause is the driver's error.
   * After `context.signal` fires it must reject soon and leave no socket behind.
   */
  connect(context: ConnectContext): Promise<DriverConnection>
}

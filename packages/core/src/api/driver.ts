import type { AuthMethod } from '../settings/auth-method.js'
import type { ConnectionSettings } from '../settings/connection-settings.js'
import type { TypeParsers } from '../types/type-parsers.js'

import type { QueryResult, Statement } from './statement.js'
import type { StatementRules } from './statement-rules.js'

/** What a driver can do beyond running statements one by one. */
export interface DriverCapabilities {
  /** Several statements may be in flight on one connection. */
  readonly pipeline: boolean
  /** Named prepared statements survive between calls. */
  readonly namedStatements: boolean
}

/**
 * The transaction status of a session as the server reported it last. `unknown` while a statement
 * is in flight: an ErrorResponse says nothing about it, only ReadyForQuery does.
 */
export type TransactionStatus = 'idle' | 'active' | 'failed' | 'unknown'

/**
 * How thoroughly `reset` cleans a session. `rollback` ends an open transaction; `session` also
 * undoes what was set; `shared` does what `session` does, but for statements that SQL's PREPARE has
 * left: no text that shares a session has one, and to find them takes a language that not every
 * role may use.
 */
export type ResetLevel = 'rollback' | 'shared' | 'session'

/**
 * What the driver knows about a connection it opened, at one moment. Frozen, and its map cannot be
 * written to.
 */
export interface ConnectionInfo {
  /**
   * Address of the socket's other end; cancel requests go to this very server. Undefined for Unix
   * sockets.
   */
  readonly address: string | undefined
  /** Port of the socket's other end. */
  readonly port: number | undefined
  /** Process id of the server process behind it. */
  readonly backendPid: number
  /** The server's ParameterStatus values. A change makes a new map, and a new `info`. */
  readonly parameters: ReadonlyMap<string, string>
}

/** A message from the server that belongs to no statement's result. */
export interface Notice {
  /** `WARNING`, `NOTICE`, … */
  readonly severity: string
  /** SQLSTATE. */
  readonly code: string
  /** Text of the message, in the server's language. */
  readonly message: string
  /**
   * The server's function that sent it, the same in every language; undefined if the server or the
   * driver does not say.
   */
  readonly routine?: string | undefined
}

/** The one permanent listener of a connection, attached at birth and never changed. */
export interface ConnectionListener {
  /**
   * The session is over, for whatever reason. Called exactly once, also after `destroy`; then
   * nothing else is called.
   */
  closed(reason: unknown): void
  /** The server sent a notice. */
  notice(notice: Notice): void
  /** A channel this session listens to was notified. */
  notification(channel: string, payload: string): void
  /** The server reported the new value of a parameter. */
  parameter(name: string, value: string): void
}

/**
 * Whether errors of the server carry what may repeat values of rows: its detail, its hint and its
 * context.
 */
export type ErrorDetail = 'keep' | 'drop'

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
  /**
   * What the sessions of the pool have in common about prepared statements. Undefined in contexts
   * made by hand: nothing is prepared by itself, and a change of definitions is known in the
   * session that made it.
   */
  readonly statements?: StatementRules | undefined
  /**
   * Makes JavaScript values of the server's texts. Undefined in contexts made by hand: the
   * canonical parsers, `typeParsers()`.
   */
  readonly types?: TypeParsers | undefined
  /**
   * The ways to log in that are accepted; any other is refused with an `AuthenticationError`.
   * Undefined accepts all.
   */
  readonly requireAuth?: readonly AuthMethod[] | undefined
  /**
   * `drop` keeps detail, hint and context of the server's errors out of every error, also out of
   * the driver's own that is the `cause`. Undefined in contexts made by hand: `keep`.
   */
  readonly errorDetail?: ErrorDetail | undefined
  /** Gets everything that happens outside statements. */
  readonly listener: ConnectionListener
}

/** One of several statements that are sent in one piece. */
export interface SentStatement {
  /** What to send. */
  readonly statement: Statement
  /**
   * Whether what follows is run only if this one succeeds, in what is one step for the server: no
   * Sync goes out behind it. Default false.
   */
  readonly joined?: boolean | undefined
  /**
   * Called exactly once, as `done` of `run`. Those of joined statements are called one after the
   * other at the ReadyForQuery that ends their step; what was passed over there fails with
   * `passedOverError()`, `executed: 'no'`. Where they are no part of a transaction an error undoes
   * those before it as well, which fail with `executed: 'rolled-back'`.
   */
  readonly done: (error: Error | null, result?: QueryResult<unknown>) => void
}

/** Some rows of a cursor. */
export interface CursorBatch {
  /** The rows, in order, shaped as the statement's `rowMode` says. */
  readonly rows: unknown[]
  /** True for the last batch. The session has answered ReadyForQuery then. */
  readonly end: boolean
}

/**
 * The rows of one statement, fetched when asked for. From its first `read` until it ended, failed
 * or was closed the session is its own: `transactionStatus()` is `unknown` and no other statement
 * may be run.
 */
export interface DriverCursor {
  /**
   * Fetches up to `count` more rows; the first call sends the statement. Only one call at a time.
   * Rejects like `run` does, and not before ReadyForQuery or the end of the session.
   */
  read(count: number): Promise<CursorBatch>
  /**
   * Gives up the rows that are left. Resolves at ReadyForQuery, also if the session was lost;
   * idempotent; never while a `read` is under way.
   */
  close(): Promise<void>
}

/** What a COPY did. */
export interface CopyResult {
  /** Rows copied; `null` if the server did not say. */
  readonly rowCount: number | null
  /** The command tag without its count: `COPY`. */
  readonly command: string
}

/** A running COPY … FROM STDIN. The session is its own until `finish` or `fail` has settled. */
export interface DriverCopyIn {
  /**
   * Sends data. Resolves when more may be sent (back-pressure), rejects as soon as the server has
   * refused the COPY or the session is lost.
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Says that this was all. Resolves at ReadyForQuery; rejects with what the server says against
   * it, as `run` does.
   */
  finish(): Promise<CopyResult>
  /**
   * Makes the server undo the COPY (CopyFail). Resolves at ReadyForQuery, also if the session was
   * lost; never rejects.
   */
  fail(message: string): Promise<void>
}

/**
 * A running COPY … TO STDOUT. The session is its own until `read` has given `undefined` or
 * rejected.
 */
export interface DriverCopyOut {
  /**
   * The next piece of data, as the server sent it; undefined when it was all and ReadyForQuery has
   * come. One call at a time. Rejects as `run` does.
   */
  read(): Promise<Uint8Array | undefined>
}

/**
 * One physical session, never shared, never re-connected: when its socket closes, the session is
 * over.
 *
 * Every error handed to `done` or thrown is a `PoolhouseError`: `DatabaseError` for what the server
 * said, `ConnectionLostError` for a lost session with `executed: 'no'` when the statement was not
 * written to the socket.
 */
export interface DriverConnection<Raw = unknown> {
  /**
   * An object of the library on this session (`pg.Client`, postgres.js `Sql`), which a driver may
   * make when it is first asked for. While it is owed an answer, the session is busy: its
   * `transactionStatus()` is `unknown`, and what is run waits for its turn.
   */
  readonly raw: Raw
  /**
   * Hands `raw` to one borrower, in a form that refuses in the driver's own way once
   * `holder.refusal()` says so, and that tells the holder the texts it sends. Use of the object
   * while no holder has it ends the session. A driver that leaves this out hands out `raw` itself,
   * and its use after a lease affects later borrowers.
   */
  lendRaw?(holder: RawHolder): unknown
  /** Address, process id and parameters. */
  readonly info: ConnectionInfo
  /** Statements sent and not yet answered by ReadyForQuery. */
  readonly inFlight: number
  /**
   * Monotonic time in milliseconds (`performance.now()`) when the last byte came from the server.
   */
  readonly lastByteAt: number
  /** The status of the last ReadyForQuery; `unknown` while a statement is in flight. */
  transactionStatus(): TransactionStatus
  /**
   * Runs one statement. `done` is called exactly once, at ReadyForQuery or when the session is
   * lost, never before `run` has returned. A statement piggybacked on it (see `Piggyback`) is sent
   * in one piece with it, and `done` is called when both are over; a driver that does not support
   * that, or cannot tell the two answers apart, leaves it out. The values are in their wire
   * form already, texts and nulls, if the statement comes from a pool; `valuesOf` gives them in any
   * case.
   */
  run(
    statement: Statement,
    done: (error: Error | null, result?: QueryResult<unknown>) => void,
  ): void
  /**
   * Runs several statements whose messages go out in one piece, one after the other. Each answer
   * settles its own statement; while one is outstanding `transactionStatus()` is `unknown`. Returns
   * false, with nothing sent and nothing called, when the session cannot send these so: a COPY with
   * others, a text of several commands among joined ones, or a session that is ending. A driver
   * that leaves this out has its statements run one by one.
   */
  runTogether?(statements: readonly SentStatement[]): boolean
  /**
   * Runs statements that share the session: each by itself, as `run`, but none waits for the answer
   * to what was shared before it. What one call is given goes out in one piece, with a Sync behind
   * each, and the answers settle in that order. For statements that only read and leave the session
   * as it is; one that fails changes nothing for the others, and one whose prepared statement was
   * outdated is sent anew behind the others. A session that is in a transaction after one of them
   * is destroyed. Each goes by the extended protocol, and `done` is called as a method of what was
   * given. Works only while nothing but `share` is in flight. A driver that leaves this out gives
   * each statement a session of its own.
   */
  share?(statements: readonly SentStatement[]): void
  /**
   * Whether the socket takes no more at the moment: what is sent now would wait in the memory of
   * this process until the server has read what was sent before. The pool shares other sessions
   * meanwhile; what is sent all the same goes out later, in order. False again, at the latest, once
   * everything is answered. A driver that leaves this out is never full.
   */
  readonly full?: boolean
  /**
   * Prepares to fetch the rows of a statement in batches. Nothing is sent before the first `read`.
   */
  openCursor(statement: Statement): DriverCursor
  /**
   * Runs COPY … FROM STDIN. Resolves when the server is ready for data; rejects as `run` does, with
   * a `DatabaseError` if it is not.
   */
  copyIn(text: string): Promise<DriverCopyIn>
  /**
   * Runs COPY … TO STDOUT. Resolves when the server begins to send; rejects as `run` does. Data is
   * read from the socket only as fast as it is asked for.
   */
  copyOut(text: string): Promise<DriverCopyOut>
  /**
   * Subscribes this session to a channel, whose name may hold any characters; notifications come
   * through the listener.
   */
  listen(channel: string): Promise<void>
  /**
   * One round trip that proves the session alive. Rejects if it is not; the caller sets the
   * deadline.
   */
  ping(): Promise<void>
  /**
   * From now on the session runs no statement under a name, whatever `ConnectContext.statements`
   * says. Called for a session behind a pooler. A driver that gives no names leaves it out.
   */
  stopNaming?(): void
  /**
   * Has a reset travel in front of the next statement, cursor or COPY, in one piece with it: it
   * undoes all that `reset('session')` undoes but a changed `session_authorization`, which the
   * server reports. If any part of it fails, what was to follow is not begun and fails with
   * `resetFailure()`, and the session is over; an error of what follows does not undo it. A driver
   * that leaves this out has its sessions reset when they are given back.
   */
  resetFirst?(): void
  /**
   * Brings the session back to a known state, keeping prepared statements. Rejects if that failed.
   * `apart` has what several servers may know of the session sent in messages of its own as well,
   * because a program in between may send a message of several statements to fewer servers than a
   * lone one. Default false.
   */
  reset(level: ResetLevel, apart?: boolean): Promise<void>
  /**
   * Asks the server to cancel what this session runs, over a connection of its own to the very
   * address of this one's socket. Settles when the server has closed that connection: from then on
   * the request cannot cancel a later statement.
   */
  cancel(timeoutMs: number): Promise<void>
  /**
   * Ends the session politely; resolves when the socket is closed, at the latest after `timeoutMs`
   * by force.
   */
  close(timeoutMs: number): Promise<void>
  /** Breaks the socket now. Synchronous; never throws; statements in flight fail. */
  destroy(reason: unknown): void
  /** Lets the socket keep the process alive. */
  ref(): void
  /** Lets the process exit although the socket is open. */
  unref(): void
}

/**
 * Opens connections of one kind. An adapter package implements this and nothing more; over a
 * library that lends a client and makes errors, `connectSession` of `@poolhouse/core/net` is its
 * `connect`. `Raw` is the type of `lease.raw`.
 */
export interface Driver<Raw = unknown> {
  /** Name for messages: `pg`, `postgres.js`. */
  readonly name: string
  /** What it can do. */
  readonly capabilities: DriverCapabilities
  /**
   * Opens one session. Rejects with a `ConnectError` or an `AuthenticationError`, whose cause is
   * the driver's error. After `context.signal` fires it must reject soon and leave no socket
   * behind.
   *
   * @example
   * const traced: Driver = {
   *   ...driver,
   *   connect(context) {
   *     console.log('connecting', context.settings.endpoint)
   *     return driver.connect(context)
   *   },
   * }
   */
  connect(context: ConnectContext): Promise<DriverConnection<Raw>>
}

/** The type of `lease.raw` over a driver. */
export type RawOf<Used extends Driver> = Used extends Driver<infer Raw> ? Raw : never

/**
 * The lease that has the driver's own object of a session. A driver asks it before each use of the
 * object.
 */
export interface RawHolder {
  /**
   * The error for a use of the object after its lease was given back; undefined while the lease is
   * out.
   */
  refusal(): Error | undefined
  /** Statements with this text are about to be sent through the object. */
  sends(text: string): void
  /**
   * Something was handed out that reaches the server past the object, such as the protocol under
   * it. `what` names it for the pool's events.
   */
  exposed(what: string): void
}

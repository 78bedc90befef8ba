import type { ConnectionInfo, RawHolder, TransactionStatus } from '../../api/driver.js'
import type { TypeParsers } from '../../types/type-parsers.js'
import type { CancelKey } from '../frames/frame-bodies.js'
import type { ServerSocket } from '../socket/server-socket.js'
import type { ClientNames } from '../statements/session-statements.js'

/** The session under the client of a library, as that client uses it. */
export interface LibraryLine {
  /** The socket to the server, for its properties only. */
  readonly socket: ServerSocket
  /** Process id and parameters. */
  readonly info: ConnectionInfo
  /** With which to cancel. */
  readonly key: CancelKey | undefined
  /** As the last ReadyForQuery said. */
  readonly status: TransactionStatus
  /** Makes values of the server's texts. */
  readonly types: TypeParsers
  /** Whether bytes can still be sent. */
  readonly writable: boolean
  /**
   * Sends what the client writes, which may be pieces of messages. While the session runs work of
   * the pool, it waits. False when the client should pause; `drained` tells it to go on. `written`
   * is called as the callback of a socket's `write`.
   */
  write(bytes: Uint8Array, written?: (error?: Error | null) => void): boolean
  /** Stops reading from the socket, or goes on. */
  pause(paused: boolean): void
  /** Asks the server to cancel what runs, and keeps the session until that is through. */
  cancel(): Promise<void>
  /** The client may write nothing more by itself; see `mayWrite`. */
  settled(): void
  /** The client gave up, or its borrower has done what makes the session useless. */
  end(reason: Error): void
}

/** The client of a library over one session, made when a borrower first asks for it. */
export interface LibraryClient {
  /** What the library has its users call. */
  readonly raw: unknown
  /**
   * Whether it takes itself for connected and has sent what waited in it. Until then the session
   * counts as busy.
   */
  readonly isStarted: boolean
  /**
   * Whether it may still write, without being called again, what was begun on it: the work of the
   * pool waits for that. When it becomes false the line is told by `settled`.
   */
  readonly mayWrite: boolean
  /** Lends it to the borrower who has the session. */
  lend(holder: RawHolder): unknown
  /** Takes what the server has sent to it, whole messages. */
  take(messages: Buffer): void
  /** The socket has room again. */
  drained(): void
  /** Takes back what a borrower has left on it. */
  restore(): void
  /** The session is over: ends all that waits in it. */
  lose(reason: unknown): void
  /** The statements that it prepares itself, if it keeps any. */
  readonly names?: ClientNames | undefined
}

/** What a library brings: its clients and its errors. */
export interface Library {
  /** Makes a client that takes itself for connected. */
  makeClient(line: LibraryLine): LibraryClient
  /** The library's own error of the body of an ErrorResponse, for the `cause` of ours. */
  errorOf(body: Buffer): Error
}

import type { AuthMethod, QueryResult, Statement } from '@poolhouse/core'
import type {
  AutoPrepare,
  ConnectContext,
  ConnectionListener,
  DriverConnection,
  Notice,
  TransactionStatus,
} from '@poolhouse/core/kit'
import { ConnectionSettings } from '@poolhouse/core/kit'
import { StatementRules } from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'

/** How to log in; what is left out is as for every session of a case. */
export interface Login {
  /** Host name, address or directory of a Unix socket. Default: the line. */
  readonly host?: string
  /** TCP port. Default: the line's. */
  readonly port?: number
  /** Login name. */
  readonly user?: string
  /** Password; `undefined` for none. */
  readonly password?: string | undefined
  /** Database. */
  readonly database?: string
  /** `application_name`. */
  readonly applicationName?: string
  /** Run-time parameters. */
  readonly parameters?: Record<string, string>
  /** Longest time to log in, in milliseconds. Default 10 000. */
  readonly timeoutMs?: number
  /** Gives the log-in up. */
  readonly signal?: AbortSignal
  /** When statements are prepared by themselves. Default: never. */
  readonly prepare?: AutoPrepare
  /** How values are parsed. Default: as the canonical parsers do. */
  readonly types?: TypeParsers
  /** Accepted ways to log in. Default: all. */
  readonly requireAuth?: readonly AuthMethod[]
}

/** What a session told its listener. */
export interface Heard {
  /** The reason of the end, once for each time it was told. */
  readonly closed: unknown[]
  /** Notices, in order. */
  readonly notices: Notice[]
  /** Notifications, in order. */
  readonly notifications: [channel: string, payload: string][]
  /** Parameters that changed, in order. */
  readonly parameters: [name: string, value: string][]
  /** Resolves with the reason when the session is over. */
  readonly over: Promise<unknown>
}

/** A context to connect with. */
export interface RecordedContext {
  /** What a driver's `connect` takes. */
  readonly context: ConnectContext
  /** What the listener in it is told. */
  readonly heard: Heard
}

/** A session opened by a case; it is destroyed when the case is over. */
export interface TestSession {
  /** The connection. */
  readonly connection: DriverConnection
  /** What it has told so far. */
  readonly heard: Heard
  /** `run` as a promise. */
  query<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
  ): Promise<QueryResult<Row>>
  /** Runs a statement and gives the transaction status that `done` found. */
  statusAfter(text: string): Promise<TransactionStatus>
}

/** The parts of a login that every session of a case shares. */
export type CompleteLogin = Login &
  Required<Pick<Login, 'host' | 'port' | 'user' | 'database' | 'applicationName'>>

/** Everything `connect` needs for a login, and a record of what it reports. */
export function connectContext(login: CompleteLogin): RecordedContext {
  const { host, port, user, database, applicationName, parameters = {}, password } = login
  const { listener, heard } = recordingListener()
  const settings = new ConnectionSettings({
    endpoint: { host, port, database },
    user,
    password,
    applicationName,
    ssl: { mode: 'disable' },
    parameters,
  })
  const context: ConnectContext = {
    settings,
    password,
    timeoutMs: login.timeoutMs ?? 10_000,
    signal: login.signal ?? new AbortController().signal,
    statements: new StatementRules(login.prepare),
    types: login.types,
    requireAuth: login.requireAuth,
    listener,
  }
  return { context, heard }
}

function recordingListener(): { listener: ConnectionListener; heard: Heard } {
  let end = (_reason: unknown): void => {}
  const heard: Heard = {
    closed: [],
    notices: [],
    notifications: [],
    parameters: [],
    over: new Promise((resolve) => {
      end = resolve
    }),
  }
  const listener: ConnectionListener = {
    closed(reason) {
      heard.closed.push(reason)
      end(reason)
    },
    notice: (notice) => heard.notices.push(notice),
    notification: (channel, payload) => heard.notifications.push([channel, payload]),
    parameter: (name, value) => heard.parameters.push([name, value]),
  }
  return { listener, heard }
}

/** A session over a connection. */
export function testSession(connection: DriverConnection, heard: Heard): TestSession {
  return {
    connection,
    heard,
    query: <Row>(text: string | Statement, values?: readonly unknown[]) =>
      new Promise<QueryResult<Row>>((resolve, reject) => {
        connection.run(typeof text === 'string' ? { text, values } : text, (error, result) =>
          error === null ? resolve(result as QueryResult<Row>) : reject(error),
        )
      }),
    statusAfter: (text) =>
      new Promise((resolve) => {
        connection.run({ text }, () => resolve(connection.transactionStatus()))
      }),
  }
}

import type { QueryResult, SslSettings, Statement } from '@poolhouse/core'
import type { AutoPrepare, ConnectContext, DriverConnection, Notice } from '@poolhouse/core/kit'
import { ConnectionSettings } from '@poolhouse/core/kit'
import { StatementRules } from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import type { Cluster, ClusterNode } from '@poolhouse/testkit'
import { postgresJs } from '../src/index.js'

/** What a connection told its listener. */
interface Heard {
  readonly closed: unknown[]
  readonly notices: Notice[]
  readonly notifications: [string, string][]
  readonly parameters: [string, string][]
  /** Resolves with the reason when the session is over. */
  readonly over: Promise<unknown>
}

/** Which server, and what is different from the cluster's own login. */
export interface Login {
  readonly host?: string
  readonly port?: number
  readonly user?: string
  readonly database?: string
  readonly password?: string | undefined
  readonly ssl?: SslSettings
  readonly parameters?: Record<string, string>
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly prepare?: AutoPrepare
  readonly types?: TypeParsers
}

/** Everything `connect` needs, and a record of what it reports. */
function contextFor(
  cluster: Pick<Cluster, 'user' | 'password' | 'database'>,
  node: Pick<ClusterNode, 'host' | 'port'>,
  login: Login = {},
): { context: ConnectContext; heard: Heard } {
  const closed: unknown[] = []
  let end = (_reason: unknown): void => {}
  const heard: Heard = {
    closed,
    notices: [],
    notifications: [],
    parameters: [],
    over: new Promise((resolve) => {
      end = resolve
    }),
  }
  const password = 'password' in login ? login.password : cluster.password
  const settings = new ConnectionSettings({
    endpoint: {
      host: login.host ?? node.host,
      port: login.port ?? node.port,
      database: login.database ?? cluster.database,
    },
    user: login.user ?? cluster.user,
    password,
    applicationName: 'poolhouse-test',
    ssl: login.ssl ?? { mode: 'disable' },
    parameters: login.parameters ?? {},
  })
  const context: ConnectContext = {
    settings,
    password,
    timeoutMs: login.timeoutMs ?? 10_000,
    signal: login.signal ?? new AbortController().signal,
    statements: new StatementRules(login.prepare),
    types: login.types,
    listener: {
      closed(reason) {
        closed.push(reason)
        end(reason)
      },
      notice: (notice) => heard.notices.push(notice),
      notification: (channel, payload) => heard.notifications.push([channel, payload]),
      parameter: (name, value) => heard.parameters.push([name, value]),
    },
  }
  return { context, heard }
}

/** A connection that is destroyed at the end of an `await using` block. */
export interface TestSession extends AsyncDisposable {
  readonly connection: DriverConnection
  readonly heard: Heard
  /** `run` as a promise. */
  query<Row = Record<string, unknown>>(
    text: string | Statement,
    values?: readonly unknown[],
  ): Promise<QueryResult<Row>>
}

/** Opens a session with the driver under test. */
export async function openSession(
  cluster: Pick<Cluster, 'user' | 'password' | 'database'>,
  node: Pick<ClusterNode, 'host' | 'port'>,
  login: Login = {},
): Promise<TestSession> {
  const { context, heard } = contextFor(cluster, node, login)
  const connection = await postgresJs().connect(context)
  return {
    connection,
    heard,
    query: <Row>(text: string | Statement, values?: readonly unknown[]) =>
      new Promise<QueryResult<Row>>((resolve, reject) => {
        connection.run(typeof text === 'string' ? { text, values } : text, (error, result) =>
          error === null ? resolve(result as QueryResult<Row>) : reject(error),
        )
      }),
    async [Symbol.asyncDispose]() {
      connection.destroy('the test is over')
      await heard.over
    },
  }
}

/** Has the server end a session. */
export async function terminate(
  { primary }: Pick<Cluster, 'primary'>,
  { connection }: TestSession,
): Promise<void> {
  await primary.sql('select pg_terminate_backend($1)', [connection.info.backendPid])
}

/** Resolves when the server runs this very text in a session. */
export async function untilRunning(
  { primary }: Pick<Cluster, 'primary'>,
  { connection }: TestSession,
  text: string,
): Promise<void> {
  for (;;) {
    const rows = await primary.sql(
      `select 1 from pg_stat_activity where pid = $1 and state = 'active' and query = $2`,
      [connection.info.backendPid, text],
    )
    if (rows.length > 0) return
  }
}

/** The error a promise rejects with. */
export async function failure<E extends Error>(promise: Promise<unknown>): Promise<E> {
  try {
    await promise
  } catch (error) {
    return error as E
  }
  throw new Error('it was expected to fail')
}

/**
 * Resolves when this process has `count` sockets open to a port; a test that waits for ever has
 * found a leak.
 */
export async function untilSocketsTo(port: number, count: number): Promise<void> {
  // Undocumented, but the only list of handles there is. A socket that was destroyed leaves it a
  // little later.
  const { _getActiveHandles } = process as unknown as {
    _getActiveHandles(): { remotePort?: number; remoteAddress?: string }[]
  }
  const open = (): number =>
    _getActiveHandles().filter((handle) => handle.remotePort === port).length
  while (open() !== count) await new Promise((resolve) => setImmediate(resolve))
}

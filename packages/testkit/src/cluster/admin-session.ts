import { Client } from 'pg'

/** Where a superuser's session connects to: a Unix socket, which needs no password and no TLS. */
export interface AdminTarget {
  /** Name of the node, for messages. */
  readonly name: string
  /** Directory of the Unix socket. */
  readonly home: string
  /** Port, which is part of the socket's name. */
  readonly port: number
  /** Database to connect to. */
  readonly database: string
}

/** One open session of the superuser. */
export interface AdminSession {
  /** Runs one statement and returns its rows. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/** A session of the superuser that lasts until it is closed. */
export interface OpenAdminSession extends AdminSession {
  /** Whether nothing has ended it yet. */
  readonly alive: boolean
  /** Ends it. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 10_000

/** Opens a superuser's session. */
export async function openAdminSession(target: AdminTarget): Promise<OpenAdminSession> {
  const client = new Client({
    host: target.home,
    port: target.port,
    user: 'postgres',
    database: target.database,
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'poolhouse-testkit',
  })
  let alive = true
  const over = (): void => {
    alive = false
  }
  // Without a listener a lost connection would end the process; the statement under way rejects.
  client.on('error', over)
  client.on('end', over)
  try {
    await client.connect()
  } catch (cause) {
    throw new Error(`cannot connect to node ${target.name} as superuser`, { cause })
  }
  return {
    get alive() {
      return alive
    },
    query: async <Row>(text: string, values: readonly unknown[] = []) => {
      const result = await client.query(text, [...values])
      return result.rows as Row[]
    },
    close: () => client.end(),
  }
}

/** Opens a superuser's session, hands it to `work` and closes it, whatever happened. */
export async function withAdminSession<R>(
  target: AdminTarget,
  work: (session: AdminSession) => Promise<R>,
): Promise<R> {
  const session = await openAdminSession(target)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** Quotes a text as an SQL literal, for statements that take no parameters. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Quotes a name for SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

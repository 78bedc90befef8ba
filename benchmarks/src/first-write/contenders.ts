import type { Driver } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import pg from 'pg'
import postgres from 'postgres'

/** A client at its defaults, but for what finds the primary, and for how long ours holds calls. */
interface Writer {
  /** Inserts one row; resolves when the server has acknowledged it. */
  write(id: string): Promise<unknown>
  close(): Promise<unknown>
}

/** The addresses of the nodes, or that of the proxy in front of them. */
type MakeWriter = (urls: readonly string[]) => Promise<Writer>

const CONNECTIONS = 10
/** Longer than a cluster takes to promote a standby: how long calls are held. */
const HOLD_MS = 60_000
const INSERT = 'insert into first_write values ($1)'

const ours =
  (makeDriver: () => Driver): MakeWriter =>
  async (urls) => {
    const manager = createManager({
      drivers: { driver: makeDriver() },
      databases: {
        app: {
          nodes: [...urls],
          pool: { max: CONNECTIONS },
          failover: { hold: { timeoutMs: HOLD_MS } },
        },
      },
    })
    await manager.ready()
    const app = manager.database('app')
    return { write: (id) => app.query(INSERT, [id]), close: () => manager.shutdown() }
  }

const postgresItself: MakeWriter = async (urls) => {
  const places = urls.map((url) => new URL(url))
  const [{ username, pathname }] = places as [URL]
  // Its types know one host alone; it takes several, parted by commas.
  const sql = postgres({
    host: places.map(({ host }) => host).join(),
    user: username,
    database: pathname.slice(1),
    target_session_attrs: 'primary',
    max: CONNECTIONS,
  })
  return {
    write: (id) => sql`insert into first_write values (${id})`,
    close: () => sql.end({ timeout: 1 }),
  }
}

const pgPool: MakeWriter = async ([url]) => {
  const pool = new pg.Pool({ connectionString: url!, max: CONNECTIONS })
  // Without it a lost idle connection would end the process.
  pool.on('error', () => {})
  return { write: (id) => pool.query(INSERT, [id]), close: () => pool.end() }
}

/** How a health check of HAProxy is set. */
export type Checks = 'template' | 'quick'

/** Who writes, and through which proxy. */
interface Contender {
  readonly open: MakeWriter
  readonly proxy?: Checks
}

/** Every contender, in the order of the table. */
export const contenders: Readonly<Record<string, Contender>> = {
  'Poolhouse over pg': { open: ours(nodePostgres) },
  'Poolhouse over postgres.js': { open: ours(postgresJs) },
  "postgres.js, two hosts, target_session_attrs: 'primary'": { open: postgresItself },
  'pg.Pool through HAProxy, checks as in Patroni’s template': { open: pgPool, proxy: 'template' },
  'pg.Pool through HAProxy, a check each 0.5 s': { open: pgPool, proxy: 'quick' },
}

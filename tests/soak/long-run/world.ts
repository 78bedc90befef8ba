import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Driver } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import {
  type ClusterNode,
  type FaultProxy,
  historyTable,
  startCluster,
  startFaultProxy,
  startPgBouncer,
} from '@poolhouse/testkit'
import { within } from './within.js'

/** Tenants of `app`, each with a schema of its own. */
export const SCHEMAS: readonly string[] = Array.from({ length: 6 }, (_, n) => `tenant_${n}`)
/** Tenants of `analytics`, which share its tables. */
export const ROW_TENANTS: readonly string[] = ['red', 'green', 'blue']
/** The table of the workers. */
export const HISTORY = 'poolhouse_history'
/** That of the tenants that share it. */
export const ROW_HISTORY = 'row_history'
/** Rows of `numbers`, in each of which `value` is seven times `id`. */
export const NUMBERS = 1_000

const DISK_MEGABYTES = 400
const SETTINGS = { shared_buffers: '32MB', max_connections: 150, max_wal_size: '64MB' }
/**
 * Limits of the superuser's statements. A transaction whose client is cut off keeps its locks for
 * as long as the server takes its client for alive, and DDL and TRUNCATE wait for them.
 */
const LIMITS = { lock_timeout: '5s', statement_timeout: '30s' }
const START_MS = 180_000
const END_MS = 90_000
const EMPTY_MS = 40_000
const OLDEST = `select pid, usename, state, wait_event, now() - xact_start as age, left(query, 80) as query
  from pg_stat_activity where xact_start is not null and pid <> pg_backend_pid() order by xact_start limit 3`

/** Servers, the lines to them, a pooler, and a manager over all of them. */
export type World = Awaited<ReturnType<typeof startWorld>>

/**
 * Starts three databases and a manager: `app` on a primary with two replicas, a commit on two of
 * them; `analytics` on one server, with a small disk of its own where there is the right to make
 * one; `queue` on one server behind PgBouncer. The manager connects through fault proxies.
 */
export async function startWorld(driver: Driver, random: () => number) {
  const endings: { what: string; end: () => Promise<unknown> | undefined }[] = []
  const stop = async (): Promise<void> => {
    for (const { what, end } of endings.splice(0).reverse()) {
      try {
        await within(END_MS, `the end of ${what}`, (async () => await end())())
      } catch (error) {
        // The others are ended all the same.
        console.error(`${what}: ${(error as Error).message}`)
        process.exitCode = 1
      }
    }
  }
  const owned = async <T extends AsyncDisposable>(
    what: string,
    starting: Promise<T>,
  ): Promise<T> => {
    const thing = await within(START_MS, `the start of ${what}`, starting)
    endings.push({ what, end: async () => await thing[Symbol.asyncDispose]() })
    return thing
  }
  try {
    const app = await owned(
      'app',
      startCluster({ replicas: 2, synchronous: true, settings: SETTINGS }),
    )
    const disk = makeDisk()
    if (disk !== undefined)
      endings.push({ what: 'the small disk', end: async () => removeDisk(disk) })
    const analytics = await owned('analytics', startOn(disk))
    const queue = await owned('queue', startCluster({ replicas: 0, settings: SETTINGS }))
    const pooler = await owned(
      'PgBouncer',
      startPgBouncer({ target: queue.primary.url, poolSize: 10 }),
    )
    const lines = new Map<ClusterNode, FaultProxy>()
    for (const node of [...app.nodes, analytics.primary]) {
      lines.set(node, await owned(`the line to ${node.port}`, startFaultProxy(node.url)))
    }
    const poolerLine = await owned('the line to PgBouncer', startFaultProxy(pooler.url))
    for (const { primary } of [app, analytics, queue]) await limitStatements(primary)
    await makeTables(app.primary, ['public', ...SCHEMAS])
    await makeTables(analytics.primary, ['public'])
    await makeRowTable(analytics.primary)
    await makeTables(queue.primary, ['public'])
    const url = (node: ClusterNode): string => lines.get(node)!.url()
    const manager = createManager({
      drivers: { only: driver },
      databases: {
        app: {
          nodes: app.nodes.map(url),
          failover: { hold: { timeoutMs: 15_000 } },
          pool: { max: 20, multiplex: 'auto' },
        },
        analytics: { primary: url(analytics.primary), pool: { max: 10 } },
        queue: { primary: poolerLine.url(), pool: { max: 10, pooler: 'pgbouncer' } },
      },
      budget: { perServer: 60 },
      tenants: {
        resolve: (id) =>
          ROW_TENANTS.includes(id)
            ? { on: 'analytics', settings: { 'app.tenant': id } }
            : { on: 'app', schema: id },
        idleMs: 20_000,
      },
      random,
    })
    endings.push({ what: 'the manager', end: () => manager.close({ timeoutMs: 2_000 }) })
    await within(START_MS, 'manager.ready()', manager.ready({ timeoutMs: 30_000 }))
    const allLines = [...lines.values(), poolerLine]
    const line = (node: ClusterNode): FaultProxy => lines.get(node)!
    return { app, analytics, queue, pooler, poolerLine, disk, manager, line, allLines, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Forgets what the workers wrote. */
export async function emptyTables({ app, analytics, queue }: World): Promise<void> {
  const tables = ['public', ...SCHEMAS].map((schema) => `${schema}.${HISTORY}`)
  await truncate(app.primary, 'app', tables)
  await truncate(analytics.primary, 'analytics', [HISTORY, ROW_HISTORY])
  await truncate(queue.primary, 'queue', [HISTORY])
}

/** Rejects with the oldest transactions of the server when it cannot. */
async function truncate(node: ClusterNode, what: string, tables: string[]): Promise<void> {
  try {
    await within(EMPTY_MS, `TRUNCATE in ${what}`, node.sql(`truncate ${tables.join()}`))
  } catch (cause) {
    const oldest = await within(EMPTY_MS, `an answer of ${what}`, node.sql(OLDEST))
    throw new Error(
      `cannot empty the tables of ${what}: ${(cause as Error).message}; oldest transactions: ${JSON.stringify(oldest)}`,
      { cause },
    )
  }
}

async function limitStatements(primary: ClusterNode): Promise<void> {
  for (const [name, value] of Object.entries(LIMITS)) {
    await primary.sql(`alter role postgres set ${name} = '${value}'`)
  }
}

async function makeTables(node: ClusterNode, schemas: readonly string[]): Promise<void> {
  await node.sql(
    `create table numbers as select n as id, n * 7 as value from generate_series(0, ${NUMBERS - 1}) n`,
  )
  await node.sql('alter table numbers add primary key (id)')
  await node.sql('grant all on numbers to app')
  for (const schema of schemas) {
    if (schema !== 'public') await node.sql(`create schema ${schema} authorization app`)
    for (const text of historyTable(`${schema}.${HISTORY}`)) await node.sql(text)
    await node.sql(`grant all on ${schema}.${HISTORY} to app`)
  }
}

async function makeRowTable(node: ClusterNode): Promise<void> {
  const tenant = `nullif(current_setting('app.tenant', true), '')`
  for (const text of historyTable(ROW_HISTORY)) await node.sql(text)
  await node.sql(`alter table ${ROW_HISTORY} add column tenant text not null default ${tenant}`)
  await node.sql(`alter table ${ROW_HISTORY} enable row level security`)
  await node.sql(`create policy own_rows on ${ROW_HISTORY} using (tenant = ${tenant})`)
  await node.sql(`grant all on ${ROW_HISTORY} to app`)
}

/** A disk that can be filled; undefined without the right to make one. */
function makeDisk(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'disk-'))
  chmodSync(folder, 0o755)
  const options = `size=${DISK_MEGABYTES}m,mode=1777`
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'soak', folder], { stdio: 'ignore' })
    return folder
  } catch {
    rmdirSync(folder)
    return undefined
  }
}

function removeDisk(folder: string): void {
  execFileSync('umount', [folder])
  rmdirSync(folder)
}

/** A server whose files are below this folder. */
async function startOn(folder: string | undefined): ReturnType<typeof startCluster> {
  const { TMPDIR } = process.env
  if (folder !== undefined) process.env['TMPDIR'] = folder
  try {
    return await startCluster({ replicas: 0, settings: SETTINGS })
  } finally {
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
  }
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { runner } from 'node-pg-migrate'
import { startDrill } from '../support/drill.js'

const MIGRATIONS = 12

await using drill = await startDrill(nodePostgres())

// Instead of `databaseUrl`: a client of the pool, because migrations need one session.
const pool = createPgPool(drill.db)

const dir = await mkdtemp(join(tmpdir(), 'migrations-'))
for (let id = 1; id <= MIGRATIONS; id++) {
  const sql = `insert into orders (id, item) values (${id}, 'tea');\nselect pg_sleep(0.1);\n`
  await writeFile(join(dir, `${1_000_000_000_000 + id}_order-${id}.sql`), sql)
}

async function migrate(): Promise<void> {
  const dbClient = await pool.connect()
  dbClient.on('error', () => {}) // what runs on it fails too
  let failed = true
  try {
    const log = () => {}
    await runner({ dbClient, dir, direction: 'up', migrationsTable: 'migrations', log })
    failed = false
  } finally {
    dbClient.release(failed)
  }
}

const first = migrate().then(
  () => 'ended',
  (error: unknown) => `failed: ${(error as Error).message.split('\n')[0]}`,
)
await sleep(500)
const { promoted } = await drill.failover()
console.log(`the run that was under way ${await first}`)
await migrate()
const rows = await promoted.sql<{ id: number }>('select id from orders order by id')
const ids = rows.map(({ id }) => id).join()
const expected = Array.from({ length: MIGRATIONS }, (_, index) => index + 1).join()
if (ids !== expected) throw new Error(`migrations that ran: ${ids}`)
console.log(`the next run did the others: each of ${MIGRATIONS} migrations was applied once`)

const insert = `insert into orders (id, item) values (100, 'tea')`
await drill.servedOn('primary', /insert into orders/, () => pool.query(insert))
await drill.servedOn('replica', /served_orders/, () => pool.query('select * from served_orders'))
await rm(dir, { recursive: true })
await drill.finish(() => pool.end())

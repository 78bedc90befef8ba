import { setTimeout as sleep } from 'node:timers/promises'
import { createMarkerTable, createPool, type Gap, type Pool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import type { Cluster } from '@poolhouse/testkit'
import { Bell } from './bell.js'
import { showBulk } from './bulk.js'
import { withCluster } from './cluster.js'
import { enqueue, tables, work } from './queue.js'

const JOBS = 400
const WORKERS = 4

await withCluster(async (cluster) => {
  const driver = nodePostgres()
  const nodes = cluster.nodes.map(({ name, url }) =>
    createPool({ driver, name, connection: url, max: 8 }),
  )
  await using db = withFailover(nodes)
  await showBulk(db)
  await showQueue(db, cluster)
})
console.log('Everything is closed.')

/** Four workers, one producer, and half-way through the primary is killed. */
async function showQueue(db: Pool, cluster: Cluster): Promise<void> {
  await createMarkerTable(db)
  for (const table of tables) await db.query(table)

  const bell = new Bell()
  let notifications = 0
  const subscription = await db.listen('jobs', () => heard(), { onGap: missed })
  const stop = new AbortController()
  const names = Array.from({ length: WORKERS }, (_, index) => `worker ${index + 1}`)
  const working = names.map((name) => work(db, name, bell, stop.signal))

  const failing = failOver(cluster)
  for (let id = 1; id <= JOBS; id += 1) {
    await Promise.all([enqueue(db, id), sleep(5)])
  }
  await failing
  console.log(`queue     ${JOBS} jobs were put in, ${notifications} notifications came`)
  while (await open(db)) await sleep(20)

  stop.abort()
  bell.ring()
  await Promise.all(working)
  await subscription.close()
  await checkReceipts(db)

  function heard(): void {
    notifications += 1
    bell.ring()
  }

  // PostgreSQL keeps no notifications for absent listeners: the workers must check the queue
  // once.
  function missed({ forMs, reason }: Gap): void {
    console.log(`listen    a gap of at most ${Math.round(forMs)} ms: ${reason.message}`)
    bell.ring()
  }
}

async function failOver(cluster: Cluster): Promise<void> {
  await sleep(1_000)
  const old = cluster.primary
  console.log(`failover  SIGKILL to ${old.name}, the primary`)
  await old.kill()
  await sleep(300)
  const next = await cluster.failover()
  console.log(`failover  ${next.name} is promoted, 300 ms later`)
}

async function open(db: Pool): Promise<boolean> {
  const { rowCount } = await db.query('select from jobs where done_at is null limit 1')
  return rowCount !== 0
}

async function checkReceipts(db: Pool): Promise<void> {
  const { rows } = await db.query<{ done: number; once: number; worker: string }>(
    'select worker, count(*)::int as done, count(distinct job)::int as once from receipts group by worker order by worker',
  )
  for (const { worker, done } of rows) console.log(`queue     ${worker} did ${done}`)
  const done = rows.reduce((sum, row) => sum + row.done, 0)
  const { rows: jobs } = await db.query<{ jobs: number }>(
    'select count(distinct job)::int as jobs from receipts',
  )
  console.log(`queue     ${jobs[0]?.jobs} jobs were done, with ${done} receipts`)
  if (done !== JOBS || jobs[0]?.jobs !== JOBS) throw new Error('a job was lost, or done twice')
}

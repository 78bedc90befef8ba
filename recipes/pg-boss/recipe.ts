import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import PgBoss from 'pg-boss'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `new PgBoss(url)`:
const pool = createPgPool(drill.db)
const boss = new PgBoss({
  db: { executeSql: (text, values) => pool.query(text, values) },
})
let complaints = 0
boss.on('error', () => complaints++)
await boss.start()
await boss.createQueue('orders')

const done = new Set<number>()
await boss.work<{ id: number }>(
  'orders',
  { pollingIntervalSeconds: 0.5, batchSize: 200 },
  async (jobs) => {
    for (const { data } of jobs) done.add(data.id)
  },
)

await drill.servedOn('primary', /insert into/i, () => boss.send('orders', { id: 1 }))
await drill.until('the first job is not done', () => done.has(1))
await drill.replicated()
await drill.servedOn('replica', /select/i, () => boss.getQueue('orders'))

await drill.checkJobs({
  add: (id) => boss.send('orders', { id }, { retryLimit: 10 }),
  done: () => done,
})
console.log(`pg-boss told of ${complaints} errors`)
await drill.finish(
  () => boss.stop({ graceful: false }),
  () => pool.end(),
)

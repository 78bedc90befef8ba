import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { makeWorkerUtils } from 'graphile-worker'
import { startDrill } from '../support/drill.js'

const SOON_MS = 2_000
const AFTER_THE_GAP = 10

await using drill = await startDrill(nodePostgres())
const pgPool = createPgPool(drill.db)
pgPool.on('error', () => {})
pgPool.on('connect', (client) => client.on('error', () => {}))
const utils = await makeWorkerUtils({ pgPool })
await utils.migrate()

let gaps = 0
let subscriptions = 0
let ends = 0
let running: ChildProcess | undefined
let over = false

/**
 * A worker ends its process when it is not told whether a job was completed, with any pool, and
 * leaves its jobs locked. What starts it again unlocks them.
 */
function startWorker(): void {
  const workers: string[] = []
  const urls = drill.cluster.nodes.map(({ url }) => url)
  const child = fork(join(import.meta.dirname, 'worker.ts'), urls, { stdio: 'ignore' })
  running = child
  child.on('message', (message: { worker?: string; gap?: true; subscribed?: true }) => {
    if (message.worker !== undefined) workers.push(message.worker)
    if (message.gap) gaps++
    if (message.subscribed) subscriptions++
  })
  child.on('exit', async () => {
    if (over) return
    ends++
    await utils.forceUnlockWorkers(workers)
    startWorker()
  })
}
startWorker()

await drill.servedOn('primary', /add_job/, () => utils.addJob('order', { id: 1 }))
await drill.until('the first job is not done', async () => (await drill.storedIds()).has(1))
await drill.replicated()
const find = 'select * from served_orders where id = 1'
await drill.servedOn('replica', /served_orders/, () => pgPool.query(find))

subscriptions = 0
await drill.checkJobs({
  add: (id) => utils.addJob('order', { id }),
  done: () => drill.storedIds(),
})
await drill.until('no worker has subscribed again', () => subscriptions > 0)
if (gaps + ends === 0) throw new Error('the worker did not notice the gap')
console.log(
  `the worker ${ends > 0 ? 'was started again' : 'heard of the gap'} and subscribed again`,
)

const ids = Array.from({ length: AFTER_THE_GAP }, (_, index) => index + 2)
const since = performance.now()
for (const id of ids) {
  await utils.addJob('order', { id })
  await sleep(20)
}
await drill.until('jobs sent after the subscription are lost', async () => {
  const stored = await drill.storedIds()
  return ids.every((id) => stored.has(id))
})
if (performance.now() - since > SOON_MS) throw new Error('jobs were found by polling')
console.log('each job sent after that was announced at once')
over = true
running?.kill()
await drill.finish(
  () => utils.release(),
  () => pgPool.end(),
)

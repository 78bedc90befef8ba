import { execFile } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { nodePostgres } from '@poolhouse/node-postgres'
import { sessionsOf, startApplication, urlOf } from '../support/application.js'
import { startDrill } from '../support/drill.js'

const NAME = 'next-js'
const EDITIONS = 5
/** `max` of the pool of each server, in `lib/db.ts`, and the session that watches the server. */
const MAX = 5
const WATCH = 1
const REQUESTS = 40

await using drill = await startDrill(nodePostgres())
const { cluster } = drill

// A copy, because the server writes into its folder and the files are edited.
const web = resolve('web')
await cp(join(import.meta.dirname, 'web'), web, { recursive: true })
const next = createRequire(join(web, 'package.json')).resolve('next/dist/bin/next')
const app = await startApplication((port) => [next, 'dev', web, '--port', String(port)], {
  DATABASE_URL: urlOf(cluster, NAME),
  NEXT_TELEMETRY_DISABLED: '1',
})

const store = (id: number) => app.until(201, 'POST', `/orders/${id}`, { body: { item: 'tea' } })
const find = (id: number) => app.ask('GET', `/orders/${id}`)

await store(1)
await drill.replicated()
const read = await app.until(200, 'GET', '/orders/1')
if (read.body.served_on === cluster.primary.port) throw new Error('read on the primary')
console.log('written on the primary, read on a replica')

/** Asks the route many times at once, and says how many answers it did not give. */
async function askOften(): Promise<void> {
  const answers = await Promise.all(Array.from({ length: REQUESTS }, () => find(1)))
  const wrong = answers.filter(({ status }) => status !== 200)
  if (wrong.length > 0) throw new Error(`${wrong.length} reads failed: ${wrong[0]?.status}`)
}

await askOften()
await app.until(200, 'GET', '/stats')
const first = (await app.ask('GET', '/stats')).body
const before = await sessionsOf(cluster, NAME)

// Hot reload: each change of `lib/db.ts` evaluates it anew, and the routes that import it.
const file = join(web, 'lib', 'db.ts')
const source = await readFile(file, 'utf8')
for (let edition = 1; edition <= EDITIONS; edition++) {
  await writeFile(file, source.replace('edition = 0', `edition = ${edition}`))
  await drill.until(`edition ${edition} is not at work`, async () => {
    return (await app.ask('GET', '/stats')).body?.edition === edition
  })
  await askOften()
}
const after = await sessionsOf(cluster, NAME)
const last = (await app.ask('GET', '/stats')).body
const opened = after.filter((session) => !before.includes(session))
const wasLost = before.some((session) => !after.includes(session))
if (wasLost || last.pid !== first.pid) throw new Error(`${before} became ${after}`)
// The pool may have had room for more; what is new is its own.
if (opened.length > last.created - first.created) throw new Error(`${opened} are of another pool`)
for (const { name } of cluster.nodes) {
  const there = after.filter((session) => session.startsWith(`${name}:`))
  if (there.length > MAX + WATCH) throw new Error(`${name} has ${there}`)
}
console.log(
  `${before.length} connections before ${EDITIONS} editions of the file, ${after.length} after, all of one pool`,
)

// Reads go on during a failover, and writes after it, without a restart.
let isOver = false
let reads = 0
const reading = (async () => {
  for (; !isOver; reads++) {
    const { status } = await find(1)
    if (status !== 200) throw new Error(`read ${reads} failed with ${status}`)
    await sleep(5)
  }
})()
await sleep(500)
await drill.failover()
const since = performance.now()
await store(2)
const tookMs = Math.round(performance.now() - since)
await drill.until('the new order is not read', async () => (await find(2)).status === 200)
isOver = true
await reading
const { pid, edition } = (await app.ask('GET', '/stats')).body
if (pid !== first.pid || edition !== EDITIONS) throw new Error('the server was started again')
const [stored] = await cluster.primary.sql<{ count: string }>(
  'select count(*) from orders where id = 2',
)
if (stored?.count !== '1') throw new Error(`order 2 is stored ${stored?.count} times`)
console.log(`written ${tookMs} ms after the failover; ${reads} reads meanwhile, none failed`)

const end = await app.terminate()
await drill.until(`connections are left at ${end}`, async () => {
  return (await sessionsOf(cluster, NAME)).length === 0
})
console.log('no connection after SIGTERM')

// Next.js has written the types of its routes.
const compiler = createRequire(join(web, 'package.json')).resolve('typescript/bin/tsc')
await promisify(execFile)(process.execPath, [compiler, '--noEmit', '-p', web])
await drill.finish()

import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type Application, sessionsOf, startApplication, urlOf } from '../support/application.js'
import { startDrill } from '../support/drill.js'

const NAME = 'nestjs'

await using drill = await startDrill(nodePostgres())
const { cluster } = drill
await cluster.primary.sql(`create database audit owner ${cluster.user}`)

/** Compiles the application, as ESM or as CommonJS, and starts it. */
async function start(type: 'module' | 'commonjs'): Promise<Application> {
  const folder = resolve(type)
  await cp(join(import.meta.dirname, 'src'), join(folder, 'src'), { recursive: true })
  await cp(join(import.meta.dirname, 'tsconfig.json'), join(folder, 'tsconfig.json'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type }))
  const compiler = createRequire(join(folder, 'package.json')).resolve('typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [compiler, '-p', folder])
  return await startApplication(() => [join(folder, 'dist', 'main.js')], {
    DATABASE_URL: urlOf(cluster, NAME),
    AUDIT_URL: urlOf(cluster, NAME, 'audit'),
  })
}

/** Waits until `/readyz` says this. As the application ends, Terminus says `shutting_down`. */
async function health(
  app: Application,
  expected: 'ok' | 'degraded' | 'shutting_down',
): Promise<void> {
  let seen: unknown
  await drill.until(
    () => `/readyz is not ${expected}: ${JSON.stringify(seen)}\n${app.output}`,
    async () => {
      const { status, body } = await app.ask('GET', '/readyz')
      seen = body
      return body.status === expected && status === (expected === 'shutting_down' ? 503 : 200)
    },
  )
}

/** Ends the application while it works on a request. */
async function end(app: Application, id: number): Promise<void> {
  const underWay = app.ask('POST', `/slow-orders/${id}`)
  await sleep(200)
  const ended = app.terminate()
  await health(app, 'shutting_down')
  const { status } = await underWay
  if (status !== 201) throw new Error(`the request under way got ${status}\n${app.output}`)
  const how = await ended
  await drill.until(`connections are left at ${how}`, async () => {
    return (await sessionsOf(cluster, NAME)).length === 0
  })
  const [row] = await cluster.primary.sql<{ count: string }>(
    'select count(*) from orders where id = $1',
    [id],
  )
  if (row?.count !== '1') throw new Error(`order ${id} is stored ${row?.count} times`)
  console.log(
    'SIGTERM: /readyz said 503, the request under way was answered, no connection is left',
  )
}

const compiled = await start('commonjs')
await compiled.until(200, 'GET', '/livez')
await health(compiled, 'ok')
console.log('compiled to CommonJS, it is up')
await end(compiled, 1_001)

const app = await start('module')
await app.until(200, 'GET', '/livez')
await health(app, 'ok')
const { body } = await app.ask('GET', '/audit')
if (body.database !== 'audit') throw new Error(`the token of audit leads to ${body.database}`)

const killed = cluster.primary
await killed.kill()
await health(app, 'degraded')
const promoted = await cluster.failover()
await app.until(201, 'POST', '/orders/1002')
await killed.rejoinAs(promoted)
await health(app, 'ok')
await app.until(200, 'GET', '/audit')
console.log('/readyz was ok, degraded without a primary, and ok again after the failover')

/** By order: the cookie of the client that has stored it. */
const cookies = new Map<number, string>()

async function ask(method: 'GET' | 'POST', path: string, ids: readonly number[]) {
  const cookie = ids[0] === undefined ? undefined : cookies.get(ids[0])
  const answer = await app.ask(method, path, { cookie })
  const { error, executed } = answer.body ?? {}
  if (answer.status >= 400) {
    throw Object.assign(new Error(`${answer.status} ${error}`), { executed })
  }
  for (const id of ids) if (answer.cookie !== '') cookies.set(id, answer.cookie)
  return answer.body
}

await drill.checkOrders({
  insert: (id) => ask('POST', `/orders/${id}`, [id]),
  insertBoth: (first, second) => ask('POST', `/orders/${first}/${second}`, [first, second]),
  find: async (id) => (await ask('GET', `/orders/${id}`, [id])).order,
})
await end(app, 1_003)
await drill.finish()

import { setTimeout as sleep } from 'node:timers/promises'
import { UnknownTenantError } from '@poolhouse/core'
import { createManager, type Manager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import type { ClusterNode } from '@poolhouse/testkit'
import { mostSessionsDuring, sessionsOn, startServer } from './server.js'

const TENANTS = 200
const CONNECTIONS = 30

await main()
console.log('Everything is closed.')

async function main(): Promise<void> {
  await using started = await startServer(TENANTS)
  const { server } = started
  // A customer is looked up, never built from the text of a request.
  const directory = new Map(
    Array.from({ length: TENANTS }, (_, index) => [`customer-${index + 1}`, `tenant_${index + 1}`]),
  )
  await using manager = createManager({
    drivers: { pg: nodePostgres() },
    // The last of 600 requests waits for 200 new connections, which take seconds on a busy machine.
    databases: { app: { primary: server.url, pool: { acquireTimeoutMs: 30_000 } } },
    budget: { perServer: CONNECTIONS },
    tenants: {
      resolve: (id) => {
        const schema = directory.get(id)
        return schema === undefined ? undefined : { schema }
      },
      limits: { max: 6 },
      idleMs: 1_500,
    },
  })
  await serveEverybody(manager, server)
  await leaveThemAlone(manager, server)
  await beNoisy(manager)
  await refuseStrangers(manager, server)
}

/** Three requests of each tenant at once: far more tenants than connections. */
async function serveEverybody(manager: Manager, server: ClusterNode): Promise<void> {
  let answers = 0
  const began = performance.now()
  const most = await mostSessionsDuring(server, async () => {
    const requests = Array.from({ length: TENANTS * 3 }, async (_, index) => {
      const number = (index % TENANTS) + 1
      const { rows } = await manager
        .tenant(`customer-${number}`)
        .query('select tenant, sum(total)::int as total from invoices group by tenant')
      const own = rows.length === 1 && rows[0]?.['tenant'] === `tenant_${number}`
      if (!own) throw new Error(`customer-${number} saw ${JSON.stringify(rows)}`)
      answers += 1
    })
    await Promise.all(requests)
  })
  console.log(
    `everybody   ${answers} answers for ${TENANTS} tenants in ${Math.round(performance.now() - began)} ms, each saw its own rows alone`,
  )
  console.log(`            never more than ${most} sessions on the server, of ${CONNECTIONS}`)
  if (most > CONNECTIONS) throw new Error(`${most} sessions are more than the budget`)
}

/** Unused pools are closed, and their connections with them. */
async function leaveThemAlone(manager: Manager, server: ClusterNode): Promise<void> {
  const before = manager.stats().tenantPools
  const deadline = performance.now() + 10_000
  while (manager.stats().tenantPools > 0 && performance.now() < deadline) await sleep(50)
  const { tenantPools } = manager.stats()
  console.log(
    `eviction    ${before} tenants had pools; left alone, ${tenantPools} have them, with ${await sessionsOn(server)} sessions`,
  )
  if (tenantPools > 0) throw new Error('idle tenants keep their pools')
}

/** One tenant queues thousands of calls; another one asks as ever. */
async function beNoisy(manager: Manager): Promise<void> {
  const quiet = manager.tenant('customer-7')
  await quiet.query('select count(*) from invoices') // has a connection from now on
  const before = await percentile99(() => quiet.query('select count(*) from invoices'))
  const noisy = manager.tenant('customer-13')
  const noise = Array.from({ length: 900 }, () => noisy.query('select pg_sleep(0.01)'))
  const during = await percentile99(() => quiet.query('select count(*) from invoices'))
  const { leased = 0, pending = 0 } =
    manager.stats({ tenants: ['customer-13'] }).tenants['customer-13'] ?? {}
  console.log(`noisy       customer-13 has ${leased} connections and ${pending} calls waiting`)
  console.log(
    `            customer-7 alone: p99 ${before.toFixed(1)} ms; beside it: p99 ${during.toFixed(1)} ms`,
  )
  await Promise.all(noise)
}

/** Unknown ids cost a look-up and no connection. */
async function refuseStrangers(manager: Manager, server: ClusterNode): Promise<void> {
  const names = Array.from({ length: 1_000 }, (_, index) => `'; drop schema tenant_${index}; --`)
  const before = await sessionsOn(server)
  const outcomes = await Promise.allSettled(
    names.map((name) => manager.tenant(name).query('select 1')),
  )
  const refused = outcomes.filter(
    (outcome) => outcome.status === 'rejected' && outcome.reason instanceof UnknownTenantError,
  )
  console.log(
    `strangers   ${refused.length} of ${names.length} refused as unknown; ${before} sessions before, ${await sessionsOn(server)} after`,
  )
}

/** Of 200 calls, one every few milliseconds. */
async function percentile99(ask: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 200; round += 1) {
    const began = performance.now()
    await ask()
    times.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN
}

import { setTimeout as sleep } from 'node:timers/promises'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import { type Application, sessionsOf, startApplication, urlOf } from '../support/application.js'
import { startDrill } from '../support/drill.js'
import { bundle, type Format } from './bundle.js'

const FROZEN_MS = 5_000
/** The server ends a session that is idle for this long. */
const IDLE_LIMIT_MS = 1_000
const FORMATS: readonly Format[] = ['esm', 'cjs']
const ENDINGS: Readonly<Record<Format, string>> = { esm: 'mjs', cjs: 'cjs' }

await using drill = await startDrill(nodePostgres())
const { cluster } = drill
const { primary } = cluster
const acknowledged = new Set<number>()
const proxies: FaultProxy[] = []

// Coffee takes its time.
await primary.sql(
  "create function brew() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return new; end'",
)
await primary.sql(
  "create trigger brew before insert on orders for each row when (new.item = 'coffee') execute function brew()",
)

/** How a process loses its connections while it is frozen. */
interface Outage {
  /** What happens, for messages. */
  readonly name: string
  /** The function that is bundled. Default `function`. */
  readonly runs?: 'function-with-failover'
  /** Where it connects to, and how the connections are lost; by themselves if `lose` is missing. */
  open(application: string): Promise<{ url: string; lose?: () => unknown }>
  /** How long the process is frozen. Default 5 s. */
  readonly frozenMs?: number
  /** Whether a request is under way when the process is frozen. Its answer comes meanwhile. */
  readonly underWay?: boolean
  /** Longest time of the first request after the thaw. */
  readonly withinMs: number
}

const urlOfPrimary = (application: string) => `${primary.url}?application_name=${application}`

const idleLimit = async (application: string) => ({
  url: `${urlOfPrimary(application)}&options=-c%20idle_session_timeout%3D${IDLE_LIMIT_MS}`,
})

const throughProxy = (lose: 'reset' | 'forget') => async (application: string) => {
  const proxy = await startFaultProxy(primary.url)
  proxies.push(proxy)
  return { url: proxy.url(urlOfPrimary(application)), lose: () => proxy[lose]() }
}

const OUTAGES: readonly Outage[] = [
  { name: 'ended by the server', open: idleLimit, underWay: true, withinMs: 1_000 },
  {
    name: 'ended by the server, frozen for a moment',
    open: idleLimit,
    frozenMs: 2 * IDLE_LIMIT_MS,
    withinMs: 1_000,
  },
  { name: 'reset by a proxy', open: throughProxy('reset'), withinMs: 1_000 },
  // Nothing says that the line is gone: the pool waits a second for the answer to its ping.
  { name: 'forgotten by a proxy', open: throughProxy('forget'), underWay: true, withinMs: 2_500 },
]

let failover: Promise<unknown> | undefined
const FAILOVER: Outage = {
  name: 'failover',
  runs: 'function-with-failover',
  open: async (application) => ({
    url: urlOf(cluster, application),
    lose: () => {
      failover ??= drill.failover()
      return failover
    },
  }),
  withinMs: 2_500,
}

/** Sends a request, which must succeed. Returns how long it took, in milliseconds. */
async function invoke(app: Application, id: number, item = 'tea'): Promise<number> {
  const since = performance.now()
  const { status, body } = await app.ask('POST', '/', { body: { id, item } })
  if (status !== 200) throw new Error(`request ${id}: ${JSON.stringify(body)}`)
  acknowledged.add(id)
  return Math.round(performance.now() - since)
}

/** Freezes a process through an outage, and asks it as it is thawed. */
async function check(outage: Outage, format: Format, firstId: number): Promise<void> {
  const { runs = 'function', frozenMs = FROZEN_MS, underWay, withinMs } = outage
  const application = `frozen-${firstId}`
  const { url, lose } = await outage.open(application)
  const app = await startApplication(() => [`${runs}.${ENDINGS[format]}`], { DATABASE_URL: url })
  let id = firstId
  await app.until(200, 'POST', '/', { body: { id, item: 'tea' } })
  acknowledged.add(id)
  const before = await sessionsOf(cluster, application)
  const answered = underWay ? invoke(app, ++id, 'coffee') : undefined
  await sleep(100)
  app.process.kill('SIGSTOP')
  // The answer to the request under way arrives before the line is lost.
  await sleep(1_000)
  await lose?.()
  await sleep(frozenMs - 1_000)
  const asked = invoke(app, ++id)
  app.process.kill('SIGCONT')
  const tookMs = await asked
  await answered
  for (let more = 0; more < 5; more++) await invoke(app, ++id)
  const after = await sessionsOf(cluster, application)
  const label = `${outage.name} (${format})`
  if (after.every((session) => before.includes(session))) throw new Error(`${label}: nothing lost`)
  if (tookMs > withinMs) throw new Error(`${label}: the next request took ${tookMs} ms`)
  await app.terminate()
  console.log(`${label}: the next request took ${tookMs} ms`)
}

for (const format of FORMATS) {
  for (const name of ['function', 'function-with-failover']) {
    await bundle(name, format, `${name}.${ENDINGS[format]}`)
  }
}
let firstId = 0
const pairs = (outages: readonly Outage[]) =>
  outages.flatMap((outage) =>
    FORMATS.map((format) => {
      firstId += 100
      return check(outage, format, firstId)
    }),
  )
await Promise.all(pairs(OUTAGES))
await Promise.all(pairs([FAILOVER]))

const rows = await cluster.primary.sql<{ id: number; count: string }>(
  'select id, count(*) from orders group by id',
)
const doubled = rows.filter(({ count }) => count !== '1')
const stored = new Set(rows.map(({ id }) => id))
const lost = [...acknowledged].filter((id) => !stored.has(id))
if (doubled.length > 0 || lost.length > 0) {
  throw new Error(`lost ${lost}, stored twice ${doubled.map(({ id }) => id)}`)
}
console.log(`${acknowledged.size} requests, each stored once`)
await drill.finish(...proxies.map((proxy) => () => proxy.close()))

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { instrument, type Logger, logEvents } from '@poolhouse/otel'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { countOf, tellMetrics } from './metric-lines.js'
import { Pages } from './pages.js'
import { scrape, sumOf, tellScrape } from './scrape.js'
import { checkOrders, createTables, Load, openShop, REQUEST } from './shop.js'
import { type Trace, tellTrace, tracesOf } from './span-tree.js'
import { Telemetry } from './telemetry.js'
import { tell } from './tell.js'

const CALM_MS = 2_000
/** Time before the promotion, in place of the time that Patroni needs to notice and decide. */
const DECISION_MS = 400
const AFTER_MS = 1_500
/** Time between two failovers while the pages stay open. */
const NEXT_FAILOVER_MS = 20_000

/** Has the four methods that `logEvents` needs, as pino and winston do. Connections are no news. */
const logger: Logger = {
  debug: () => {},
  info: (message: string) => tell('log', `info   ${message}`),
  warn: (message: string) => tell('log', `warn   ${message}`),
  error: (message: string) => tell('log', `error  ${message}`),
}

const args = process.argv.slice(2).filter((argument) => argument !== '--')
const { values } = parseArgs({ args, options: { stay: { type: 'boolean', default: false } } })
await main(values.stay)
console.log('Everything is closed.')

async function main(stay: boolean): Promise<void> {
  await using cluster = await startCluster({ replicas: 2, synchronous: true })
  const telemetry = new Telemetry()
  await using db = openShop(cluster)
  const { stop } = instrument(db, { metrics: telemetry.producer })
  const stopLogging = logEvents(db, logger)
  const pages = await Pages.open(db)
  try {
    tell('dashboard', `${pages.address}/`)
    await createTables(db, cluster)
    const load = new Load(db)
    await show(cluster, telemetry, pages, load)
    if (stay) await stayOpen(cluster, telemetry, pages, load)
    await load.stop()
    await checkOrders(db, load.orders)
    tell('load', `${load}; each order was made once`)
  } finally {
    stopLogging()
    pages.close()
    await telemetry.close()
    stop()
  }
}

/** A calm while, a failover, and what is to be seen of both. */
async function show(
  cluster: Cluster,
  telemetry: Telemetry,
  pages: Pages,
  load: Load,
): Promise<void> {
  await sleep(CALM_MS)
  tell('load', `${load}`)
  tellTrace('trace', tracesOf(telemetry.spans, REQUEST).at(-1) ?? [])

  await failOver(cluster)
  await sleep(AFTER_MS)
  tellTrace('trace', heldOrder(tracesOf(telemetry.spans, REQUEST)))

  const exported = await telemetry.readMetrics()
  const nodes = new Map<unknown, string>(cluster.nodes.map(({ port, name }) => [port, name]))
  tellMetrics('metric', exported, (port) => nodes.get(port) ?? String(port))
  const scraped = await scrape(pages.address)
  tellScrape('scrape', scraped)

  const recorded = countOf(exported, 'poolhouse.failover.duration')
  const counted = sumOf(scraped, 'poolhouse_failovers_total')
  if (recorded === 0 || counted !== 1) {
    throw new Error(`one failover, but ${recorded} in the SDK and ${counted} in the scrape`)
  }
}

async function failOver(cluster: Cluster): Promise<void> {
  const old = cluster.primary
  tell('failover', `SIGKILL to ${old.name}, the primary`)
  await old.kill()
  await sleep(DECISION_MS)
  const next = await cluster.failover()
  tell('failover', `${next.name} was promoted, ${DECISION_MS} ms later`)
}

/** An order that waited for a primary. */
function heldOrder(traces: readonly Trace[]): Trace {
  const held = traces.find((trace) => trace.some(({ name }) => name === 'poolhouse.hold'))
  if (held === undefined) throw new Error('no order was held')
  return held
}

/** Goes on with the load, and with failovers, until Ctrl-C or a call that failed. */
async function stayOpen(
  cluster: Cluster,
  telemetry: Telemetry,
  pages: Pages,
  load: Load,
): Promise<void> {
  const interrupt = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort())
  load.ended.catch(() => interrupt.abort())
  const { signal } = interrupt
  tell('dashboard', `${pages.address}/ until Ctrl-C`)
  tell('scrape', `${pages.address}/metrics until Ctrl-C`)
  for (;;) {
    const dead = cluster.nodes.find(({ running }) => !running)
    await dead?.rejoinAs(cluster.primary)
    await sleep(NEXT_FAILOVER_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await failOver(cluster)
    telemetry.forgetSpans() // they are only kept for the traces above
  }
}

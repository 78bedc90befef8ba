import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { metricsHandler } from '@poolhouse/otel'
import { checkRules, startCluster, startPrometheus, testRules } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure-of.js'
import { until } from '../support/until.js'

const path = (name: string): string =>
  fileURLToPath(new URL(`../../docs/observability/${name}`, import.meta.url))
const DASHBOARD = JSON.parse(readFileSync(path('grafana.json'), 'utf8')) as {
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly { readonly expr: string }[]
  }[]
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
}
const METRIC = /\b(?:db_client|poolhouse)_\w+(?=[{[)\s])/g

/** A manager at work through a failover, and a Prometheus that scrapes it meanwhile. */
async function startScene() {
  const cluster = await startCluster({ replicas: 2, synchronous: false })
  await cluster.primary.sql('create database acme owner app')
  const manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: { nodes: cluster.nodes.map(({ url }) => url) } },
    budget: { perServer: 20 },
    tenants: { resolve: (id) => ({ on: 'app', database: id }) },
  })
  const metrics = metricsHandler(manager, { labels: { service: 'orders' } })
  const server = createServer(metrics as RequestListener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const prometheus = await startPrometheus({ ports: [(server.address() as AddressInfo).port] })
  let works = true
  const app = manager.database('app')
  const work = async (): Promise<void> => {
    for (let call = 0; works; call++) {
      await Promise.allSettled([
        app.query('select pg_sleep(0.002)'),
        app.reader().query('select 1'),
        manager.tenant('acme').query('select 2'),
        app.query('select nothing'),
      ])
      if (call % 20 === 0) await failureOf(app.query('select pg_sleep(1)', [], { timeoutMs: 20 }))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const worker = work()
  const end = async (): Promise<void> => {
    works = false
    await worker
    metrics.stop()
    await manager.close({ timeoutMs: 1_000 })
    await prometheus.stop()
    server.close()
    server.closeAllConnections()
    await cluster.stop()
  }
  return { cluster, manager, metrics, prometheus, end }
}

let scene: Awaited<ReturnType<typeof startScene>>

beforeAll(async () => {
  scene = await startScene()
  const { cluster, prometheus } = scene
  const scrapes = async (): Promise<number> =>
    (await prometheus.query('count_over_time(up[10m])'))[0]?.value ?? 0
  await until(async () => (await scrapes()) >= 5, 'Prometheus to scrape')
  await cluster.primary.kill()
  const holding = async (): Promise<boolean> =>
    (await prometheus.query('poolhouse_holding'))[0]?.value === 1
  await until(holding, 'the hold to be scraped')
  await cluster.failover()
  const failovers = async (): Promise<number> =>
    (await prometheus.query('poolhouse_failovers_total'))[0]?.value ?? 0
  await until(async () => (await failovers()) === 1, 'the failover to be scraped')
  const staleness = 'poolhouse_replica_staleness_seconds'
  await until(async () => (await prometheus.query(staleness)).length > 0, 'a replica that follows')
  const before = await scrapes()
  await until(async () => (await scrapes()) >= before + 3, 'work after the failover')
})

afterAll(async () => {
  await scene?.end()
})

describe('T124: metrics as a real Prometheus reads them', () => {
  it('shows what stats() says', async () => {
    const { manager, prometheus } = scene
    const [count] = await prometheus.query('sum(db_client_operation_duration_seconds_count)')
    const { count: now } = manager.database('app').stats().histograms.queryMs
    expect(count!.value).toBeGreaterThan(100)
    expect(count!.value).toBeLessThanOrEqual(now)
    const [max] = await prometheus.query('max(poolhouse_budget_limit)')
    expect(max!.value).toBe(20)
    const [up] = await prometheus.query('db_client_connection_max')
    expect(up!.labels).toMatchObject({ service: 'orders', database: 'app', job: 'poolhouse' })
  })

  it('answers every query of the dashboard', async () => {
    const { prometheus } = scene
    const expressions = DASHBOARD.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [title, expr] as const),
    )
    expect(expressions.length).toBeGreaterThan(30)
    const empty: string[] = []
    for (const [title, expr] of expressions) {
      const filled = expr.replaceAll('$__rate_interval', '1m').replaceAll('$database', '.*')
      const samples = await prometheus.query(filled)
      if (!samples.some(({ value }) => Number.isFinite(value))) empty.push(`${title}: ${filled}`)
    }
    expect(empty).toEqual([])
    for (const { expr } of DASHBOARD.annotations.list) await prometheus.query(expr)
  })

  it('the alert rules are valid, and name metrics that are there', async () => {
    expect(await checkRules(path('alerts.yml'))).toContain('SUCCESS')
    const text = await scene.metrics.metrics()
    const known = new Set(text.match(METRIC))
    const used = new Set(readFileSync(path('alerts.yml'), 'utf8').match(METRIC))
    expect(used.size).toBeGreaterThan(10)
    const labels = ['db_client_connection_pool_name', 'db_client_connection_state']
    expect([...used].filter((name) => !known.has(name) && !labels.includes(name))).toEqual([])
  })

  it('each alert rule fires on bad series, with its texts, and is silent on good ones', async () => {
    expect(await testRules(path('alerts.test.yml'))).toContain('SUCCESS')
    const rules = readFileSync(path('alerts.yml'), 'utf8').matchAll(/- alert: (\w+)/g)
    const names = [...rules].map(([, name]) => name).sort()
    expect(names.length).toBeGreaterThan(10)
    const [fire, silent] = [new Set<string>(), new Set<string>()]
    const tests = readFileSync(path('alerts.test.yml'), 'utf8')
    for (const [, name, found] of tests.matchAll(/alertname: (\w+),?\s+exp_alerts:(.*)/g)) {
      if (found!.includes('[]')) silent.add(name!)
      else fire.add(name!)
    }
    expect([...fire].sort()).toEqual(names)
    expect([...silent].sort()).toEqual(names)
  })
})

import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Cluster, type ClusterOptions, startCluster } from '@poolhouse/testkit'
import { Command, InvalidArgumentError } from 'commander'
import { oursAlone, withBase } from './base/against-base.js'
import { type BaseBuild, buildBase } from './base/base-build.js'
import { compatTasks } from './compat/tasks.js'
import type { Place } from './drivers/opening.js'
import { driverTasks, type PlaceName } from './drivers/tasks.js'
import { interleave, type Measurement } from './interleave.js'
import { poolTasks } from './pool/tasks.js'
import { poolVariants } from './pool/variants.js'
import { startRelay, startRelayProcess } from './query/start-relay.js'
import { queryTasks } from './query/tasks.js'
import { machine, printSummary, printTask, type TaskReport, taskReport } from './report.js'
import { routingTasks } from './routing/tasks.js'
import { tenantTasks } from './tenants/tasks.js'

interface BenchOptions {
  rounds: number
  only?: string
  json?: string
  peers: boolean
  base?: BaseBuild
}

type CommandOptions = Omit<BenchOptions, 'base'> & { base?: string }

type Plan = Readonly<Record<string, readonly Measurement[]>>

// Who is left out of what: lightning-pool never settles these.
const SKIPPED: Readonly<Record<string, readonly string[]>> = {
  '20000 time-outs': ['lightning-pool'],
}

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

function poolPlan(): Plan {
  return Object.fromEntries(
    Object.keys(poolTasks).map((task) => [
      task,
      Object.keys(poolVariants)
        .filter((variant) => !SKIPPED[task]?.includes(variant))
        .map((variant) => ({ task, variant, script: script('./pool/sample.js') })),
    ]),
  )
}

function queryPlan(near: string, far: string): Plan {
  return Object.fromEntries(
    Object.entries(queryTasks).map(([task, { variants, far: isFar }]) => [
      task,
      variants.map((variant) => ({
        task,
        variant,
        script: script('./query/sample.js'),
        env: { BENCH_URL: isFar === true ? far : near },
      })),
    ]),
  )
}

function driverPlan(places: Readonly<Record<PlaceName, Place>>): Plan {
  return Object.fromEntries(
    Object.entries(driverTasks).map(([task, { place, variants }]) => [
      task,
      variants.map((variant) => {
        const { url, ca } = places[place]
        return {
          task,
          variant,
          script: script('./drivers/sample.js'),
          env: { BENCH_URL: url, ...(ca !== undefined && { BENCH_CA: ca }) },
        }
      }),
    ]),
  )
}

function routingPlan(cluster: Cluster, relayed: string): Plan {
  const direct = cluster.nodes.map(({ url }) => url).join(' ')
  const through = `${cluster.primary.url} ${relayed}`
  return Object.fromEntries(
    Object.entries(routingTasks).map(([task, { variants, relayed: isRelayed }]) => [
      task,
      variants.map((variant) => ({
        task,
        variant,
        script: script('./routing/sample.js'),
        env: { BENCH_URLS: isRelayed ? through : direct },
      })),
    ]),
  )
}

function tenantPlan(url: string): Plan {
  return Object.fromEntries(
    Object.entries(tenantTasks).map(([task, { variants }]) => [
      task,
      variants.map((variant) => ({
        task,
        variant,
        script: script('./tenants/sample.js'),
        env: { BENCH_URL: url },
      })),
    ]),
  )
}

function compatPlan(url: string): Plan {
  return Object.fromEntries(
    Object.entries(compatTasks).map(([task, { variants }]) => [
      task,
      variants.map((variant) => ({
        task,
        variant,
        script: script('./compat/sample.js'),
        env: { BENCH_URL: url },
      })),
    ]),
  )
}

async function bench(name: string, plan: Plan, options: BenchOptions): Promise<void> {
  const { rounds, only = '', json = `${name}.json`, peers, base } = options
  const tasks: TaskReport[] = []
  for (const [task, measurements] of Object.entries(plan)) {
    if (!task.includes(only)) continue
    const chosen = peers ? measurements : oursAlone(measurements)
    if (chosen.length === 0) continue
    const turns = base === undefined ? chosen : withBase(chosen, base)
    const report = taskReport(task, await interleave(turns, rounds), base)
    printTask(report)
    tasks.push(report)
  }
  printSummary(tasks)
  const numbers = { machine: machine(), rounds, base: base?.commit, tasks }
  await writeFile(json, `${JSON.stringify(numbers, null, 2)}\n`)
  console.log(`\nwritten to ${json}`)
}

/** A server with the accounts that point queries look up. */
async function startServer(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster({
    replicas: 0,
    settings: { shared_buffers: '128MB', max_connections: 300 },
    ...options,
  })
  const { primary } = cluster
  await primary.sql('create table accounts (id int primary key, balance int not null)')
  await primary.sql('insert into accounts select n, n from generate_series(0, 9999) n')
  await primary.sql('analyze accounts')
  await primary.sql('grant all on accounts to app')
  return cluster
}

async function benchQuery(options: BenchOptions): Promise<void> {
  await using cluster = await startServer()
  const { url } = cluster.primary
  await using relay = await startRelay(script('./query/relay.js'), url, 1)
  await bench('query', queryPlan(url, relay.url), options)
}

async function benchDrivers(options: BenchOptions): Promise<void> {
  await using trust = await startServer()
  await using scram = await startServer({ auth: 'scram-sha-256' })
  await using tls = await startServer({ auth: 'scram-sha-256', tls: true })
  const place = ({ primary, ca }: Cluster): Place => ({ url: primary.url, ca })
  const places = { trust: place(trust), SCRAM: place(scram), 'TLS and SCRAM': place(tls) }
  await bench('drivers', driverPlan(places), options)
}

async function benchRouting(options: BenchOptions): Promise<void> {
  await using cluster = await startServer({ replicas: 2 })
  const [, ...replicas] = cluster.nodes.map(({ url }) => url)
  await using relay = await startRelayProcess(script('./routing/balancing-relay.js'), ...replicas)
  await bench('routing', routingPlan(cluster, relay.url), options)
}

async function benchCompat(options: BenchOptions): Promise<void> {
  await using cluster = await startServer()
  await bench('compat', compatPlan(cluster.primary.url), options)
}

async function benchTenants(options: BenchOptions): Promise<void> {
  await using cluster = await startServer()
  await bench('tenants', tenantPlan(cluster.primary.url), options)
}

const positive = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('must be a whole number of at least 1')
  return value
}

const program = new Command('bench').description(
  'Compares Poolhouse with its peers, interleaved in one run; prints medians, ratios and targets and writes JSON.',
)
const benches = {
  pool: (options: BenchOptions) => bench('pool', poolPlan(), options),
  query: benchQuery,
  drivers: benchDrivers,
  routing: benchRouting,
  tenants: benchTenants,
  compat: benchCompat,
}
for (const [name, run] of Object.entries(benches)) {
  program
    .command(name)
    .option('--rounds <n>', 'rounds; each variant runs once in each', positive, 5)
    .option('--only <text>', 'only tasks whose name contains this')
    .option('--json <file>', 'where to write the numbers')
    .option('--base <commit>', 'measures Poolhouse as of this commit too, taking turns')
    .option('--no-peers', 'measures Poolhouse alone')
    .action(async ({ base: commit, ...options }: CommandOptions) => {
      using base = commit === undefined ? undefined : await buildBase(commit)
      await run({ ...options, ...(base && { base }) })
    })
}
try {
  await program.parseAsync()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

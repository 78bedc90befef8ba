import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Cluster, type ClusterOptions, startCluster } from '@poolhouse/testkit'
import { Command, InvalidArgumentError } from 'commander'
import { oursAlone, withBase } from './base/against-base.js'
import { type BaseBuild, buildBase } from './base/base-build.js'
import { compatTasks } from './compat/tasks.js'
import type { Place } from './drivers/opening.js'
import { driverTasks, type PlaceName } from './drivers/tasks.js'
import { compareFirstWrites, firstWriteTables } from './first-write/compare.js'
import { interleave, type Measurement } from './interleave.js'
import { otelTargets, otelTasks } from './otel/tasks.js'
import { poolTasks } from './pool/tasks.js'
import { poolVariants } from './pool/variants.js'
import { ACCOUNTS } from './query/caller.js'
import { type Relay, startRelay, startRelayProcess } from './query/start-relay.js'
import { queryTasks } from './query/tasks.js'
import { machine, printSummary, printTargets, printTask, taskReport } from './report.js'
import { routingTasks } from './routing/tasks.js'
import { ROWS } from './rows/variants.js'
import { scaleTable } from './scale/table.js'
import { DATABASES, scaleTasks } from './scale/tasks.js'
import type { Target } from './target.js'
import type { TaskReport } from './task-report.js'
import { tenantTasks } from './tenants/tasks.js'
import { transactionTargets } from './transactions/targets.js'
import { AWAY_MS as TRANSACTIONS_AWAY_MS, transactionTasks } from './transactions/tasks.js'
import { laneTasks } from './whole/lane.js'
import { numbersTable, targetsTable } from './whole/table.js'
import { wholeTargets } from './whole/targets.js'
import { AWAY_MS, type WholeTask, wholeTasks } from './whole/tasks.js'

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

interface Planned {
  readonly variants: readonly string[]
  readonly withBase?: false
}

/** Each task with all of its variants; `env` tells their processes where the server is. */
function planOf<Task extends Planned>(
  tasks: Readonly<Record<string, Task>>,
  sample: string,
  env: (task: Task) => Readonly<Record<string, string>>,
): Plan {
  return Object.fromEntries(
    Object.entries(tasks).map(([name, task]) => [
      name,
      task.variants.map((variant) => ({
        task: name,
        variant,
        script: script(sample),
        env: env(task),
        ...(task.withBase === false && { withBase: false }),
      })),
    ]),
  )
}

function driverPlan(places: Readonly<Record<PlaceName, Place>>): Plan {
  return planOf(driverTasks, './drivers/sample.js', ({ place }) => {
    const { url, ca } = places[place]
    return { BENCH_URL: url, ...(ca !== undefined && { BENCH_CA: ca }) }
  })
}

function routingPlan(cluster: Cluster, relayed: string): Plan {
  const direct = cluster.nodes.map(({ url }) => url).join(' ')
  const through = `${cluster.primary.url} ${relayed}`
  return planOf(routingTasks, './routing/sample.js', ({ relayed: isRelayed }) => ({
    BENCH_URLS: isRelayed ? through : direct,
  }))
}

/** Tasks of which some are measured through the relay. */
function nearAndFar<Task extends { readonly variants: readonly string[]; readonly far?: boolean }>(
  tasks: Readonly<Record<string, Task>>,
  sample: string,
  near: string,
  far: string,
): Plan {
  return planOf(tasks, sample, ({ far: isFar }) => ({ BENCH_URL: isFar === true ? far : near }))
}

async function bench(
  name: string,
  plan: Plan,
  options: BenchOptions,
  table: readonly Target[] = [],
): Promise<void> {
  const tasks = await measure(plan, options, printTask)
  printSummary(tasks)
  if (table.length > 0) printTargets(table, tasks)
  await write(name, tasks, options)
}

/** Measures the tasks that `--only` chooses; each report is passed on as soon as it is there. */
async function measure(
  plan: Plan,
  { rounds, only = '', peers, base }: BenchOptions,
  onTask: (report: TaskReport) => void,
): Promise<TaskReport[]> {
  const tasks: TaskReport[] = []
  for (const [task, measurements] of Object.entries(plan)) {
    if (!task.includes(only)) continue
    const chosen = peers ? measurements : oursAlone(measurements)
    if (chosen.length === 0) continue
    const turns = base === undefined ? chosen : withBase(chosen, base)
    const report = taskReport(task, await interleave(turns, rounds), base)
    onTask(report)
    tasks.push(report)
  }
  return tasks
}

async function write(
  name: string,
  tasks: readonly TaskReport[],
  { rounds, json = `${name}.json`, base }: BenchOptions,
): Promise<void> {
  const numbers = { machine: machine(), rounds, base: base?.commit, tasks }
  await writeFile(json, `${JSON.stringify(numbers, null, 2)}\n`)
  console.log(`\nwritten to ${json}`)
}

const SETTINGS = { shared_buffers: '128MB', max_connections: 300 }

/** A server with the accounts that point queries look up. */
async function startServer(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster({
    replicas: 0,
    settings: SETTINGS,
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
  await bench('query', nearAndFar(queryTasks, './query/sample.js', url, relay.url), options)
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
  const env = { BENCH_URL: cluster.primary.url }
  await bench(
    'compat',
    planOf(compatTasks, './compat/sample.js', () => env),
    options,
  )
}

async function benchTenants(options: BenchOptions): Promise<void> {
  await using cluster = await startServer()
  const env = { BENCH_URL: cluster.primary.url }
  await bench(
    'tenants',
    planOf(tenantTasks, './tenants/sample.js', () => env),
    options,
  )
}

async function benchOtel(options: BenchOptions): Promise<void> {
  await using cluster = await startServer()
  const env = { BENCH_URL: cluster.primary.url }
  const plan = planOf(otelTasks, './otel/sample.js', () => env)
  await bench('otel', plan, options, otelTargets)
}

async function benchTransactions(options: BenchOptions): Promise<void> {
  await using cluster = await startServer({ settings: { ...SETTINGS, synchronous_commit: 'off' } })
  const { primary } = cluster
  // Room in each page, so that an update finds it there and the table stays as it is.
  const storage = 'with (fillfactor = 50, autovacuum_enabled = false)'
  await primary.sql(`create table pgbench_accounts (aid int primary key, bid int not null,
    abalance int not null, filler char(84) not null) ${storage}`)
  await primary.sql(`insert into pgbench_accounts select n, 1, 0, ''
    from generate_series(1, ${ACCOUNTS}) n`)
  await primary.sql(`create table orders as select n as id, 'order number ' || n as label,
    timestamptz '2026-11-30 09:00:00.123456+00' - n * interval '1 minute' as created_at,
    (n * 0.37)::numeric(12, 2) as amount, n % 3 = 0 as paid from generate_series(1, ${ROWS}) n`)
  await primary.sql('grant all on pgbench_accounts, orders to app')
  await primary.sql('vacuum (analyze) pgbench_accounts, orders')
  const { url } = primary
  await using relay = await startRelay(script('./query/relay.js'), url, TRANSACTIONS_AWAY_MS / 2)
  const plan = nearAndFar(transactionTasks, './transactions/sample.js', url, relay.url)
  await bench('transactions', plan, options, transactionTargets)
}

/** Runs `work` with the plan of these tasks, near the server and through the relays. */
async function withWholePlan(
  tasks: Readonly<Record<string, WholeTask>>,
  work: (plan: Plan) => Promise<void>,
): Promise<void> {
  await using cluster = await startServer()
  const { url } = cluster.primary
  const [near, far] = AWAY_MS
  const relay = (ms: number): Promise<Relay> => startRelay(script('./query/relay.js'), url, ms / 2)
  await using nearRelay = await relay(near)
  await using farRelay = await relay(far)
  const urls = new Map([
    [0, url],
    [near, nearRelay.url],
    [far, farRelay.url],
  ])
  const env = ({ awayMs = 0 }: WholeTask) => ({ BENCH_URL: urls.get(awayMs)! })
  await work(planOf(tasks, './whole/sample.js', env))
}

async function benchWhole(options: BenchOptions): Promise<void> {
  await withWholePlan(wholeTasks, async (plan) => {
    const tasks: TaskReport[] = []
    try {
      await measure(plan, options, (report) => {
        tasks.push(report)
        console.error(`measured ${report.task}`)
        for (const [variant, why] of Object.entries(report.leftOut)) {
          console.error(`left out ${variant}: ${why}`)
        }
      })
    } finally {
      // What was measured before a contender failed is not lost.
      console.log(`\n${numbersTable(tasks, options.base?.commit).join('\n')}`)
      console.log(`\n${targetsTable(wholeTargets, tasks).join('\n')}`)
      await write('whole', tasks, options)
    }
  })
}

async function benchLane(options: BenchOptions): Promise<void> {
  await withWholePlan(laneTasks, (plan) => bench('lane', plan, options))
}

/** The same work at a number and at ten times that number. */
async function benchScale(options: BenchOptions): Promise<void> {
  await using cluster = await startServer()
  const { primary, user } = cluster
  for (let index = 0; index < DATABASES; index++) {
    await primary.sql(`create database scale_${index} owner ${user}`)
  }
  const env = { BENCH_URL: primary.url }
  const plan = Object.entries(scaleTasks).map(([task, { least }]) => [
    task,
    [least, 10 * least].map((count) => ({
      task,
      variant: String(count),
      script: script('./scale/sample.js'),
      env,
      withBase: false as const,
    })),
  ])
  const tasks: TaskReport[] = []
  await measure(Object.fromEntries(plan), { ...options, peers: true }, (report) => {
    tasks.push(report)
    console.error(`measured ${report.task}`)
  })
  console.log(`\n${scaleTable(tasks).join('\n')}`)
  await write('scale', tasks, options)
}

/** Real clusters whose primary is killed: the time from the promotion to the first write. */
async function benchFirstWrite({
  rounds,
  only = '',
  json = 'first-write.json',
}: BenchOptions): Promise<void> {
  const clusters = await compareFirstWrites(script('./first-write/sample.js'), rounds, only)
  console.log(`\n${firstWriteTables(clusters).join('\n')}`)
  const numbers = { machine: machine(), rounds, clusters }
  await writeFile(json, `${JSON.stringify(numbers, null, 2)}\n`)
  console.log(`written to ${json}`)
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
const DEFAULT_BENCH = 'whole'
const benches = {
  [DEFAULT_BENCH]: benchWhole,
  pool: (options: BenchOptions) => bench('pool', poolPlan(), options),
  query: benchQuery,
  drivers: benchDrivers,
  routing: benchRouting,
  tenants: benchTenants,
  compat: benchCompat,
  transactions: benchTransactions,
  lane: benchLane,
  otel: benchOtel,
  scale: benchScale,
  'first-write': benchFirstWrite,
}
for (const [name, run] of Object.entries(benches)) {
  program
    .command(name, { isDefault: name === DEFAULT_BENCH })
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

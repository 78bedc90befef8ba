import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { startCluster } from '@poolhouse/testkit'
import { Command, InvalidArgumentError } from 'commander'
import { interleave, type Measurement } from './interleave.js'
import { poolTasks } from './pool/tasks.js'
import { poolVariants } from './pool/variants.js'
import { queryTasks } from './query/tasks.js'
import { machine, printSummary, printTask, type TaskReport, taskReport } from './report.js'

interface BenchOptions {
  rounds: number
  only?: string
  json?: string
}

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

function queryPlan(url: string): Plan {
  return Object.fromEntries(
    Object.entries(queryTasks).map(([task, { variants }]) => [
      task,
      variants.map((variant) => ({
        task,
        variant,
        script: script('./query/sample.js'),
        env: { BENCH_URL: url },
      })),
    ]),
  )
}

async function bench(name: string, plan: Plan, options: BenchOptions): Promise<void> {
  const { rounds, only = '', json = `${name}.json` } = options
  const tasks: TaskReport[] = []
  for (const [task, measurements] of Object.entries(plan)) {
    if (!task.includes(only)) continue
    const report = taskReport(task, await interleave(measurements, rounds))
    printTask(report)
    tasks.push(report)
  }
  printSummary(tasks)
  await writeFile(json, `${JSON.stringify({ machine: machine(), rounds, tasks }, null, 2)}\n`)
  console.log(`\nwritten to ${json}`)
}

async function benchQuery(options: BenchOptions): Promise<void> {
  await using cluster = await startCluster({ replicas: 0, settings: { shared_buffers: '128MB' } })
  await cluster.primary.sql('create table accounts (id int primary key, balance int not null)')
  await cluster.primary.sql('insert into accounts select n, n from generate_series(0, 9999) n')
  await cluster.primary.sql('analyze accounts')
  await cluster.primary.sql('grant all on accounts to app')
  await bench('query', queryPlan(cluster.primary.url), options)
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
}
for (const [name, run] of Object.entries(benches)) {
  program
    .command(name)
    .option('--rounds <n>', 'rounds; each variant runs once in each', positive, 5)
    .option('--only <text>', 'only tasks whose name contains this')
    .option('--json <file>', 'where to write the numbers')
    .action(run)
}
await program.parseAsync()

import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { startCluster } from '@poolhouse/testkit'
import { Command, InvalidArgumentError } from 'commander'
import { interleave } from './interleave.js'
import { poolTasks } from './pool/tasks.js'
import { poolVariants } from './pool/variants.js'
import { queryVariants } from './query/variants.js'
import { machine, printTask, type TaskReport, taskReport } from './report.js'

// pg-pool and lightning-pool are left out where they take minutes or never settle.
const SKIPPED: Readonly<Record<string, readonly string[]>> = {
  '20000 time-outs': ['lightning-pool'],
}
const QUERY_TASKS = [
  'point query, 1 caller',
  'point query, 10 callers',
  'point query, 100 callers',
  'unique violations, 10 callers',
]

interface BenchOptions {
  rounds: number
  only?: string
  json?: string
}

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

async function finish(name: string, tasks: TaskReport[], options: BenchOptions): Promise<void> {
  const file = options.json ?? `${name}.json`
  await writeFile(
    file,
    `${JSON.stringify({ machine: machine(), rounds: options.rounds, tasks }, null, 2)}\n`,
  )
  console.log(`\nwritten to ${file}`)
}

async function benchPool(options: BenchOptions): Promise<void> {
  const tasks: TaskReport[] = []
  for (const task of Object.keys(poolTasks)) {
    if (options.only !== undefined && !task.includes(options.only)) continue
    const variants = Object.keys(poolVariants).filter(
      (variant) => !SKIPPED[task]?.includes(variant),
    )
    const medians = await interleave(
      variants.map((variant) => ({ task, variant, script: script('pool/sample.ts') })),
      options.rounds,
    )
    const report = taskReport(task, medians)
    printTask(report)
    tasks.push(report)
  }
  await finish('pool', tasks, options)
}

async function benchQuery(options: BenchOptions): Promise<void> {
  await using cluster = await startCluster({ replicas: 0, settings: { shared_buffers: '128MB' } })
  await cluster.primary.sql('create table accounts (id int primary key, balance int not null)')
  await cluster.primary.sql('insert into accounts select n, n from generate_series(0, 9999) n')
  await cluster.primary.sql('grant all on accounts to app')
  const tasks: TaskReport[] = []
  for (const task of QUERY_TASKS) {
    if (options.only !== undefined && !task.includes(options.only)) continue
    const medians = await interleave(
      Object.keys(queryVariants).map((variant) => ({
        task,
        variant,
        script: script('query/sample.ts'),
        env: { BENCH_URL: cluster.primary.url },
      })),
      options.rounds,
    )
    const report = taskReport(task, medians)
    printTask(report)
    tasks.push(report)
  }
  await finish('query', tasks, options)
}

const positive = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('must be a whole number of at least 1')
  return value
}

const program = new Command('bench').description(
  'Compares Poolhouse with its peers, interleaved in one run; prints medians and ratios and writes JSON.',
)
const benches = { pool: benchPool, query: benchQuery }
for (const [name, bench] of Object.entries(benches)) {
  program
    .command(name)
    .option('--rounds <n>', 'rounds; each variant runs once in each', positive, 5)
    .option('--only <text>', 'only tasks whose name contains this')
    .option('--json <file>', 'where to write the numbers')
    .action((options: BenchOptions) => bench(options))
}
await program.parseAsync()

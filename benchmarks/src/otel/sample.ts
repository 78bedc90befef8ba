import { otelTasks } from './tasks.js'

// One measurement in a process of its own: node … sample.js <task> <variant>, the server in
// BENCH_URL.
const [task, variant] = process.argv.slice(2)
const sample = await otelTasks[task!]!.measure(variant!, process.env['BENCH_URL']!)
process.stdout.write(JSON.stringify(sample))
process.exit(0)

import { driverTasks } from './tasks.js'

// One measurement in a process of its own: node … sample.js <task> <variant>, the server in
// BENCH_URL and, for TLS, BENCH_CA.
const [task, variant] = process.argv.slice(2)
const { BENCH_URL, BENCH_CA } = process.env
const place = { url: BENCH_URL!, ca: BENCH_CA }
const sample = await driverTasks[task!]!.measure(variant!, place)
process.stdout.write(JSON.stringify(sample))
process.exit(0)

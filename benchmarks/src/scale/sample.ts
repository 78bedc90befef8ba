import { scaleTasks } from './tasks.js'

// One measurement in a process of its own: node … sample.js <task> <count>, the server in
// BENCH_URL.
const [task, count] = process.argv.slice(2)
const sample = await scaleTasks[task!]!.measure(Number(count), process.env['BENCH_URL']!)
process.stdout.write(JSON.stringify(sample))
process.exit(0)

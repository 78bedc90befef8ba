import { routingTasks } from './tasks.js'

// One measurement in a process of its own: node … sample.js <task> <variant>, the servers in
// BENCH_URLS, the primary first.
const [task, variant] = process.argv.slice(2)
const urls = process.env['BENCH_URLS']!.split(' ')
const sample = await routingTasks[task!]!.measure(variant!, urls)
process.stdout.write(JSON.stringify(sample))
process.exit(0)

import { leftOutNote } from '../left-out.js'
import { laneTasks } from './lane.js'
import { wholeTasks } from './tasks.js'

// One measurement in a process of its own: node … sample.js <task> <variant>, the server in
// BENCH_URL.
const [task, variant] = process.argv.slice(2)
const { BENCH_URL } = process.env
const tasks = { ...wholeTasks, ...laneTasks }
const sample = await tasks[task!]!.measure(variant!, BENCH_URL!).catch(leftOutNote)
process.stdout.write(JSON.stringify(sample))
process.exit(0)

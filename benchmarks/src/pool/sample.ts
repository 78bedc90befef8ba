import { poolTasks } from './tasks.js'

// One measurement in a process of its own: node … sample.ts <task> <variant>
const [task, variant] = process.argv.slice(2)
const sample = await poolTasks[task!]!(variant!)
process.stdout.write(JSON.stringify(sample))
process.exit(0)

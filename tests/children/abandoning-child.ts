// Run as a process of its own, with --expose-gc: reads one row of a stream and forgets the stream,
// so that no code can end it any more.
import { createPool, type LeakEvent } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { say } from './say.js'

const [, , url, name] = process.argv
const pool = createPool({ driver: driverNamed(name), connection: url!, max: 1 })
let leak: LeakEvent | undefined
const leaked = new Promise<void>((resolve) => {
  pool.on('leak', (event) => {
    leak = event
    resolve()
  })
})

async function forget(): Promise<void> {
  await pool.stream('select n from generate_series(1, 1000) as n', [], { batchSize: 10 }).next()
}

await forget()
// Leases are put under the collector's watch when they have survived a round of maintenance.
const collecting = setInterval(() => gc!(), 50)
await leaked
clearInterval(collecting)
const { rows } = await pool.query('select 1 as one')
const { created, leaks } = pool.stats().counters
say(JSON.stringify({ collected: leak?.collected, rows, created, leaks }))
await pool.close()

// Run as a process of its own, to close its pool during an outage: connections are leased, busy and
// being waited for.
import { createPool } from '@poolhouse/core'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { driverNamed } from '../support/drivers.js'
import { outcomeOf } from '../support/outcome-of.js'
import { resources } from '../support/resources.js'
import { say } from './say.js'

const pool = createPool({
  driver: driverNamed(process.argv[3]),
  connection: process.argv[2]!,
  max: 4,
})
await pool.warm(4)
const lease = await pool.acquire()
await lease.query('begin')
const transaction = pool.transaction(async (tx) => {
  await tx.query('select pg_sleep(30)')
})
const calls = [
  transaction,
  pool.query('select pg_sleep(30)'),
  pool.query('select pg_sleep(30)'),
  ...Array.from({ length: 100 }, () => pool.query('select 1')),
]
const outcomes = calls.map(outcomeOf)

// A signal handler does not keep a process alive; what waits does.
process.once('SIGUSR2', () => void end())
say('ready')

async function end(): Promise<void> {
  const watch = new Stopwatch()
  const held = outcomeOf(lease.query('commit'))
  await pool.close({ timeoutMs: 300 })
  const closeMs = watch.elapsedMs
  watch[Symbol.dispose]()
  const settled = (await Promise.all([...outcomes, held])).length
  const { total, pending } = pool.stats()
  say(JSON.stringify({ settled, closeMs, total, pending, resources: await resources() }))
}

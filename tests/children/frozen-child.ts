// Run as a process of its own, to be frozen: one call is in flight, three connections are idle. The
// timer fires first after the thaw, before the event loop has read what happened to the sockets,
// and asks for all connections at once.
import { createPool } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { outcomeOf } from '../support/outcome-of.js'
import { say } from './say.js'

const pool = createPool({
  driver: driverNamed(process.argv[3]),
  connection: process.argv[2]!,
  name: 'frozen',
  max: 4,
})

await pool.warm(4)
const inFlight = [outcomeOf(pool.query('select pg_sleep(60)'))]
let last = performance.now()
const timer = setInterval(() => {
  const now = performance.now()
  const frozen = now - last > 3_000
  last = now
  if (!frozen) return
  clearInterval(timer)
  void report([1, 2, 3].map(() => outcomeOf(pool.query('select 1'))))
}, 20)
say('ready')

async function report(after: Promise<string>[]): Promise<void> {
  const { created } = pool.stats().counters
  say(
    JSON.stringify({
      inFlight: await Promise.all(inFlight),
      after: await Promise.all(after),
      created,
    }),
  )
  await pool.close()
}

// Run as a process of its own, to be ended by SIGTERM in the middle of its work.
import { createPool } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { outcomeOf } from '../support/outcome-of.js'
import { resources } from '../support/resources.js'
import { say } from './say.js'

const pool = createPool({
  driver: driverNamed(process.argv[3]),
  connection: process.argv[2]!,
  max: 2,
})
await pool.warm(2)
const transaction = outcomeOf(
  pool.transaction(async (tx) => {
    await tx.query('select pg_sleep(0.7)')
    await tx.query('select 1')
  }),
)
const statement = outcomeOf(pool.query('select pg_sleep(0.7)'))
const waiting = [1, 2, 3].map(() => outcomeOf(pool.query('select 1')))

process.once('SIGTERM', () => void end())
say('ready')

async function end(): Promise<void> {
  const closed = pool.close()
  const later = await outcomeOf(pool.query('select 1'))
  await closed
  const report = {
    transaction: await transaction,
    statement: await statement,
    waiting: await Promise.all(waiting),
    later,
    total: pool.stats().total,
  }
  say(JSON.stringify({ ...report, resources: await resources() }))
}

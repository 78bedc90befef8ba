// Run as a separate process: one call through a failover pool that is never closed. The process
// must end by itself.
import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { driverNamed } from '../../support/drivers.js'

const [, , name, ...urls] = process.argv
const driver = driverNamed(name)
const pools = urls.map((connection, index) => createPool({ driver, connection, name: `n${index}` }))
const pool = withFailover(pools, { probe: { intervalMs: 250 }, hold: { timeoutMs: 700 } })
const outcome = await pool.query('select 1').then(
  ({ node }) => `served by ${node}`,
  (error: Error) => error.name,
)
process.stdout.write(outcome)

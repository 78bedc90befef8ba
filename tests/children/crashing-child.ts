// Run as a process of its own: no handler catches that the password is refused, so that Node.js
// shows the error and ends.
import { createPool } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'

const [, , url, name] = process.argv
const pool = createPool({ driver: driverNamed(name), connection: url!, acquireTimeoutMs: 5_000 })
await pool.query('select 1')

// Run as a process of its own: uses a pool and forgets it.
import { createPool } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { say } from './say.js'

const pool = createPool({
  driver: driverNamed(process.argv[3]),
  connection: process.argv[2]!,
  max: 3,
  min: 1,
})
await Promise.all([1, 2, 3].map(() => pool.query('select 1')))
say('done')

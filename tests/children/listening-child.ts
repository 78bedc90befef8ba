// Run as a process of its own: has nothing to do but wait for a notification, and forgets its pool
// after it.
import { createPool } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { say } from './say.js'

const pool = createPool({ driver: driverNamed(process.argv[3]), connection: process.argv[2]! })
const subscription = await pool.listen('end', (payload) => {
  say(`heard ${payload}`)
  void subscription.close().then(() => say('closed'))
})
say('listening')

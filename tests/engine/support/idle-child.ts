// Run as a process of its own: uses a pool and forgets it.
import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { say } from './say.js'

const pool = createPool({ driver: nodePostgres(), connection: process.argv[2]!, max: 3, min: 1 })
await Promise.all([1, 2, 3].map(() => pool.query('select 1')))
say('done')

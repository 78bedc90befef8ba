import { EventEmitter } from 'node:events'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { Logger, run, type WorkerEvents } from 'graphile-worker'
import { routedPool } from '../support/routed-pool.js'

/** Long enough that jobs that are done sooner were announced by a notification. */
const POLL_MS = 8_000

const servers = process.argv.slice(2).map((url) => ({ name: new URL(url).port, url }))

// Instead of `connectionString`. graphile-worker asks for the two listeners.
const pgPool = createPgPool(routedPool(servers, nodePostgres()))
pgPool.on('error', () => {})
pgPool.on('connect', (client) => client.on('error', () => {}))

const events: WorkerEvents = new EventEmitter()
events.on('worker:create', ({ worker }) => process.send?.({ worker: worker.workerId }))
// Jobs that are fetched ahead are locked by the pool of the workers.
events.on('pool:create', ({ workerPool }) => process.send?.({ worker: workerPool.id }))
events.on('pool:listen:error', () => process.send?.({ gap: true }))
events.on('pool:listen:success', () => process.send?.({ subscribed: true }))
// What became of its job is not known: with any pool the worker ends now.
events.on('worker:fatalError', () => process.exit(1))

const insert = 'insert into orders (id, item) values ($1, $2)'
const runner = await run({
  pgPool,
  events,
  concurrency: 4,
  pollInterval: POLL_MS,
  noHandleSignals: true,
  logger: new Logger(() => () => {}),
  taskList: {
    order: async (payload) => {
      await pgPool.query(insert, [(payload as { id: number }).id, 'tea'])
    },
  },
})
await runner.promise
process.exit(1)

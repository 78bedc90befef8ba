import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import knex from 'knex'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `connection: url`. Knex takes a client for each query, so only a lazy one can read
// from a replica; its `stream` releases a client twice, with a pool of `pg` as well.
const pool = createPgPool(drill.db, { checkout: 'lazy', doubleRelease: 'warn' })
const db = knex({ client: 'pg', connectionPool: pool })

await drill.checkOrders({
  insert: (id) => db('orders').insert({ id, item: 'tea' }),
  insertBoth: (first, second) =>
    db.transaction(async (trx) => {
      await trx('orders').insert({ id: first, item: 'tea' })
      await trx('orders').insert({ id: second, item: 'milk' })
    }),
  find: (id) => db('served_orders').where({ id }).first('served_on as servedOn'),
})

let streamed = 0
for await (const _ of db('orders').select('*').stream()) streamed++
await drill.checkStreamed(streamed)
await drill.finish(
  () => db.destroy(),
  () => pool.end(),
)

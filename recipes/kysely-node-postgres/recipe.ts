import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { type Generated, Kysely, PostgresDialect } from 'kysely'
import Cursor from 'pg-cursor'
import { startDrill } from '../support/drill.js'

interface Tables {
  orders: { id: number; item: string; written_on: Generated<number> }
  served_orders: { id: number; item: string; served_on: number }
}

await using drill = await startDrill(nodePostgres())

// Instead of `pool: new pg.Pool({ connectionString })`. Kysely takes a client for each query, so
// only a lazy one can read from a replica.
const pool = createPgPool(drill.db, { checkout: 'lazy' })
const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool, cursor: Cursor }) })

await drill.checkOrders({
  insert: (id) => db.insertInto('orders').values({ id, item: 'tea' }).execute(),
  insertBoth: (first, second) =>
    db.transaction().execute(async (tx) => {
      await tx.insertInto('orders').values({ id: first, item: 'tea' }).execute()
      await tx.insertInto('orders').values({ id: second, item: 'milk' }).execute()
    }),
  find: (id) =>
    db
      .selectFrom('served_orders')
      .where('id', '=', id)
      .select('served_on as servedOn')
      .executeTakeFirst(),
})

let streamed = 0
for await (const _ of db.selectFrom('orders').selectAll().stream(10)) streamed++
await drill.checkStreamed(streamed)
await drill.finish(() => db.destroy())

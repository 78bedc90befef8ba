import { postgresJs } from '@poolhouse/postgres-js'
import { createRoutedSql } from '@poolhouse/postgres-js/compat'
import { type Generated, Kysely } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { startDrill } from '../support/drill.js'

interface Tables {
  orders: { id: number; item: string; written_on: Generated<number> }
  served_orders: { id: number; item: string; served_on: number }
}

await using drill = await startDrill(postgresJs())

// Instead of `postgres: postgres(url)`. Kysely reserves a connection for each query, so only a lazy
// one can read from a replica.
const db = new Kysely<Tables>({
  dialect: new PostgresJSDialect({ postgres: createRoutedSql(drill.db, { checkout: 'lazy' }) }),
})

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
await drill.finish(() => db.destroy())

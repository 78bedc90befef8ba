import { postgresJs } from '@poolhouse/postgres-js'
import { createRoutedSql } from '@poolhouse/postgres-js/compat'
import { eq } from 'drizzle-orm'
import { integer, pgTable, pgView, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { startDrill } from '../support/drill.js'

const orders = pgTable('orders', { id: integer().notNull(), item: text().notNull() })
const served = pgView('served_orders', {
  id: integer().notNull(),
  servedOn: integer('served_on').notNull(),
}).existing()

await using drill = await startDrill(postgresJs())

// Instead of `drizzle(postgres(url))`:
const sql = createRoutedSql(drill.db)
const db = drizzle({ client: sql })

await drill.checkOrders({
  insert: (id) => db.insert(orders).values({ id, item: 'tea' }),
  insertBoth: (first, second) =>
    db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: first, item: 'tea' })
      await tx.insert(orders).values({ id: second, item: 'milk' })
    }),
  find: async (id) => (await db.select().from(served).where(eq(served.id, id)))[0],
})
await drill.finish(() => sql.end())

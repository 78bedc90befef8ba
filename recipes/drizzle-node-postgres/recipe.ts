import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, pgView, text } from 'drizzle-orm/pg-core'
import { startDrill } from '../support/drill.js'

const orders = pgTable('orders', { id: integer().notNull(), item: text().notNull() })
const served = pgView('served_orders', {
  id: integer().notNull(),
  servedOn: integer('served_on').notNull(),
}).existing()

await using drill = await startDrill(nodePostgres())

// Instead of `drizzle(new pg.Pool({ connectionString }))`:
const pool = createPgPool(drill.db)
const db = drizzle({ client: pool })

await drill.checkOrders({
  insert: (id) => db.insert(orders).values({ id, item: 'tea' }),
  insertBoth: (first, second) =>
    db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: first, item: 'tea' })
      await tx.insert(orders).values({ id: second, item: 'milk' })
    }),
  find: async (id) => (await db.select().from(served).where(eq(served.id, id)))[0],
})
await drill.finish(() => pool.end())

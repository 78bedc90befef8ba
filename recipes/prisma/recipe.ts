import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { PrismaPg } from '@prisma/adapter-pg'
import { startDrill } from '../support/drill.js'
import { PrismaClient } from './generated/client.mjs'

await using drill = await startDrill(nodePostgres())

// Instead of `new PrismaPg({ connectionString })`:
const pool = createPgPool(drill.db)
const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })

await drill.checkOrders({
  insert: (id) => prisma.order.create({ data: { id, item: 'tea' } }),
  insertBoth: (first, second) =>
    prisma.$transaction(async (tx) => {
      await tx.order.create({ data: { id: first, item: 'tea' } })
      await tx.order.create({ data: { id: second, item: 'milk' } })
    }),
  find: (id) => prisma.servedOrder.findUnique({ where: { id } }),
})
await drill.finish(
  () => prisma.$disconnect(),
  () => pool.end(),
)

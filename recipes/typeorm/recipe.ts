import 'reflect-metadata'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import { DataSource, EntitySchema } from 'typeorm'
import { startDrill } from '../support/drill.js'

const Order = new EntitySchema<{ id: number; item: string }>({
  name: 'Order',
  tableName: 'orders',
  columns: { id: { type: 'int', primary: true }, item: { type: 'text' } },
})
const ServedOrder = new EntitySchema<{ id: number; servedOn: number }>({
  name: 'ServedOrder',
  tableName: 'served_orders',
  columns: { id: { type: 'int', primary: true }, servedOn: { type: 'int', name: 'served_on' } },
})

await using drill = await startDrill(nodePostgres())

// Instead of `url`. TypeORM builds its pool from a module, and takes a client for each query.
const pool = createPgPool(drill.db, { checkout: 'lazy' })
const source = new DataSource({
  type: 'postgres',
  driver: {
    ...pg,
    native: undefined,
    Pool: function Pool() {
      return pool
    },
  },
  entities: [Order, ServedOrder],
})
await source.initialize()

await drill.checkOrders({
  insert: (id) => source.getRepository(Order).insert({ id, item: 'tea' }),
  insertBoth: (first, second) =>
    source.transaction(async (manager) => {
      await manager.insert(Order, { id: first, item: 'tea' })
      await manager.insert(Order, { id: second, item: 'milk' })
    }),
  find: (id) => source.getRepository(ServedOrder).findOneBy({ id }),
})
await drill.finish(() => source.destroy())

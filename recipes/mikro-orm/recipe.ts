import { EntitySchema } from '@mikro-orm/core'
import { knex, MikroORM, PostgreSqlKnexDialect } from '@mikro-orm/postgresql'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { startDrill } from '../support/drill.js'

const Order = new EntitySchema<{ id: number; item: string }>({
  name: 'Order',
  tableName: 'orders',
  properties: { id: { type: 'integer', primary: true }, item: { type: 'text' } },
})
const ServedOrder = new EntitySchema<{ id: number; servedOn: number }>({
  name: 'ServedOrder',
  tableName: 'served_orders',
  properties: {
    id: { type: 'integer', primary: true },
    servedOn: { type: 'integer', fieldName: 'served_on' },
  },
})

await using drill = await startDrill(nodePostgres())

// MikroORM 6 runs on Knex, which takes a pool since 3.3: see `overrides` in package.json.
const pool = createPgPool(drill.db, { checkout: 'lazy', doubleRelease: 'warn' })
const orm = await MikroORM.init({
  dbName: 'app',
  driverOptions: knex({ client: PostgreSqlKnexDialect as never, connectionPool: pool }),
  entities: [Order, ServedOrder],
})

await drill.checkOrders({
  insert: (id) => orm.em.fork().insert(Order, { id, item: 'tea' }),
  insertBoth: (first, second) =>
    orm.em.fork().transactional(async (em) => {
      await em.insert(Order, { id: first, item: 'tea' })
      await em.insert(Order, { id: second, item: 'milk' })
    }),
  find: (id) => orm.em.fork().findOne(ServedOrder, { id }),
})
await drill.finish(
  () => orm.close(),
  () => pool.end(),
)

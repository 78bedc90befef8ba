import { nodePostgres } from '@poolhouse/node-postgres'
import { Client } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import { DataTypes, type Model, Sequelize } from 'sequelize'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Sequelize opens its own connections: `app.primary` and `app.replica` are names that the bound
// class looks up each time one of them is opened.
const sequelize = new Sequelize('app', 'app', undefined, {
  dialect: 'postgres',
  dialectModule: { ...pg, native: undefined, Client: Client.bind({ app: drill.db }) },
  replication: { write: { host: 'app.primary' }, read: [{ host: 'app.replica' }] },
  logging: false,
})
const orderColumns = { id: { type: DataTypes.INTEGER, primaryKey: true }, item: DataTypes.TEXT }
const Order = sequelize.define('Order', orderColumns, { tableName: 'orders', timestamps: false })
const ServedOrder = sequelize.define<Model<{ id: number; servedOn: number }>>(
  'ServedOrder',
  {
    id: { type: DataTypes.INTEGER, primaryKey: true },
    servedOn: { type: DataTypes.INTEGER, field: 'served_on' },
  },
  { tableName: 'served_orders', timestamps: false },
)

await drill.checkOrders({
  insert: (id) => Order.create({ id, item: 'tea' }),
  insertBoth: (first, second) =>
    sequelize.transaction(async (transaction) => {
      await Order.create({ id: first, item: 'tea' }, { transaction })
      await Order.create({ id: second, item: 'milk' }, { transaction })
    }),
  find: async (id) => (await ServedOrder.findByPk(id))?.get(),
  // What Sequelize has for this: its replicas know nothing of what it wrote.
  findOwn: (id) => ServedOrder.findByPk(id, { useMaster: true }),
})
await drill.finish(() => sequelize.close())

import fastifyPostgres from '@fastify/postgres'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import fastify from 'fastify'
import pg from 'pg'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `{ connectionString }`. The plugin builds its pool from a module.
const pool = createPgPool(drill.db)
const app = fastify()
const Pool = function Pool() {
  return pool
} as unknown as typeof pg.Pool
await app.register(fastifyPostgres, { pg: { ...pg, Pool } })

const insert = 'insert into orders (id, item) values ($1, $2)'
const find = 'select served_on as "servedOn" from served_orders where id = $1'

app.post<{ Params: { id: string } }>('/orders/:id', async ({ params: { id } }) => {
  await app.pg.query(insert, [id, 'tea'])
  return {}
})
app.post<{ Params: { first: string; second: string } }>(
  '/orders/:first/:second',
  async ({ params: { first, second } }) => {
    await app.pg.transact(async (client) => {
      await client.query(insert, [first, 'tea'])
      await client.query(insert, [second, 'milk'])
    })
    return {}
  },
)
app.get<{ Params: { id: string } }>('/orders/:id', async ({ params: { id } }) => {
  const { rows } = await app.pg.query(find, [id])
  return rows[0] ?? null
})

async function request(method: 'GET' | 'POST', url: string) {
  const answer = await app.inject({ method, url })
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${answer.body}`)
  return answer.json()
}

await drill.checkOrders({
  insert: (id) => request('POST', `/orders/${id}`),
  insertBoth: (first, second) => request('POST', `/orders/${first}/${second}`),
  find: (id) => request('GET', `/orders/${id}`),
})
await drill.finish(() => app.close())

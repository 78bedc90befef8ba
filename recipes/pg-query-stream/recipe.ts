import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import QueryStream from 'pg-query-stream'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `new pg.Pool({ connectionString })`. A stream goes to the primary, whatever its text:
// what may be read on a replica gets a pool of its own, which sees what the session has written.
const session = drill.db.session()
const pool = createPgPool(session)
const reader = createPgPool(session.reader())

async function rowsOf(text: string, values: unknown[]): Promise<{ servedOn: number }[]> {
  const client = await reader.connect()
  try {
    const stream = client.query(new QueryStream(text, values, { batchSize: 10 }))
    return await stream.toArray()
  } finally {
    client.release()
  }
}

await drill.checkOrders({
  insert: (id) => pool.query('insert into orders (id, item) values ($1, $2)', [id, 'tea']),
  find: async (id) => {
    const text = 'select served_on as "servedOn" from served_orders where id = $1'
    return (await rowsOf(text, [id]))[0]
  },
})
await drill.checkStreamed((await rowsOf('select * from orders', [])).length)
await drill.finish(
  () => reader.end(),
  () => pool.end(),
)

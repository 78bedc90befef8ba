import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { from, to } from 'pg-copy-streams'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `new pg.Pool({ connectionString })`. A stream goes to the primary, whatever its text:
// what may be read on a replica gets a pool of its own, which sees what the session has written.
const session = drill.db.session()
const pool = createPgPool(session)
const reader = createPgPool(session.reader())

async function copyIn(...ids: number[]): Promise<void> {
  const client = await pool.connect()
  try {
    const target = client.query(from('copy orders (id, item) from stdin'))
    await pipeline(Readable.from(ids.map((id) => `${id}\ttea\n`)), target)
  } finally {
    client.release()
  }
}

async function copyOut(query: string): Promise<string> {
  const client = await reader.connect()
  try {
    return await text(client.query(to(`copy (${query}) to stdout`)))
  } finally {
    client.release()
  }
}

await drill.checkOrders({
  insert: (id) => copyIn(id),
  insertBoth: (first, second) => copyIn(first, second),
  find: async (id) => {
    const answer = await copyOut(`select served_on from served_orders where id = ${id}`)
    return answer === '' ? undefined : { servedOn: Number(answer) }
  },
})
await drill.finish(
  () => reader.end(),
  () => pool.end(),
)

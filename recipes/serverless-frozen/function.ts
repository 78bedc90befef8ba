import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'

// Outside the handler: made once for each instance, and kept while it is frozen.
const pool = createPool({
  driver: nodePostgres(),
  connection: process.env['DATABASE_URL'] ?? '',
  max: 1, // an instance that answers one request at a time needs no more
  acquireTimeoutMs: 3_000,
  statementTimeoutMs: 3_000,
})

export async function handler({ id, item }: { id: number; item: string }) {
  const { rows } = await pool.query(
    'insert into orders (id, item) values ($1, $2) returning id, item',
    [id, item],
  )
  return rows[0] ?? null
}

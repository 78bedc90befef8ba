import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'

const manager = createManager({
  drivers: { pg: nodePostgres() },
  databases: {
    app: { nodes: process.env['DATABASE_URL'] ?? '', pool: { max: 1, statementTimeoutMs: 3_000 } },
  },
})
const db = manager.database('app')

export async function handler({ id, item }: { id: number; item: string }) {
  const { rows } = await db.query(
    'insert into orders (id, item) values ($1, $2) returning id, item',
    [id, item],
  )
  return rows[0] ?? null
}

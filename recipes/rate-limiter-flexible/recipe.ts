import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { RateLimiterPostgres } from 'rate-limiter-flexible'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `new pg.Pool({ connectionString })`:
const pool = createPgPool(drill.db)
const limiter = await new Promise<RateLimiterPostgres>((resolve, reject) => {
  const options = { storeClient: pool, tableName: 'limits', points: 5, duration: 3_600 }
  const made = new RateLimiterPostgres(options, (error) => (error ? reject(error) : resolve(made)))
})

await drill.checkTable({
  // A point that was counted twice gives two rows.
  rows: `select split_part(key, ':', 2)::int as id from limits, generate_series(1, points)`,
  write: /insert into .*limits/i,
  read: /select .*limits/i,
  insert: (id) => limiter.consume(String(id)),
  find: (id) => limiter.get(String(id)),
})
await drill.finish(() => pool.end())

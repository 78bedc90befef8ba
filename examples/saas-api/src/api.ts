import { type Pool, PoolhouseError } from '@poolhouse/core'
import type { ReplicaPool } from '@poolhouse/read-replicas'
import { Hono } from 'hono'

interface Order {
  readonly id: string
  readonly item: string
}

interface Environment {
  Variables: {
    /** Where this request reads or writes. */
    db: Pool
  }
}

/** The routes. A request says by its method what it is: GET reads, from a replica that is fresh enough; everything else writes. */
export function createApi(database: ReplicaPool): Hono<Environment> {
  const api = new Hono<Environment>()

  api.use('/orders/*', async (c, next) => {
    c.set('db', c.req.method === 'GET' ? database.reader() : database)
    await next()
  })

  api.get('/orders', async (c) => {
    const { rows, node } = await c.var.db.query<{ orders: number }>(
      'select count(*)::int as orders from orders',
    )
    return c.json(rows[0], 200, { 'x-served-by': node ?? '' })
  })

  api.get('/orders/:id', async (c) => {
    const { rows, node } = await c.var.db.query<Order>(
      'select id, item from orders where id = $1',
      [c.req.param('id')],
    )
    return c.json(rows[0] ?? null, rows.length === 0 ? 404 : 200, { 'x-served-by': node ?? '' })
  })

  // The id comes from the client, so the same order sent twice is one order, whatever happened to the answer of the first.
  api.post('/orders', async (c) => {
    const { id, item } = await c.req.json<Order>()
    const node = await c.var.db.transaction(
      async (tx) => {
        const result = await tx.query('insert into orders (id, item) values ($1, $2)', [id, item])
        return result.node
      },
      { idempotencyKey: `order ${id}`, timeoutMs: 10_000 },
    )
    return c.json({ id }, 201, { 'x-served-by': node ?? '' })
  })

  // `executed` says whether asking again is safe: only then is a client told to.
  api.onError((error, c) => {
    if (!(error instanceof PoolhouseError)) throw error
    const safe = error.executed === 'no' || error.executed === 'rolled-back'
    if (safe && error.retryable) c.header('retry-after', '1')
    return c.json({ error: error.code, executed: error.executed }, safe ? 503 : 500)
  })
  return api
}

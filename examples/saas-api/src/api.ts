import { PoolhouseError } from '@poolhouse/core'
import { type ReplicaPool, runWith } from '@poolhouse/read-replicas'
import { Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'

interface Order {
  readonly id: string
  readonly item: string
}

/**
 * The routes. A request says by its method what it is: GET reads, from a replica; everything else
 * writes. What a customer has seen travels in a cookie, so that its reads see what it has written,
 * whichever replica and whichever process serves them.
 */
export function createApi(database: ReplicaPool): Hono {
  const api = new Hono()

  api.use('/orders/*', async (c, next) => {
    const session = database.session(getCookie(c, 'seen'))
    await runWith({ intent: c.req.method === 'GET' ? 'read' : 'write', session }, next)
    setCookie(c, 'seen', session.token, { httpOnly: true, sameSite: 'Lax' })
  })

  api.get('/orders', async (c) => {
    const { rows, node } = await database.query<{ orders: number }>(
      'select count(*)::int as orders from orders',
    )
    return c.json(rows[0], 200, { 'x-served-by': node ?? '' })
  })

  api.get('/orders/:id', async (c) => {
    const { rows, node } = await database.query<Order>(
      'select id, item from orders where id = $1',
      [c.req.param('id')],
    )
    return c.json(rows[0] ?? null, rows.length === 0 ? 404 : 200, { 'x-served-by': node ?? '' })
  })

  // The id comes from the client, so the same order sent twice is one order, whatever happened to
  // the answer of the first.
  api.post('/orders', async (c) => {
    const { id, item } = await c.req.json<Order>()
    const node = await database.transaction(
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

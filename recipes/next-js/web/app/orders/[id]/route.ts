import { db } from '../../../lib/db'

type Context = { params: Promise<{ id: string }> }

const FIND = 'select id, item, served_on from served_orders where id = $1'

export async function GET(_request: Request, { params }: Context) {
  const { id } = await params
  const { rows } = await db.reader().query(FIND, [id])
  return rows.length === 0 ? new Response(null, { status: 404 }) : Response.json(rows[0])
}

export async function POST(request: Request, { params }: Context) {
  const { id } = await params
  const { item } = (await request.json()) as { item: string }
  await db.query('insert into orders (id, item) values ($1, $2)', [id, item])
  return new Response(null, { status: 201 })
}

import { promisify } from 'node:util'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import connectPgSimple from 'connect-pg-simple'
import session from 'express-session'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `new pg.Pool({ connectionString })`:
const pool = createPgPool(drill.db)
const Store = connectPgSimple(session)
const store = new Store({ pool, createTableIfMissing: true, pruneSessionInterval: false })

const cookie = { originalMaxAge: 3_600_000 } as session.Cookie
const set = promisify(store.set.bind(store))
const get = promisify(store.get.bind(store))

await drill.checkTable({
  rows: 'select sid::int as id from session',
  write: /insert into "session"/i,
  read: /select sess from "session"/i,
  insert: (id) => set(String(id), { cookie }),
  find: (id) => get(String(id)),
})
await drill.finish(
  () => store.close(),
  () => pool.end(),
)

import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { startDrill } from '../support/drill.js'

await using drill = await startDrill(nodePostgres())

// Instead of `new pg.Pool({ connectionString })`. It runs on Kysely, which takes a client for each
// query, so only a lazy one can read from a replica.
const pool = createPgPool(drill.db, { checkout: 'lazy' })
const auth = betterAuth({
  database: pool,
  baseURL: 'http://127.0.0.1:3000',
  secret: 'a secret of at least thirty-two letters',
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
})
await (await getMigrations(auth.options)).runMigrations()

const account = { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' }
await auth.api.signUpEmail({ body: account })
const { token } = await auth.api.signInEmail({ body: account })
console.log(`signed up and in: ${token.length > 0}`)

const { internalAdapter } = await auth.$context
const source = { method: 'email-password' } as const
await drill.checkTable({
  rows: `select split_part(email, '@', 1)::int as id from "user" where name = 'load'`,
  write: /insert into "user"/i,
  read: /select .* from "user"/i,
  insert: (id) => internalAdapter.createUser({ name: 'load', email: `${id}@example.com` }, source),
  find: (id) => internalAdapter.findUserByEmail(`${id}@example.com`),
})
await drill.finish(() => pool.end())

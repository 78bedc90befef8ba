#!/usr/bin/env bash
# pglite-socket 0.2.17 over PGlite 0.5.14, seen 2026-11-29: every connection is announced the same backend pid (42), which is also what
# pg_backend_pid() answers, and all connections share one session: a setting of one is seen by the other, and so is a prepared statement. So a pid
# cannot tell two sessions apart, and the check that finds PgBouncer (announced pid against pg_backend_pid()) finds nothing; version() does. Needs
# Node.js 20 or newer and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17 pg@8.23.1
cat >try.mjs <<'JS'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import pg from 'pg'
const db = await PGlite.create()
const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', maxConnections: 4 })
const listening = new Promise((resolve) =>
  server.addEventListener('listening', ({ detail }) => resolve(detail.port)),
)
await server.start()
const port = await listening
const open = async () => {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  await client.connect()
  return client
}
const [a, b] = [await open(), await open()]
const { rows } = await a.query('select pg_backend_pid() as pid')
await a.query(`select set_config('app.tenant', 'acme', false)`)
const seen = await b.query(`select current_setting('app.tenant', true) as tenant`)
await a.query({ name: 'mine', text: 'select 1' })
const prepared = await b.query(`select count(*)::int as n from pg_prepared_statements where name = 'mine'`)
console.log(
  JSON.stringify({
    announced: [a.processID, b.processID],
    answered: rows[0].pid,
    tenantSeenByOther: seen.rows[0].tenant,
    preparedSeenByOther: prepared.rows[0].n,
  }),
)
await a.end()
await b.end()
await server.stop()
await db.close()
JS
seen=$(node try.mjs)
expected='{"announced":[42,42],"answered":42,"tenantSeenByOther":"acme","preparedSeenByOther":1}'
printf 'seen:     %s\nexpected: %s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

#!/usr/bin/env bash
# pglite-socket 0.2.17 over PGlite 0.5.14 with pg 8.23.1 and pg-copy-streams 7.0.0, seen 2026-11-30: COPY … TO STDOUT comes through the socket server
# as from any PostgreSQL, but a COPY … FROM STDIN of two lines ends the session: PGlite answers the first CopyData message with "unexpected EOF on client
# connection with an open transaction" (08006) and "protocol synchronization was lost". So a library whose reads work may not be able to load
# data. Needs Node.js 20 or newer and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17 pg@8.23.1 pg-copy-streams@7.0.0
cat >try.mjs <<'JS'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import pg from 'pg'
import { from, to } from 'pg-copy-streams'
const db = await PGlite.create()
await db.exec('create table t (n int); insert into t values (1), (2)')
const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1' })
await server.start()
const client = new pg.Client(`postgres://postgres@${server.getServerConn()}/postgres`)
const lost = new Promise((resolve) => client.on('error', (error) => resolve(error.message)))
await client.connect()
const out = await text(client.query(to('copy t to stdout')))
const code = await pipeline(Readable.from(['3\n4\n']), client.query(from('copy t from stdin'))).then(
  () => 'done',
  (error) => error.code,
)
console.log(JSON.stringify({ out, in: code, then: await lost }))
process.exit()
JS
seen=$(node try.mjs)
expected='{"out":"1\n2\n","in":"08006","then":"terminating connection because protocol synchronization was lost"}'
printf 'seen:     %s\nexpected: %s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

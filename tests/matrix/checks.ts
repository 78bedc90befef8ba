import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ConnectionPool,
  createPool,
  type PoolhouseError,
  type PoolOptions,
  SessionStateError,
} from '@poolhouse/core'
import type { Finding } from './finding.js'
import { type Ground, withParameters } from './ground.js'
import type { MakeDriver } from './servers.js'

/** Finds out one thing about a corner. Rejects with what it did not expect. */
export type Check = (ground: Ground, make: MakeDriver) => Promise<Finding>

const WORKS: Finding = { is: 'works' }

/** Longest time for what has to come. */
const LIMIT_MS = 20_000

/** A pool of this corner. */
export function poolOf(
  { url, options }: Pick<Ground, 'url' | 'options'>,
  make: MakeDriver,
  own: Partial<PoolOptions> = {},
): ConnectionPool {
  return createPool({ driver: make(), connection: url, name: 'matrix', max: 4, ...options, ...own })
}

/** Resolves when the condition holds; rejects with `what`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for ${what}`)
    await sleep(20)
  }
}

/** The error that a call rejects with, or undefined. */
export async function errorOf(call: Promise<unknown>): Promise<PoolhouseError | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    return error as PoolhouseError
  }
}

/** Name and message, without what differs from run to run. */
export function shown(error: Error): string {
  const message = error.message
    .replaceAll(/127\.0\.0\.1:\d+/g, 'host:port')
    .replaceAll(/\b(process|pid) \d+/g, '$1 …')
    .replaceAll(/\b\d+ ms\b/g, '… ms')
    .replaceAll(/; see POOLHOUSE_[A-Z_]+/g, '')
  return `${error.name}: ${message}`
}

/** What a borrower may leave behind, and what the next one would see of it. */
const LEFT_BEHIND: readonly [leave: string, look: string, clean: unknown][] = [
  [`set statement_timeout = 4711`, `select current_setting('statement_timeout') as v`, '0'],
  [
    `create temp table left_behind (n int)`,
    `select count(*)::int as v from pg_class where relname = 'left_behind' and pg_table_is_visible(oid)`,
    0,
  ],
  [
    `select pg_advisory_lock(4711)`,
    `select count(*)::int as v from pg_locks where locktype = 'advisory' and objid = 4711 and pid = pg_backend_pid()`,
    0,
  ],
]

/** The next borrower of a connection meets nothing of the last one. */
export const cleaning: Check = async (ground, make) => {
  await ground.server.sql('drop table if exists cleaning; create table cleaning (n int)')
  await ground.server.sql(`grant all on cleaning to ${ground.server.user}`)
  await using pool = poolOf(ground, make, { max: 1 })
  const open = await pool.acquire()
  const begun = await errorOf(
    open.query('begin').then(() => open.query('insert into cleaning values (1)')),
  )
  open.release()
  const seen = await pool.query('select from cleaning')
  if (seen.rowCount !== 0) throw new Error('a transaction that was left open was committed')
  const refusals: Error[] = begun === undefined ? [] : [begun]
  for (const [leave, look, clean] of LEFT_BEHIND) {
    const error = await errorOf(pool.use((lease) => lease.query(leave)))
    if (error !== undefined && !(error instanceof SessionStateError)) throw error
    if (error !== undefined) refusals.push(error)
    // More than once, because behind a pooler each may see another session.
    for (let round = 0; round < 6; round++) {
      const { rows } = await pool.query<{ v: unknown }>(look)
      if (rows[0]!.v !== clean) throw new Error(`the next borrower saw what "${leave}" had left`)
    }
  }
  await ground.server.sql('drop table cleaning')
  const [first] = refusals
  if (first === undefined) return WORKS
  return {
    is: 'refused',
    error: shown(refusals.find((e) => e instanceof SessionStateError) ?? first),
  }
}

/** A statement past its deadline ends on the server, and no other one. */
export const cancel: Check = async (ground, make) => {
  await using pool = poolOf(ground, make)
  // The deadline below is for a statement, and not for a connection.
  await Promise.all([1, 2, 3, 4].map(() => pool.query('select pg_sleep(0.1)')))
  const alone = ground.options.max === 1
  const innocents = Promise.all(
    (alone ? [] : [1, 2, 3]).map(async () => {
      for (let n = 0; n < 20; n++) await pool.query('select pg_sleep(0.02), $1::int', [n])
    }),
  )
  innocents.catch(() => {}) // told below
  const late = await errorOf(pool.query('select pg_sleep(6) as matrix', [], { timeoutMs: 300 }))
  if (late?.name !== 'StatementTimeoutError')
    throw late ?? new Error('the deadline passed unnoticed')
  const begunAt = performance.now()
  const runs = async (): Promise<boolean> => {
    const rows = await ground.server.sql(
      `select from pg_stat_activity where state = 'active' and query like '%as matrix' and pid <> pg_backend_pid()`,
    )
    return rows.length > 0
  }
  const ended = until(async () => !(await runs()), 'the late statement to end')
  const took = ended.then(() => performance.now() - begunAt)
  await innocents
  if ((await took) < 4_000) return WORKS
  return {
    is: 'limit',
    reason: `the call ends at its deadline (executed '${late.executed}') and its connection is replaced, but the server runs the statement to its end`,
  }
}

/** Data go in and come out as they were. */
export const copy: Check = async (ground, make) => {
  await ground.server.sql('drop table if exists copied; create table copied (n int, t text)')
  await ground.server.sql(`grant all on copied to ${ground.server.user}`)
  await using pool = poolOf(ground, make)
  const lines = Array.from({ length: 5_000 }, (_, n) => `${n}\tline ${n}\n`)
  await pool.copyFrom('copy copied from stdin', lines)
  let out = ''
  for await (const chunk of pool.copyTo('copy (select * from copied order by n) to stdout')) {
    out += Buffer.from(chunk).toString()
  }
  if (out !== lines.join('')) throw new Error('what was copied out is not what was copied in')
  await ground.server.sql('drop table copied')
  return WORKS
}

/** A subscription hears what is notified. */
export const listen: Check = async (ground, make) => {
  await using pool = poolOf(ground, make)
  await pool.query('select 1')
  const heard: string[] = []
  try {
    const subscription = await pool.listen('matrix', (payload) => void heard.push(payload))
    for (let n = 0; n < 3; n++) await ground.server.sql(`select pg_notify('matrix', $1)`, [`${n}`])
    await until(() => heard.length === 3, `3 notifications, got ${heard.length}`, 10_000)
    await subscription.close()
    return WORKS
  } catch (error) {
    if (error instanceof Error && /SessionStateError|ConnectError/.test(error.name)) {
      return { is: 'refused', error: shown(error) }
    }
    throw error
  }
}

/** The session has the parameters that were asked for at its start, or the pool says that not. */
export const parameters: Check = async (ground, make) => {
  const plain = await startUp(ground, make, ground.url)
  const others: string[] = []
  for (const [special, url] of Object.entries(ground.startUps ?? {})) {
    const other = await startUp(ground, make, url)
    if (other.is !== plain.is)
      others.push(`${special}: ${other.is === 'refused' ? other.error : 'in force'}`)
    else if (other.is === 'refused' && plain.is === 'refused' && other.error !== plain.error) {
      others.push(`${special}: ${other.error}`)
    }
  }
  if (plain.is !== 'refused' || others.length === 0) return plain
  return { is: 'refused', error: [plain.error, ...others].join('; ') }
}

async function startUp(ground: Ground, make: MakeDriver, url: string): Promise<Finding> {
  try {
    const connection = withParameters(url, { statement_timeout: '4711', search_path: 'pg_catalog' })
    await using pool = createPool({
      driver: make(),
      name: 'matrix',
      max: 2,
      ...ground.options,
      connection,
    })
    const { rows } = await pool.query<{ v: string }>(
      `select current_setting('statement_timeout') || ' ' || current_setting('search_path') as v`,
    )
    if (rows[0]!.v !== '4711ms pg_catalog') throw new Error(`the session has ${rows[0]!.v}`)
    return WORKS
  } catch (error) {
    if (error instanceof TypeError || (error as Error).name === 'ConnectError') {
      return { is: 'refused', error: shown(error as Error) }
    }
    throw error
  }
}

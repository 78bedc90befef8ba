import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import type { Sample } from '../interleave.js'
import { heap } from '../query/memory.js'

/** Databases that the server of these tasks has: `scale_0`, `scale_1`, …. */
export const DATABASES = 10

/** What is measured at a number and at ten times that number. */
export interface ScaleTask {
  /** What there are so many of. */
  readonly unit: string
  /** The smaller number. */
  readonly least: number
  /** Numbers of the whole, which are divided by `count` afterwards. */
  measure(count: number, url: string): Promise<Sample>
}

const AT_A_TIME = 64
const IDLE_MS = 5_000
const BUSY_ONE_IN = 100
const ROWS = `select n as id, 'row number ' || n as label, n * 1.5 as amount from generate_series(1, $1) n`

/** Every task, by its name. */
export const scaleTasks: Readonly<Record<string, ScaleTask>> = {
  'tenants with a schema each, one call of each': { unit: 'tenant', least: 200, measure: tenants },
  'pools, one in a hundred in use': { unit: 'pool', least: 1_000, measure: idlePools },
  'rows of one result': { unit: 'row', least: 100_000, measure: rows },
  'rows of one stream': { unit: 'row', least: 100_000, measure: streamedRows },
  'callers at a time': { unit: 'call', least: 1_000, measure: callers },
  'subscriptions, one notification each': {
    unit: 'subscription',
    least: 50,
    measure: subscriptions,
  },
}

/** Time and CPU time of some work, in microseconds. */
async function timed(work: () => Promise<unknown>): Promise<{ us: number; 'CPU us': number }> {
  const [cpu, begunAt] = [process.cpuUsage(), performance.now()]
  await work()
  const us = (performance.now() - begunAt) * 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { us, 'CPU us': user + system }
}

/** Calls `each` for every number below `count`, some at a time. */
async function forEach(count: number, each: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await each(next++)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
}

function databaseUrl(url: string, index: number): string {
  const one = new URL(url)
  one.pathname = `/scale_${index % DATABASES}`
  return one.href
}

async function tenants(count: number, url: string): Promise<Sample> {
  const names = Array.from({ length: DATABASES }, (_, index) => `scale_${index}`)
  const manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: Object.fromEntries(names.map((name, index) => [name, databaseUrl(url, index)])),
    budget: { perServer: 50 },
    tenants: {
      resolve: (id) => ({ on: names[Number(id) % DATABASES]!, schema: `tenant_${id}` }),
      maxPools: 2 * count,
    },
  })
  // Ten connections and what is compiled on the way are there before anything is weighed.
  await forEach(AT_A_TIME, (index) => manager.tenant(String(count + index)).query('select 1'))
  const before = await heap()
  const time = await timed(() =>
    forEach(count, (index) => manager.tenant(String(index)).query('select 1')),
  )
  const bytes = (await heap()) - before
  await manager.close()
  return { ...time, bytes }
}

async function idlePools(count: number, url: string): Promise<Sample> {
  const driver = nodePostgres()
  const makePool = (_: unknown, index: number): ConnectionPool =>
    createPool({ driver, connection: databaseUrl(url, index), max: 2 })
  const first = Array.from({ length: AT_A_TIME }, makePool)
  await first[0]!.query('select 1')
  const before = await heap()
  let pools: ConnectionPool[] = []
  const made = await timed(async () => {
    pools = Array.from({ length: count }, makePool)
  })
  const busy = pools.filter((_, index) => index % BUSY_ONE_IN === 0)
  const callAll = (): Promise<unknown> => Promise.all(busy.map((pool) => pool.query('select 1')))
  await callAll()
  const bytes = (await heap()) - before
  const begunAt = performance.now()
  const idle = await timed(async () => {
    while (performance.now() - begunAt < IDLE_MS) {
      await callAll()
      await sleep(1_000)
    }
  })
  await Promise.all([...first, ...pools].map((pool) => pool.close()))
  return { us: made.us, 'CPU us': idle['CPU us'], bytes }
}

async function rows(count: number, url: string): Promise<Sample> {
  await using pool = createPool({ driver: nodePostgres(), connection: url, max: 2 })
  await pool.query(ROWS, [20_000])
  const before = await heap()
  let kept: unknown[] = []
  const time = await timed(async () => {
    kept = (await pool.query(ROWS, [count])).rows
  })
  const bytes = (await heap()) - before
  if (kept.length !== count) throw new Error(`got ${kept.length} rows instead of ${count}`)
  return { ...time, bytes }
}

async function streamedRows(count: number, url: string): Promise<Sample> {
  await using pool = createPool({ driver: nodePostgres(), connection: url, max: 2 })
  const read = async (most: number): Promise<number> => {
    let seen = 0
    for await (const _ of pool.stream(ROWS, [most])) seen++
    return seen
  }
  await read(20_000)
  let seen = 0
  const time = await timed(async () => {
    seen = await read(count)
  })
  if (seen !== count) throw new Error(`got ${seen} rows instead of ${count}`)
  return time
}

async function callers(count: number, url: string): Promise<Sample> {
  await using pool = createPool({
    driver: nodePostgres(),
    connection: url,
    max: 10,
    maxPending: count,
    acquireTimeoutMs: 60_000,
  })
  const call = (): Promise<unknown> => pool.query('select balance from accounts where id = $1', [7])
  for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 1_000 }, call))
  const before = await heap()
  let bytes = 0
  const work = async (weigh: boolean): Promise<void> => {
    const calls = Array.from({ length: count }, call)
    if (weigh) {
      globalThis.gc?.()
      bytes = process.memoryUsage().heapUsed - before
    }
    await Promise.all(calls)
  }
  await work(true)
  const repeat = Math.max(1, 20_000 / count)
  const time = await timed(async () => {
    for (let turn = 0; turn < repeat; turn++) await work(false)
  })
  return { us: time.us / repeat, 'CPU us': time['CPU us'] / repeat, bytes }
}

async function subscriptions(count: number, url: string): Promise<Sample> {
  await using pool = createPool({ driver: nodePostgres(), connection: url, max: 2 })
  await pool.listen('warm_up', () => {})
  const before = await heap()
  let heard = 0
  let all = (): void => {}
  const time = await timed(async () => {
    const done = new Promise<void>((resolve) => {
      all = resolve
    })
    await forEach(count, (index) =>
      pool.listen(`channel_${index}`, () => {
        if (++heard === count) all()
      }),
    )
    await pool.query(`select pg_notify('channel_' || n, '') from generate_series(0, $1) n`, [
      count - 1,
    ])
    await done
  })
  const bytes = (await heap()) - before
  return { ...time, bytes }
}

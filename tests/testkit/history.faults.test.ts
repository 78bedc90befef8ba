import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import {
  brokenClients,
  brokenCookies,
  brokenReaders,
  type Cluster,
  type HistoryClient,
  type HistoryReport,
  historyTable,
  startCluster,
  startWorkload,
  verifyHistory,
  type WorkloadOptions,
} from '@poolhouse/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

let cluster: Cluster
let pool: ConnectionPool
let admin: ConnectionPool

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
  admin = createPool({ driver: nodePostgres(), connection: cluster.primary.url, max: 1 })
})

afterAll(async () => {
  await admin.close()
  await cluster.stop()
})

beforeEach(async () => {
  await admin.query('drop table if exists poolhouse_history')
  for (const text of historyTable()) await admin.query(text)
  pool = createPool({ driver: nodePostgres(), connection: cluster.primary.url, max: 20 })
  return () => pool.close({ timeoutMs: 0 })
})

async function judge(
  client: HistoryClient,
  request?: WorkloadOptions['request'],
): Promise<HistoryReport> {
  const workload = startWorkload({
    writes: client,
    reads: client,
    writers: request === undefined ? 4 : 0,
    users: request === undefined ? 0 : 3,
    request,
    pauseMs: 5,
    deadlineMs: 500,
  })
  await sleep(500)
  // A busy machine needs longer until enough has happened.
  const { operations } = workload.history
  const giveUpAt = performance.now() + 5_000
  const done = (): number =>
    operations.filter(({ outcome }) => outcome?.kind === 'acknowledged').length
  while (done() <= 50 && performance.now() < giveUpAt) await sleep(50)
  const history = await workload.stop(500)
  return verifyHistory(history, {
    db: admin,
    pools: [pool],
    reads: ['read-your-writes', 'monotonic-reads', 'no-lost-reads'],
  })
}

/**
 * An application whose reads come from a replica that has no more than the cookie asks for: the
 * number of a write.
 */
function requestOn(db: ConnectionPool): NonNullable<WorkloadOptions['request']> {
  // What the process knows of each user; here a user is known by what the statements say.
  const known = new Map<unknown, number>()
  return (cookie) => {
    let user: unknown
    const floor = Number(cookie)
    const query = async (text: string, values: unknown[] = []): Promise<unknown> => {
      if (text.startsWith('insert')) {
        const result = await db.query(text, values)
        user = values[2]
        known.set(user, Math.max(known.get(user) ?? 0, Number(values[3])))
        return result
      }
      user = values[0]
      // In the statement: a read asks for the newest rows that the replica has.
      return await db.query(text.replace('where', 'where seq <= $2 and'), [...values, floor])
    }
    return {
      run: (work) => work({ query } as unknown as HistoryClient),
      cookie: () => String(Math.max(known.get(user) ?? 0, floor)),
    }
  }
}

describe('the history checker', () => {
  it('finds nothing wrong with a pool on a server that works', async () => {
    const { violations, counts } = await judge(pool)
    expect(violations).toEqual([])
    expect(counts.acknowledged).toBeGreaterThan(50)
    expect(counts.unknown + counts.notExecuted + counts.unsettled).toBe(0)
  })

  it('finds nothing wrong with sessions that are killed all the time, and counts what is unknown', async () => {
    const killing = new AbortController()
    const killer = (async () => {
      while (!killing.signal.aborted) {
        await admin.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
        )
        await sleep(20)
      }
    })()
    const { violations, counts } = await judge(pool)
    killing.abort()
    await killer
    expect(violations).toEqual([])
    expect(counts.acknowledged).toBeGreaterThan(10)
  })

  it('finds nothing wrong with users whose cookies say what they have seen', async () => {
    const { violations, counts } = await judge(pool, requestOn(pool))
    expect(violations).toEqual([])
    expect(counts.acknowledged).toBeGreaterThan(50)
  })

  it.each([...brokenCookies])('catches an application that $name: $breaks', async (broken) => {
    const { violations } = await judge(pool, broken.wrap(requestOn(pool)))
    expect(new Set(violations.map(({ kind }) => kind))).toContain(broken.breaks)
  })

  it.each([...brokenClients, ...brokenReaders].map((client) => ({ ...client })))(
    'catches a client that $name: $breaks',
    async ({ wrap, breaks }) => {
      const { violations } = await judge(wrap(pool))
      const kinds = new Set(violations.map(({ kind }) => kind))
      expect(kinds).toContain(breaks)
    },
  )
})

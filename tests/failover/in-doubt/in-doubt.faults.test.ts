import { InDoubtError, type Transaction } from '@poolhouse/core'
import type { ClusterNode } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'
import { startProxiedCluster } from '../support/proxied-cluster.js'

async function rows(node: ClusterNode): Promise<number[]> {
  const found = await node.sql<{ id: number }>('select id from rows order by id')
  return found.map(({ id }) => id)
}

const insert = (id: number) => (tx: Transaction) => tx.query('insert into rows values ($1)', [id])

async function doubtOf(call: Promise<unknown>): Promise<InDoubtError> {
  const error = await failureOf(call)
  expect(error).toBeInstanceOf(InDoubtError)
  return error as InDoubtError
}

/** The server's own answer about an xid. */
async function statusOf(node: ClusterNode, xid: string): Promise<string> {
  try {
    const [row] = await node.sql<{ status: string }>(
      `select pg_xact_status('${xid}'::xid8) as status`,
    )
    return row!.status
  } catch (error) {
    return (error as { code: string }).code === '22023' ? 'future' : Promise.reject(error)
  }
}

/** Commits on the node until it has assigned this xid. */
async function passXid(node: ClusterNode, xid: string): Promise<void> {
  await until(async () => {
    const [row] = await node.sql<{ xid: string }>('select pg_current_xact_id()::text as xid')
    return BigInt(row!.xid) > BigInt(xid)
  })
}

async function waiting(node: ClusterNode): Promise<number | undefined> {
  const [row] = await node.sql<{ pid: number }>(
    "select pid from pg_stat_activity where wait_event = 'SyncRep' and query = 'COMMIT'",
  )
  return row?.pid
}

describe('a COMMIT in doubt', () => {
  scenario(
    'S76: that never arrived is resolved as aborted, even if the server has not noticed',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 0 })
      const pool = setup.pool(make())
      await pool.query('select 1')
      setup.proxy.dropCommitRequest({ then: 'hang' })
      const error = await doubtOf(pool.transaction(insert(1), { timeoutMs: 700 }))
      const holders = await setup
        .node('a')
        .sql('select pid from pg_stat_activity where backend_xid is not null')
      expect(holders).toHaveLength(1)
      expect(await error.resolve()).toBe('aborted')
      expect(await rows(setup.node('a'))).toEqual([])
    },
  )

  scenario(
    'S78: that waits for its synchronous standby is terminated and resolved as committed',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 1, synchronous: true })
      const pool = setup.pool(make())
      await pool.query('select 1')
      await setup.node('b').stop('fast')
      const call = doubtOf(pool.transaction(insert(1)))
      await until(async () => (await waiting(setup.node('a'))) !== undefined)
      setup.proxy.reset()
      const error = await call
      expect(await error.resolve({ timeoutMs: 3_000 })).toBe('committed')
      expect(await waiting(setup.node('a'))).toBeUndefined()
      expect(await rows(setup.node('a'))).toEqual([1])
    },
  )

  scenario(
    'S79: whose wait for the standby was cancelled succeeds, with durability local',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 1, synchronous: true })
      const pool = setup.pool(make())
      await pool.query('select 1')
      const heard: unknown[] = []
      pool.on('durability', (event) => heard.push(event))
      await setup.node('b').stop('fast')
      for (const [end, id] of [
        ['pg_cancel_backend', 1],
        ['pg_terminate_backend', 2],
      ] as const) {
        let seen: Transaction | undefined
        const call = pool.transaction(async (tx) => {
          seen = tx
          await insert(id)(tx)
          return 'done'
        })
        await until(async () => {
          const pid = await waiting(setup.node('a'))
          if (pid === undefined) return false
          await setup.node('a').sql(`select ${end}(${pid})`)
          return true
        })
        expect(await call).toBe('done')
        expect(seen?.durability).toBe('local')
      }
      expect(heard).toMatchObject([
        { pool: 'a', durability: 'local' },
        { pool: 'a', durability: 'local' },
      ])
      expect(await rows(setup.node('a'))).toEqual([1, 2])
    },
  )
})

describe('an outcome about which the server itself is wrong', () => {
  scenario(
    "a commit lost by an asynchronous failover is never called committed, although its xid is another transaction's by then",
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 1 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
      const [a, b] = [setup.node('a'), setup.node('b')]
      await pool.query('select 1')
      await b.sql("alter system set primary_conninfo = ''")
      await b.sql('select pg_reload_conf()')
      await until(async () => (await a.sql('select 1 from pg_stat_replication')).length === 0)
      setup.proxy.dropCommitAnswer()
      let xid = ''
      const error = await doubtOf(
        pool.transaction(async (tx) => {
          xid = await xidOf(tx)
          await insert(1)(tx)
        }),
      )
      expect(await statusOf(a, xid)).toBe('committed')
      await a.kill()
      await b.promote({ refollow: false })
      await passXid(b, xid)
      await insertDirectly(b, 2)
      expect(await statusOf(b, xid)).toBe('committed')
      expect(await rows(b)).toEqual([2])

      expect(await error.resolve()).toBe('unknown')
      // A role that may read the history of the timelines can prove it.
      await b.sql(`grant pg_read_server_files to ${setup.cluster.user}`)
      await b.sql(`grant execute on function pg_read_file(text) to ${setup.cluster.user}`)
      expect(await error.resolve()).toBe('lost')
    },
  )

  scenario('a transaction that a promoted standby has never seen is lost', async ({ make }) => {
    await using setup = await startProxiedCluster({ replicas: 1 })
    const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
    const [a, b] = [setup.node('a'), setup.node('b')]
    await pool.query('select 1')
    await b.sql("alter system set primary_conninfo = ''")
    await b.sql('select pg_reload_conf()')
    await until(async () => (await a.sql('select 1 from pg_stat_replication')).length === 0)
    setup.proxy.dropCommitAnswer()
    const error = await doubtOf(pool.transaction(insert(1)))
    await a.kill()
    const outcome = error.resolve()
    await b.promote({ refollow: false })
    expect(await outcome).toBe('lost')
  })

  scenario(
    "a transaction lost by a crash of the server is never called committed, although its xid is another transaction's by then",
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 0 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
      const a = setup.node('a')
      await pool.query('select 1')
      setup.proxy.dropCommitRequest({ then: 'hang' })
      let xid = ''
      const call = doubtOf(
        pool.transaction(async (tx) => {
          xid = await xidOf(tx)
        }),
      )
      await until(async () => xid !== '' && setup.proxy.connections > 0)
      await new Promise((resolve) => setTimeout(resolve, 50))
      await a.kill()
      const error = await call
      await a.start()
      await passXid(a, xid)
      expect(await statusOf(a, xid)).toBe('committed')
      expect(await error.resolve()).toBe('unknown')
    },
  )
})

describe('a transaction', () => {
  scenario(
    'S83: with a conflict is run again on a fresh snapshot, as often as declared',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 0 })
      const pool = setup.pool(make())
      await pool.query('insert into rows values (0)')
      const add = (attempts: number): Promise<unknown> =>
        pool.transaction(
          async (tx) => {
            const [row] = (await tx.query<{ id: number }>('select id from rows')).rows
            await tx.query('update rows set id = $1', [row!.id + 1])
          },
          { isolation: 'repeatable read', retry: { attempts } },
        )
      const ends = await Promise.allSettled(Array.from({ length: 8 }, () => add(50)))
      expect(ends.filter(({ status }) => status === 'rejected')).toEqual([])
      expect(await rows(setup.node('a'))).toEqual([8])
    },
  )
})

async function xidOf(tx: Transaction): Promise<string> {
  const { rows: found } = await tx.query<{ xid: string }>(
    'select pg_current_xact_id()::text as xid',
  )
  return found[0]!.xid
}

async function insertDirectly(node: ClusterNode, id: number): Promise<void> {
  await node.sql(`insert into rows values (${id})`)
}

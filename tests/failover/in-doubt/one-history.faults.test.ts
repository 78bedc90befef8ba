import {
  FencedError,
  InDoubtError,
  NoPrimaryError,
  TokenBeyondHistoryError,
  type TokenEvent,
  type Transaction,
} from '@poolhouse/core'
import type { FailoverPool } from '@poolhouse/failover'
import { type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import type { ClusterNode } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import type { NamedDriver } from '../../support/drivers.js'
import { failureOf } from '../../support/failure-of.js'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'
import { type ProxiedCluster, startProxiedCluster } from '../support/proxied-cluster.js'

const insert = (id: number) => (tx: Transaction) => tx.query('insert into rows values ($1)', [id])

async function leads(pool: FailoverPool, name: string): Promise<void> {
  await until(async () => pool.topology.current.primary?.id === name)
}

async function count(node: ClusterNode, id: number): Promise<number> {
  const rows = await node.sql(`select from rows where id = ${id}`).catch((error: unknown) => {
    // The replica may not have the table yet.
    if ((error as { code?: string }).code === '42P01') return []
    throw error
  })
  return rows.length
}

/** Assigns transaction ids on the node until this one is another transaction's. */
async function passXid(node: ClusterNode, xid: string): Promise<void> {
  await until(async () => {
    const [row] = await node.sql<{ xid: string }>('select pg_current_xact_id()::text as xid')
    return BigInt(row!.xid) > BigInt(xid)
  })
}

/** Kills `a` and promotes `b` to timeline 2, without `c` noticing. */
async function promoteUnheard(setup: ProxiedCluster, pool: FailoverPool): Promise<void> {
  const [a, b, c] = ['a', 'b', 'c'].map(setup.node) as [ClusterNode, ClusterNode, ClusterNode]
  await pool.query('insert into rows values (0)')
  await until(async () => (await count(b, 0)) + (await count(c, 0)) === 2)
  await a.kill()
  await b.promote({ refollow: false })
  await leads(pool, 'b')
}

/** Kills `b` and promotes `c` to timeline 2 as well. */
async function promoteRival(setup: ProxiedCluster): Promise<ClusterNode> {
  await setup.node('b').kill()
  const c = setup.node('c')
  await c.promote({ refollow: false })
  const [row] = await c.sql<{ timeline: string }>(
    'select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline',
  )
  expect(row!.timeline).toBe('00000002')
  return c
}

async function doubtsOn(setup: ProxiedCluster, node: string, pool: FailoverPool, ids: number[]) {
  const doubts: { error: InDoubtError; xid: string }[] = []
  for (const id of ids) {
    setup.proxyOf(node).dropCommitAnswer()
    let xid = ''
    const error = await failureOf(
      pool.transaction(async (tx) => {
        const { rows } = await tx.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
        xid = rows[0]!.xid
        await insert(id)(tx)
      }),
    )
    expect(error).toBeInstanceOf(InDoubtError)
    doubts.push({ error: error as InDoubtError, xid })
  }
  return doubts
}

describe('a transaction in doubt', () => {
  scenario(
    'T64: is never called committed after another history of the same timeline replaced its own, although its xid was assigned again',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 2 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
      await promoteUnheard(setup, pool)
      const doubts = await doubtsOn(setup, 'b', pool, [1, 2, 3])
      expect(await Promise.all([1, 2, 3].map((id) => count(setup.node('b'), id)))).toEqual([
        1, 1, 1,
      ])
      const c = await promoteRival(setup)
      await leads(pool, 'c')
      await passXid(c, doubts[2]!.xid)
      for (const { error, xid } of doubts) {
        const [row] = await c.sql<{ status: string }>(
          `select pg_xact_status('${xid}'::xid8) as status`,
        )
        expect(row!.status).toBe('committed')
        expect(['lost', 'unknown']).toContain(await error.resolve({ timeoutMs: 5_000 }))
      }
      expect(await count(c, 1)).toBe(0)
    },
    60_000,
  )

  scenario(
    'T61: is not called committed by a standby that was started as a primary without a promotion',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 1 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
      const [a, b] = [setup.node('a'), setup.node('b')]
      await pool.query('insert into rows values (0)')
      await until(async () => (await count(b, 0)) === 1)
      const [data] = await b.sql<{ path: string }>(
        `select current_setting('data_directory') as path`,
      )
      await b.stop()
      const [doubt] = await doubtsOn(setup, 'a', pool, [1])
      expect(await count(a, 1)).toBe(1)
      await a.sql(`copy (select 1) to program 'cat > /dev/null; rm ${data!.path}/standby.signal'`)
      await a.kill()
      await b.start()
      const [row] = await b.sql<{ timeline: string }>(
        'select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline',
      )
      expect(row!.timeline).toBe('00000001')
      await leads(pool, 'b')
      await passXid(b, doubt!.xid)
      expect(await doubt!.error.resolve({ timeoutMs: 5_000 })).toBe('unknown')
      expect(await count(b, 1)).toBe(0)
    },
    60_000,
  )

  scenario(
    'is still called committed after the server that ran it was restarted in place',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 0 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 8_000 } })
      await pool.query('insert into rows values (0)')
      const [doubt] = await doubtsOn(setup, 'a', pool, [1])
      await setup.node('a').restart()
      expect(await doubt!.error.resolve({ timeoutMs: 8_000 })).toBe('committed')
    },
    60_000,
  )
})

describe('a session', () => {
  async function route(
    make: NamedDriver['make'],
    options: ReplicasOptions,
  ): Promise<{
    setup: ProxiedCluster
    pool: FailoverPool
    db: ReturnType<typeof withReplicas>
    told: TokenEvent[]
  }> {
    const setup = await startProxiedCluster({ replicas: 2 })
    const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
    const db = withReplicas(pool, pool.topology, options)
    const told: TokenEvent[] = []
    db.on('token', (event) => told.push(event))
    return { setup, pool, db, told }
  }

  for (const onLostToken of ['primary', 'error'] as const) {
    scenario(
      `T65, T69: learns that another history of the same timeline has replaced its own, with onLostToken "${onLostToken}"`,
      async ({ make }) => {
        const { setup, pool, db, told } = await route(make, { onLostToken })
        await using _ = setup
        await promoteUnheard(setup, pool)
        const session = db.session()
        await session.query('insert into rows values (5)')
        const { token } = session
        const c = await promoteRival(setup)
        await leads(pool, 'c')
        // The new log, and its follower, pass the position of the token.
        await c.sql('insert into rows select 9 from generate_series(1, 5000)')
        await setup.node('a').rejoinAs(c)
        await until(
          async () => db.explainRoute('select 1', { intent: 'read' }).target === 'replica',
        )
        const later = db.session(token, { waitForTokenMs: 500 })
        for (const view of [session, later]) {
          const read = view.reader().query('select from rows where id = 5')
          if (onLostToken === 'error') await expect(read).rejects.toThrow(TokenBeyondHistoryError)
          else expect((await read).node).toBe('c')
        }
        expect(told.map(({ reason }) => reason)).toEqual(['beyond-history', 'beyond-history'])
        if (onLostToken === 'primary') {
          await session.query('insert into rows values (6)')
          const { rows } = await session.reader().query('select from rows where id = 6')
          expect(rows).toHaveLength(1)
        }
        expect(told).toHaveLength(2)
        await db.close({ timeoutMs: 1_000 })
      },
      90_000,
    )
  }

  for (const next of ['read', 'write'] as const) {
    scenario(
      `T69: whose own write a failover lost learns that from its next call, a ${next}`,
      async ({ make }) => {
        const { setup, pool, db, told } = await route(make, {})
        await using _ = setup
        const [a, b, c] = ['a', 'b', 'c'].map(setup.node) as [ClusterNode, ClusterNode, ClusterNode]
        await pool.query('insert into rows values (0)')
        const session = db.session()
        await Promise.all([b.stop(), c.stop()])
        await session.query('insert into rows values (5)')
        await a.kill()
        await Promise.all([b.start(), c.start()])
        await setup.cluster.failover()
        await until(async () => pool.topology.current.timeline === 2)
        await until(async () => pool.topology.current.primary !== undefined)
        if (next === 'write') await session.query('insert into rows values (6)')
        else await session.reader().query('select 1')
        expect(told.map(({ reason }) => reason)).toEqual(['beyond-history'])
        await session.reader().query('select 1')
        expect(told).toHaveLength(1)
        await db.close({ timeoutMs: 1_000 })
      },
      60_000,
    )
  }
})

describe('a topology', () => {
  scenario(
    'T50: shows a replica that stays on the discarded timeline as diverged, and reads from others',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 2 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 5_000 } })
      const db = withReplicas(pool, pool.topology, { maxStalenessMs: Number.POSITIVE_INFINITY })
      const diverged: string[] = []
      pool.on('diverged', ({ node }) => diverged.push(node))
      const [a, b, c] = ['a', 'b', 'c'].map(setup.node) as [ClusterNode, ClusterNode, ClusterNode]
      await pool.query('insert into rows values (0)')
      await b.sql("alter system set primary_conninfo = ''")
      await b.sql('select pg_reload_conf()')
      await until(async () => (await b.sql('select from pg_stat_wal_receiver')).length === 0)
      await a.sql('insert into rows select 7 from generate_series(1, 5000)')
      await until(async () => (await count(c, 7)) === 5_000)
      await a.kill()
      await b.promote()
      await leads(pool, 'b')
      await until(async () => diverged.length > 0)
      expect(diverged).toEqual(['c'])
      const node = pool.topology.current.nodes.find(({ id }) => id === 'c')!
      expect(node.state).toBe('diverged')
      expect(pool.topology.current.replicas.map(({ id }) => id)).toEqual([])
      for (let read = 0; read < 20; read++) {
        const { rows, node: served } = await db.reader().query('select from rows where id = 7')
        expect([served, rows.length]).toEqual(['b', 0])
      }
      await db.close({ timeoutMs: 1_000 })
    },
    60_000,
  )

  scenario(
    'T69: refuses two primaries on one timeline until one of them is gone or drained',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 2 })
      const pool = setup.pool(make(), { hold: { timeoutMs: 3_000 } })
      await promoteUnheard(setup, pool)
      const [b, c] = [setup.node('b'), setup.node('c')]
      // It falls silent first, and may still take writes from other clients.
      await b.freeze()
      await until(async () => pool.topology.current.primary === undefined)
      await c.promote({ refollow: false })
      await until(async () => pool.topology.current.nodes.some(({ state }) => state === 'fenced'))
      const refused = await pool.query('insert into rows values (1)').catch((error) => error)
      expect(refused).toBeInstanceOf(NoPrimaryError)
      expect(refused.message).toMatch(/split brain/)
      expect(refused.cause).toBeInstanceOf(FencedError)
      expect(refused.cause.message).toMatch(/"c" is fenced \(split brain: "b" claims to be primary/)
      await pool.drain('b')
      await leads(pool, 'c')
      await pool.query('insert into rows values (2)')
      expect(await count(c, 2)).toBe(1)
      await b.thaw()
      await pool.topology.refresh('thawed')
      expect(pool.topology.current.primary?.id).toBe('c')
      await b.kill()
      pool.undrain('b')
      await leads(pool, 'c')
    },
    60_000,
  )
})

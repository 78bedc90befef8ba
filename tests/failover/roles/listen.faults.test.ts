import { createPool, type Driver, type Gap, type Subscription } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import { type Cluster, type ClusterNode, startCluster } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'

const LISTENERS = `select count(*)::int as n from pg_stat_activity where application_name = 'poolhouse-listen'`

/** A cluster of two, and a subscription to `jobs` through failover and replicas. */
interface Setup extends AsyncDisposable {
  readonly a: ClusterNode
  readonly b: ClusterNode
  readonly pool: FailoverPool
  readonly subscription: Subscription
  /** Payloads and gaps in order of arrival. */
  readonly diary: string[]
  readonly gaps: Gap[]
}

async function subscribe(driver: Driver): Promise<Setup> {
  // With password authentication, so that the URL's password is used with every driver.
  const cluster: Cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
  const pools = cluster.nodes.map(({ name, url }) => createPool({ driver, connection: url, name }))
  const pool = withFailover(pools, { probe: { intervalMs: 250 } })
  const db = withReplicas(pool, pool.topology)
  const diary: string[] = []
  const gaps: Gap[] = []
  const subscription = await db.reader().listen('jobs', (payload) => diary.push(payload), {
    onGap: (gap) => {
      gaps.push(gap)
      diary.push('gap')
    },
  })
  const [a, b] = cluster.nodes
  return {
    a: a!,
    b: b!,
    pool,
    subscription,
    diary,
    gaps,
    async [Symbol.asyncDispose]() {
      await db.close({ timeoutMs: 1_000 })
      await cluster.stop()
    },
  }
}

const endpointOf = ({ host, port }: ClusterNode): string => `${host}:${port}/app`

async function send(pool: FailoverPool, payload: string): Promise<void> {
  await pool.query('select pg_notify($1, $2)', ['jobs', payload])
}

describe('listen through a failover', () => {
  scenario(
    'F01: listens on the new primary after the old one was killed; every notification arrives or lies in the gap',
    async ({ make }) => {
      await using setup = await subscribe(make())
      const { a, b, pool, subscription, diary, gaps } = setup
      await send(pool, 'before')
      await until(() => diary.length === 1, 'the first notification')
      await a.kill()
      await until(() => !subscription.listening, 'the loss to be noticed')
      await b.promote()
      await until(() => subscription.listening, 'the new session')
      expect(performance.now() - b.promotedAt!).toBeLessThan(2_000)
      await send(pool, 'after')
      await until(() => diary.at(-1) === 'after', 'the notification of the new primary')
      expect(diary).toEqual(['before', 'gap', 'after'])
      expect(gaps[0]).toMatchObject({
        channel: 'jobs',
        reason: {
          message: `primary moved ${endpointOf(a)} → ${endpointOf(b)}; see POOLHOUSE_CONNECTION_LOST`,
        },
      })
      expect(await b.sql(LISTENERS)).toEqual([{ n: 1 }])
    },
  )

  scenario(
    'F03, F04: ignores a formerly frozen primary, whatever it sends after it wakes up',
    async ({ make }) => {
      await using setup = await subscribe(make())
      const { a, b, pool, subscription, diary, gaps } = setup
      await a.freeze()
      await until(() => !subscription.listening, 'the frozen primary to be given up')
      await b.promote()
      await until(() => subscription.listening, 'the new session')
      await a.thaw()
      await until(() => pool.topology.current.nodes[0]?.state === 'fenced', 'the fence')
      await a.sql(`select pg_notify('jobs', 'from the past')`)
      await until(async () => (await a.sql<{ n: number }>(LISTENERS))[0]?.n === 0, 'a to be left')
      await a.sql(`select pg_notify('jobs', 'from the past')`)
      await send(pool, 'after')
      await until(() => diary.at(-1) === 'after', 'the notification of the new primary')
      expect(diary).toEqual(['gap', 'after'])
      expect(gaps[0]!.reason.message).toMatch(/^primary moved/)
    },
  )

  scenario(
    'F07: listens again on a primary that restarted in place, and closing the pool ends the session',
    async ({ make }) => {
      await using setup = await subscribe(make())
      const { a, pool, subscription, diary } = setup
      await a.restart()
      await until(() => diary.includes('gap'), 'the gap')
      // The restart may be noticed when the new session listens already, and cost that session too.
      await until(async () => {
        await send(pool, 'after')
        return diary.at(-1) === 'after'
      }, 'a notification')
      expect(diary[0]).toBe('gap')
      await pool.close()
      expect(subscription).toMatchObject({ closed: true, listening: false })
      await until(async () => (await a.sql<{ n: number }>(LISTENERS))[0]?.n === 0, 'the end')
    },
  )
})

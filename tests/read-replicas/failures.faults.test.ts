import {
  ConnectionLostError,
  NoPrimaryError,
  NoSuitableNodeError,
  type Transaction,
} from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import { afterEach, beforeAll, describe, expect } from 'vitest'
import { scenario } from '../support/scenario.js'
import { pause, Readers } from './readers.js'
import {
  poolsOf,
  type ReplicaCluster,
  startReplicaCluster,
  until,
  untilFitting,
} from './replica-cluster.js'

// Far above what freeing a caller takes on a busy machine, and far below the 10 s and 20 s after
// which its deadlines would have done it.
const FREED_MS = 8_000

let setting: ReplicaCluster

beforeAll(async () => {
  setting = await startReplicaCluster({ settings: { max_standby_streaming_delay: '100ms' } })
  return () => setting[Symbol.asyncDispose]()
})
afterEach(async () => {
  for (const node of [setting.b, setting.c]) {
    if (node.running) await node.thaw()
    else await node.start()
  }
})

describe('replicas that fail', () => {
  scenario(
    'F32, S36: killed under load cost no read an error, and come back by a probe',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const { db } = routed
      const events: string[] = []
      db.on('ejected', ({ node }) => events.push(`ejected ${node}`))
      db.on('admitted', ({ node }) => events.push(`admitted ${node}`))
      await untilFitting(db, ['b', 'c'])
      await using readers = new Readers(db, 20)
      await pause(300)
      await setting.b.kill()
      await until(
        () => readers.nodes.slice(-40),
        (last) => last.every((node) => node === 'c'),
      )
      expect(readers.errors).toEqual([])
      expect(events).toEqual(['ejected b'])
      await setting.b.start()
      await untilFitting(db, ['b', 'c'])
      await until(
        () => readers.nodes.slice(-200),
        (last) => last.includes('b'),
      )
      await readers.stop()
      expect(readers.errors).toEqual([])
      expect(readers.longestMs).toBeLessThan(FREED_MS)
      expect(events).toEqual(['ejected b', 'admitted b'])
    },
  )

  scenario('do not keep those waiting who wait for a connection to them', async ({ make }) => {
    await using routed = setting.connect(make())
    const { db, pools } = routed
    await untilFitting(db, ['b', 'c'])
    // More callers than connections: half of them wait in the pool of the node that dies.
    await using readers = new Readers(db, 60, 'select pg_sleep(0.02)')
    await pause(300)
    expect(pools[1]!.stats().pending).toBeGreaterThan(0)
    await setting.b.kill()
    await until(
      () => readers.nodes.slice(-120),
      (last) => last.every((node) => node === 'c'),
    )
    await readers.stop()
    expect(readers.errors).toEqual([])
    expect(readers.longestMs).toBeLessThan(FREED_MS)
  })

  scenario(
    'F34, S37: leave reads to the primary when all are dead, within its share',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const { db, pools } = routed
      await untilFitting(db, ['b', 'c'])
      await using readers = new Readers(db, 20, 'select pg_sleep(0.005)')
      await pause(200)
      await Promise.all([setting.b.kill(), setting.c.kill()])
      await until(
        () => readers.nodes.slice(-50),
        (last) => last.every((node) => node === 'a'),
      )
      let most = 0
      for (let look = 0; look < 100; look++) {
        most = Math.max(most, pools[0]!.stats().leased)
        await pause(5)
      }
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThanOrEqual(3)
      await readers.stop()
      const lease = await Promise.all([1, 2, 3].map(() => db.reader().acquire()))
      await expect(db.reader().acquire({ timeoutMs: 100 })).rejects.toThrow(NoSuitableNodeError)
      for (const held of lease) held.release()
      await Promise.all([setting.b.start(), setting.c.start()])
      await untilFitting(db, ['b', 'c'], 40_000)
      // A read that was sent twice to nodes that died at once may have used up its one retry.
      expect(readers.errors.length).toBeLessThanOrEqual(20)
      expect((await db.reader().query('select 1')).node).not.toBe('a')
    },
  )

  scenario('F33: frozen give up their reads to the other one', async ({ make }) => {
    await using routed = setting.connect(make())
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    await using readers = new Readers(db, 10)
    await pause(200)
    await setting.b.freeze()
    // All of them have been to b and come back.
    const ejected = new Promise<string>((resolve) => db.on('ejected', ({ node }) => resolve(node)))
    expect(await ejected).toBe('b')
    const before = readers.nodes.length
    await until(
      () => readers.nodes.slice(before),
      (after) => after.length >= 100 && after.slice(-50).every((node) => node === 'c'),
    )
    await readers.stop()
    expect(readers.errors).toEqual([])
    expect(readers.longestMs).toBeLessThan(FREED_MS)
  })

  scenario(
    'F33: frozen cost no read more than hedgeAfterMs, while the budget lasts',
    async ({ make }) => {
      await using routed = setting.connect(make(), { strategy: 'roundRobin', hedgeAfterMs: 100 })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      // Earns nothing any more: ten may be sent twice.
      for (let read = 0; read < 20; read++) await db.reader().query('select 1')
      await setting.b.freeze()
      const reads = await Promise.all(
        Array.from({ length: 8 }, () =>
          db.reader().query('select 1', undefined, { timeoutMs: 20_000 }),
        ),
      )
      await setting.b.thaw()
      expect(new Set(reads.map(({ node }) => node))).toEqual(new Set(['c']))
      const { hedged = 0, hedgesWon } = db.stats().routing!
      // Those that began on c were sent to b too where c took its time, and won nothing.
      expect(hedgesWon).toBeGreaterThan(0)
      expect(hedged).toBeLessThanOrEqual(10)
      // What was given up on the frozen node is cancelled there: its connections serve again.
      await until(
        () => db.reader().query('select 1'),
        ({ node }) => node === 'b',
      )
    },
  )

  scenario(
    'F31, S44: cancel reads in favour of replay, which are then done on the other one',
    async ({ make }) => {
      await using routed = setting.connect(make(), { strategy: 'roundRobin' })
      const { db } = routed
      const events: string[] = []
      db.on('ejected', ({ node }) => events.push(node))
      await untilFitting(db, ['b', 'c'])
      await db.query('insert into notes select generate_series(1, 1000)')
      await untilFitting(db, ['b', 'c'])
      const read = db.reader().query('select pg_sleep(1.5), (select count(*) from notes)')
      await pause(200)
      await db.query('delete from notes')
      await db.query('vacuum notes')
      const { node } = await read
      expect(['b', 'c']).toContain(node)
      expect(events).toEqual([])
    },
  )
})

describe('a read-only transaction', () => {
  scenario(
    'S52: stays on its node, and is begun anew elsewhere only if its caller has said so',
    async ({ make }) => {
      await using routed = setting.connect(make(), { strategy: 'roundRobin' })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      const nodes: string[] = []
      // Kills its own node between its two statements, the first time.
      const work = async (tx: Transaction): Promise<string> => {
        const first = await tx.query('select 1')
        nodes.push(first.node!)
        const dying = nodes.length === 1 ? (first.node === 'b' ? setting.b : setting.c) : undefined
        await dying?.kill()
        const second = await tx.query('select 1')
        expect(second.node).toBe(first.node)
        return second.node!
      }
      await expect(db.transaction(work, { readOnly: true })).rejects.toThrow(ConnectionLostError)
      expect(nodes).toHaveLength(1)
      await (nodes[0] === 'b' ? setting.b : setting.c).start()
      await untilFitting(db, ['b', 'c'], 40_000)
      nodes.length = 0
      const node = await db.transaction(work, { readOnly: true, retry: { attempts: 2 } })
      expect(nodes).toHaveLength(2)
      expect(nodes[1]).toBe(node)
      expect(new Set(nodes)).toEqual(new Set(['b', 'c']))
    },
  )
})

describe('replicas of a failover pool', () => {
  scenario('serve reads, are left when they die and are found again', async ({ make }) => {
    const primary = withFailover(poolsOf(setting.cluster, make()), { probe: { intervalMs: 250 } })
    await using db = withReplicas(primary, primary.topology)
    expect((await db.query('select 1')).node).toBe('a')
    await untilFitting(db, ['b', 'c'])
    await using readers = new Readers(db, 20)
    await pause(300)
    await setting.b.kill()
    await until(
      () => readers.nodes.slice(-40),
      (last) => last.every((node) => node === 'c'),
    )
    await setting.b.start()
    await untilFitting(db, ['b', 'c'])
    await readers.stop()
    expect(readers.errors).toEqual([])
    expect(readers.longestMs).toBeLessThan(FREED_MS)
  })

  scenario('F11, S61: serve reads for as long as there is no primary', async ({ make }) => {
    await using lone = await startReplicaCluster()
    const primary = withFailover(poolsOf(lone.cluster, make()), { hold: { timeoutMs: 500 } })
    await using db = withReplicas(primary, primary.topology, { maxStalenessMs: 1_500 })
    await untilFitting(db, ['b', 'c'])
    await lone.primary.kill()
    await until(
      () => primary.topology.current.primary,
      (node) => node === undefined,
    )
    await using readers = new Readers(db, 4)
    await pause(4_000)
    await readers.stop()
    expect(readers.errors).toEqual([])
    expect(new Set(readers.nodes)).toEqual(new Set(['b', 'c']))
    await expect(db.query('insert into notes values (1)')).rejects.toThrow(NoPrimaryError)
  })
})

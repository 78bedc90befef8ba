import { type QueryResult, ReadIntentError } from '@poolhouse/core'
import type { ReplicaPool } from '@poolhouse/read-replicas'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS, PG, POSTGRES_JS } from '../support/drivers.js'
import { pause, Readers } from './readers.js'
import {
  fitting,
  type ReplicaCluster,
  startReplicaCluster,
  untilFitting,
} from './replica-cluster.js'

let setting: ReplicaCluster

beforeAll(async () => {
  setting = await startReplicaCluster()
})
afterAll(() => setting?.[Symbol.asyncDispose]())

/** So many reads, one after the other. */
async function inTurn(db: ReplicaPool, reads: number): Promise<QueryResult<unknown>[]> {
  const results: QueryResult<unknown>[] = []
  for (let read = 0; read < reads; read++) results.push(await db.reader().query('select 1'))
  return results
}

/** How many of them each node has answered. */
function tally(results: readonly QueryResult<unknown>[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { node } of results) counts[node!] = (counts[node!] ?? 0) + 1
  return counts
}

describe('reads on real replicas', () => {
  it.each(DRIVERS)(
    'S15: are spread evenly over replicas that answer equally fast over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      // No speed is known yet, so the less busy one gets each of them. Later the
      // shares follow the answers.
      const crowd = await Promise.all(
        Array.from({ length: 40 }, () => db.reader().query('select 1')),
      )
      expect(tally(crowd)).toEqual({ b: 20, c: 20 })
    },
  )

  it.each(DRIVERS)(
    'S15: reach every replica at random, and take turns where that is wanted over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { strategy: 'random' })
      await untilFitting(routed.db, ['b', 'c'])
      const atRandom = tally(await inTurn(routed.db, 50))
      expect(Object.keys(atRandom).sort()).toEqual(['b', 'c'])
      await using other = setting.connect(make(), { strategy: 'roundRobin' })
      await untilFitting(other.db, ['b', 'c'])
      expect(tally(await inTurn(other.db, 50))).toEqual({ b: 25, c: 25 })
    },
  )

  it.each(DRIVERS)(
    'are answered before anything is known of the replicas over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make())
      expect((await routed.db.reader().query('select 1')).node).toBe('a')
    },
  )

  it.each(DRIVERS)('may be transactions that stay on one node over $driver', async ({ make }) => {
    await using routed = setting.connect(make())
    await untilFitting(routed.db, ['b', 'c'])
    const ports = await routed.db.transaction(
      async (tx) => {
        const first = await tx.query<{ port: number }>('select inet_server_port() as port')
        const second = await tx.query<{ port: number }>('select inet_server_port() as port')
        return [first.rows[0]?.port, second.rows[0]?.port]
      },
      { readOnly: true },
    )
    expect([setting.b.port, setting.c.port]).toContain(ports[0])
    expect(ports[1]).toBe(ports[0])
  })

  it.each(DRIVERS)(
    'serializable transactions run on the primary, where they can over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const read = routed.db.transaction(async (tx) => (await tx.query('select 1')).node, {
        readOnly: true,
        isolation: 'serializable',
      })
      await expect(read).resolves.toBe('a')
    },
  )
})

describe('a write behind a reader', () => {
  const insert = 'insert into notes values (1)'

  it.each(DRIVERS)('is refused by a replica over $driver', async ({ make }) => {
    await using routed = setting.connect(make())
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    const error: unknown = await db
      .reader()
      .query(insert)
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ReadIntentError)
    expect(error).toMatchObject({ executed: 'no', cause: { code: '25006' } })
    await expect(db.reader().transaction((tx) => tx.query(insert))).rejects.toThrow(ReadIntentError)
    await expect(db.use((lease) => lease.query(insert), { intent: 'read' })).rejects.toThrow(
      ReadIntentError,
    )
    expect(fitting(db)).toEqual(['b', 'c'])
  })

  it.each(DRIVERS)(
    'is refused on the primary too, and leaves nothing behind on its connection over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const { db } = routed
      const reader = db.reader({ maxStalenessMs: 0 })
      await expect(reader.query(insert)).rejects.toThrow(ReadIntentError)
      await expect(reader.use((lease) => lease.query(insert))).rejects.toThrow(ReadIntentError)
      await expect(reader.transaction((tx) => tx.query(insert))).rejects.toThrow(ReadIntentError)
      expect((await reader.query('select count(*)::int as notes from notes')).rows).toEqual([
        { notes: 0 },
      ])
      await Promise.all(Array.from({ length: 4 }, () => db.query(insert)))
      expect((await db.query('delete from notes')).rowCount).toBe(4)
    },
  )
})

describe('staleness of real replicas', () => {
  it.each([PG])(
    'S41: does not grow while the primary writes nothing, wherever its log happens to end over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { maxStalenessMs: 1_000 })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      // After a switch the next record will stand behind the header of a new segment.
      await setting.primary.sql('select pg_switch_wal()')
      await pause(500)
      await using readers = new Readers(db, 1)
      const until = performance.now() + 4_000
      while (performance.now() < until) {
        expect(fitting(db)).toEqual(['b', 'c'])
        await pause(50)
      }
      await readers.stop()
      expect(readers.nodes).not.toContain('a')
    },
  )

  it.each([POSTGRES_JS])(
    'S42: takes a replica out of rotation whose replay is paused, and back when it goes on over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { maxStalenessMs: 1_000 })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      await setting.b.pauseReplay()
      try {
        await db.query('insert into notes values (1)')
        using watch = new Stopwatch()
        await untilFitting(db, ['c'])
        expect(watch.elapsedMs).toBeLessThan(1_000 + 2 * 240)
        await using readers = new Readers(db, 2)
        await pause(200)
        await readers.stop()
        expect([...new Set(readers.nodes)]).toEqual(['c'])
      } finally {
        await setting.b.resumeReplay()
      }
      await untilFitting(db, ['b', 'c'])
    },
  )

  it.each([POSTGRES_JS])(
    'F29: of a delayed replica is never underestimated over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { maxStalenessMs: 1_000 })
      const { db } = routed
      await setting.b.setApplyDelay(1_500)
      try {
        await untilFitting(db, ['b', 'c'])
        const written = new Map<number, number>()
        const nodes = new Set<string | undefined>()
        let id = 0
        const until = performance.now() + 3_000
        while (performance.now() < until) {
          await db.query('insert into notes values ($1)', [++id])
          written.set(id, performance.now())
          const askedAt = performance.now()
          const { rows, node } = await db
            .reader()
            .query<{ id: number }>('select max(id) as id from notes')
          nodes.add(node)
          const firstUnseen = written.get((rows[0]?.id ?? 0) + 1)
          if (firstUnseen !== undefined) expect(askedAt - firstUnseen).toBeLessThan(1_000)
          await pause(5)
        }
        expect(nodes).toContain('c')
      } finally {
        await setting.b.setApplyDelay(0)
        await db.query('delete from notes')
      }
    },
  )
})

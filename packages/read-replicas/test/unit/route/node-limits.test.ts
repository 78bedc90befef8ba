import { beforeEach, describe, expect, test } from 'vitest'
import { type ReplicaPool, withReplicas } from '../../../src/index.js'
import { refused } from '../failures.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock, settle } from '../manual-clock.js'
import { FakeTopology, nodeOf, sequence, served, startSetting, tally } from '../setting.js'

/** Keeps reads on the node under way until the returned function is called. */
function hold(pool: FakePool): () => void {
  const ends: (() => void)[] = []
  pool.answer = () =>
    new Promise<void>((resolve) => {
      ends.push(resolve)
    })
  return () => {
    pool.answer = () => undefined
    for (const end of ends) end()
  }
}

describe('maxReadsPerNode', () => {
  test('sends reads beyond the limit of one replica to the other, and then to the primary', async () => {
    const { db, primary, b, c } = await startSetting({ maxReadsPerNode: 2 })
    const [free, freeC] = [hold(b), hold(c)]
    const reads = Array.from({ length: 6 }, () => db.reader().query('select 1'))
    await settle()
    expect([b.asked.length, c.asked.length]).toEqual([2, 2])
    expect(primary.asked.filter(({ text }) => text === 'select 1')).toHaveLength(2)
    free()
    freeC()
    expect(tally((await Promise.all(reads)).map(({ node }) => node))).toEqual(
      new Map([
        ['b', 2],
        ['c', 2],
        ['a', 2],
      ]),
    )
    expect(tally(await served(db, 6)).has('a')).toBe(false)
  })

  test('gives a place that becomes free on a replica to a read that waits for the primary', async () => {
    const { db, b, c } = await startSetting({ maxReadsPerNode: 1, primaryShare: 0.1 })
    const [free, freeC] = [hold(b), hold(c)]
    const first = [1, 2].map(() => db.reader().query('select 1'))
    const held = await db.reader().acquire()
    expect(held.node).toBe('a')
    const waits = db.reader().query('select 1')
    await settle()
    free()
    expect((await waits).node).toBe('b')
    freeC()
    held.release()
    await Promise.all(first)
  })

  test('counts connections that callers hold until they give them back', async () => {
    const { db, b, c } = await startSetting({ maxReadsPerNode: 1, strategy: 'roundRobin' })
    const leases = [await db.reader().acquire(), await db.reader().acquire()]
    expect(leases.map(({ node }) => node)).toEqual(['b', 'c'])
    expect((await db.reader().query('select 1')).node).toBe('a')
    leases[0]!.release()
    expect((await db.reader().query('select 1')).node).toBe('b')
    leases[1]!.release()
    expect([b.acquired.length, c.acquired.length]).toEqual([1, 1])
  })
})

describe('a replica that has come back', () => {
  /** Share of b in the reads, some time after b has come back. */
  async function sharesOf(slowStartMs: number, afterMs: readonly number[]): Promise<number[]> {
    const { db, b, clock } = await startSetting({ slowStartMs, strategy: 'random' })
    b.down = refused()
    await clock.advance(5_000)
    b.down = undefined
    let back = Number.POSITIVE_INFINITY
    db.on('admitted', () => {
      back = clock.now()
    })
    while (back === Number.POSITIVE_INFINITY) await clock.advance(50)
    const shares: number[] = []
    for (const ms of afterMs) {
      await clock.advance(back + ms - clock.now())
      shares.push((tally(await served(db, 400)).get('b') ?? 0) / 400)
    }
    return shares
  }

  test('S35: gets a tenth of its share at first and all of it in the end', async () => {
    const [first, middle, last] = (await sharesOf(10_000, [50, 5_000, 10_000])) as [
      number,
      number,
      number,
    ]
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThan(0.12)
    expect(middle).toBeGreaterThan(first + 0.08)
    expect(middle).toBeLessThan(0.4)
    expect(last).toBeGreaterThan(0.42)
  })

  test('S35: gets its full share at once with slowStartMs 0', async () => {
    const [first] = await sharesOf(0, [50])
    expect(first).toBeGreaterThan(0.42)
  })

  test('S35: gets every read while it is the only one', async () => {
    const { db, b, c, clock, events } = await startSetting()
    b.down = c.down = refused()
    await clock.advance(5_000)
    b.down = undefined
    while (!events.includes('admitted b')) await clock.advance(100)
    expect(tally(await served(db, 20))).toEqual(new Map([['b', 20]]))
  })
})

describe('a zone', () => {
  let here: FakePool
  let there: FakePool
  let db: ReplicaPool

  beforeEach(() => {
    const primary = new FakePool('a')
    here = new FakePool('b')
    there = new FakePool('c')
    here.max = 10
    const topology = new FakeTopology([
      nodeOf(primary, 'primary'),
      nodeOf(here, 'replica', 0, 'eu-1'),
      nodeOf(there, 'replica', 0, 'eu-2'),
    ])
    const follower = Object.assign(new FakePool('follower'), { topology })
    db = withReplicas(follower, topology, {
      clock: new ManualClock(),
      random: sequence(),
      zone: 'eu-1',
    })
  })

  test('S45: keeps its reads until eight of ten connections are busy with them, then shares', async () => {
    const [free, freeThere] = [hold(here), hold(there)]
    const reads: Promise<{ node?: string }>[] = []
    for (let read = 0; read < 8; read++) reads.push(db.reader().query('select 1'))
    await settle()
    expect([here.asked.length, there.asked.length]).toEqual([8, 0])
    for (let read = 0; read < 8; read++) reads.push(db.reader().query('select 1'))
    await settle()
    expect([here.asked.length, there.asked.length]).toEqual([8, 8])
    free()
    freeThere()
    await Promise.all(reads)
    expect(tally(await served(db, 20))).toEqual(new Map([['b', 20]]))
  })

  test('S45: gets its replica back as soon as that has room again', async () => {
    const free = hold(here)
    const reads = Array.from({ length: 8 }, () => db.reader().query('select 1'))
    await settle()
    expect((await db.reader().query('select 1')).node).toBe('c')
    free()
    await Promise.all(reads)
    expect((await db.reader().query('select 1')).node).toBe('b')
  })
})

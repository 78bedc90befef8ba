import { createPool } from '@poolhouse/core'
import { withReplicas } from '@poolhouse/read-replicas'
import { startFaultProxy } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../../support/drivers.js'
import { type ReplicaCluster, startReplicaCluster, untilFitting } from '../replica-cluster.js'

let setting: ReplicaCluster
let lastId = 0

beforeAll(async () => {
  setting = await startReplicaCluster()
})
afterAll(() => setting?.[Symbol.asyncDispose]())

describe.each(DRIVERS)('the position of a write over $driver', ({ make }) => {
  it('S47: comes with its answer: nothing is asked between a write and the next, and each is seen', async () => {
    await using proxy = await startFaultProxy(setting.primary.url)
    const [a, b, c] = [proxy.url(), setting.b.url, setting.c.url].map((connection, index) =>
      createPool({ driver: make(), connection, name: 'abc'[index]!, max: 4 }),
    )
    await using db = withReplicas(a!, [b!, c!], { whenStale: { waitMs: 0 } })
    await untilFitting(db, ['b', 'c'])
    const session = db.session()
    const positions: bigint[] = []
    const texts: string[] = []
    const write = async (): Promise<void> => {
      const id = ++lastId
      await session.query('insert into notes values ($1)', [id])
      positions.push(BigInt(`0x${session.token.split('.')[3]}`))
      const seen = await session.reader().query('select 1 from notes where id = $1', [id])
      expect(seen.rows).toHaveLength(1)
    }
    await write()
    proxy.onStatement((text) => texts.push(text))
    for (let turn = 1; turn < 20; turn++) await write()
    for (const [index, position] of positions.entries()) {
      if (index > 0) expect(position).toBeGreaterThan(positions[index - 1]!)
    }
    // The monitor goes on at its own pace.
    const asked = texts.filter((text) => text.includes('pg_is_in_recovery'))
    expect(asked.length).toBeLessThan(10)
    expect(db.stats().routing).toMatchObject({ write: 20 })
  })

  it('T94, T95: an array and a batch in a session are seen by its reads', async () => {
    const [a, b, c] = [setting.primary.url, setting.b.url, setting.c.url].map((connection, index) =>
      createPool({ driver: make(), connection, name: 'abc'[index]!, max: 4 }),
    )
    await using db = withReplicas(a!, [b!, c!], { whenStale: { waitMs: 0 } })
    await untilFitting(db, ['b', 'c'])
    const session = db.session()
    const seen = async (id: number): Promise<unknown[]> =>
      (await session.reader().query('select 1 from notes where id = $1', [id])).rows
    const insert = (id: number): { text: string; values: number[] } => ({
      text: 'insert into notes values ($1)',
      values: [id],
    })
    for (let turn = 0; turn < 10; turn++) {
      const [one, two, three] = [++lastId, ++lastId, ++lastId]
      await session.transaction([insert(one), 'select 1'])
      expect(await seen(one)).toHaveLength(1)
      const before = session.token
      await using lease = await session.acquire()
      await lease.batch([insert(two), 'begin', insert(three), 'commit'])
      expect(session.token).not.toBe(before)
      expect(await seen(two)).toHaveLength(1)
      expect(await seen(three)).toHaveLength(1)
    }
  })
})

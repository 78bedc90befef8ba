import type { Pool } from '@poolhouse/core'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { pause } from '../readers.js'
import { type ReplicaCluster, startReplicaCluster, untilFitting } from '../replica-cluster.js'

let setting: ReplicaCluster

beforeAll(async () => {
  setting = await startReplicaCluster({ replicas: 3 })
  await setting.primary.sql('create table counter(n int not null)')
  await setting.primary.sql('insert into counter values (0)')
  await setting.primary.sql('grant all on counter to public')
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const NODES = ['b', 'c', 'd']
// No id is used twice: what a paused replica has not forgotten yet must not be taken for something
// new.
let lastId = 0

/** Runs `step` so often, in so many chains at once. */
async function repeat(
  times: number,
  chains: number,
  step: (turn: number, chain: number) => Promise<void>,
): Promise<void> {
  let turn = 0
  const run = async (chain: number): Promise<void> => {
    while (turn < times) await step(turn++, chain)
  }
  await Promise.all(Array.from({ length: chains }, (_, chain) => run(chain)))
}

/** How many of a thousand reads do not see what was written just before. */
async function missedWrites(viewOf: () => { writer: Pool; reader: Pool }): Promise<{
  missed: number
  nodes: Map<string, number>
}> {
  let missed = 0
  const nodes = new Map<string, number>()
  await repeat(1_000, 40, async () => {
    const id = ++lastId
    const { writer, reader } = viewOf()
    await writer.query('insert into notes values ($1)', [id])
    const read = await reader.query('select 1 from notes where id = $1', [id])
    if (read.rows.length === 0) missed++
    nodes.set(read.node!, (nodes.get(read.node!) ?? 0) + 1)
  })
  return { missed, nodes }
}

describe('a session on real replicas', () => {
  scenario(
    'S47, F30: sees its write a thousand times of a thousand while the replay of replicas is paused',
    async ({ make }) => {
      await using routed = setting.connect(make(), { strategy: 'random', maxStalenessMs: 60_000 })
      const { db } = routed
      await untilFitting(db, NODES)
      await setting.b.pauseReplay()
      try {
        const plain = await missedWrites(() => ({ writer: db, reader: db.reader() }))
        expect(plain.missed).toBeGreaterThan(100)
        const one = await missedWrites(() => {
          const session = db.session()
          return { writer: session, reader: session.reader() }
        })
        expect(one.missed).toBe(0)
        expect(one.nodes.get('c')).toBeGreaterThan(100)
        expect(one.nodes.get('b')).toBeUndefined()
        for (const node of setting.cluster.replicas) await node.pauseReplay()
        const all = await missedWrites(() => {
          const session = db.session(undefined, { waitForTokenMs: 10 })
          return { writer: session, reader: session.reader() }
        })
        expect(all).toEqual({ missed: 0, nodes: new Map([['a', 1_000]]) })
      } finally {
        for (const node of setting.cluster.replicas) await node.resumeReplay()
      }
      await untilFitting(db, NODES)
    },
  )

  scenario(
    'S51, F29: goes back in none of ten thousand reads over replicas of different lag',
    async ({ make }) => {
      const [, , c, d] = setting.cluster.nodes
      await c!.setApplyDelay(80)
      await d!.setApplyDelay(250)
      try {
        await using routed = setting.connect(make(), { strategy: 'random' })
        const { db } = routed
        await untilFitting(db, NODES)
        let writing = true
        const writer = (async () => {
          while (writing) {
            await db.query('update counter set n = n + 1')
            await pause(2)
          }
        })()
        const backwards = async (
          reads: number,
          readAs: (chain: number) => Promise<{ rows: { n: number }[]; node?: string }>,
        ): Promise<{ count: number; nodes: Set<string> }> => {
          const last = new Map<number, number>()
          const nodes = new Set<string>()
          let count = 0
          await repeat(reads, 20, async (_, chain) => {
            const { rows, node } = await readAs(chain)
            if (rows[0]!.n < (last.get(chain) ?? 0)) count++
            last.set(chain, rows[0]!.n)
            nodes.add(node!)
          })
          return { count, nodes }
        }
        const text = 'select n from counter'
        const plain = await backwards(500, () => db.reader().query(text))
        expect(plain.count).toBeGreaterThan(20)
        // Every read is another request, that knows of the one before by its token alone.
        const tokens = new Map<number, string>()
        const requests = await backwards(10_000, async (chain) => {
          const session = db.session(tokens.get(chain))
          const read = await session.reader().query<{ n: number }>(text)
          tokens.set(chain, await session.freshToken())
          return read
        })
        expect(requests.count).toBe(0)
        expect(requests.nodes).toContain('b')
        const sessions = Array.from({ length: 20 }, () => db.session())
        const long = await backwards(5_000, (chain) => sessions[chain]!.reader().query(text))
        expect(long.count).toBe(0)
        writing = false
        await writer
      } finally {
        await c!.setApplyDelay(0)
        await d!.setApplyDelay(0)
      }
    },
  )

  scenario('S55: sees a write that was not even flushed when it settled', async ({ make }) => {
    await using routed = setting.connect(make(), { waitForTokenMs: 2_000 })
    const { db } = routed
    await untilFitting(db, NODES)
    const nodes = new Set<string>()
    for (let turn = 0; turn < 20; turn++) {
      const id = ++lastId
      const session = db.session()
      await session.transaction(async (tx) => {
        await tx.query('set local synchronous_commit to off')
        await tx.query('insert into notes values ($1)', [id])
      })
      const read = await session.reader().query('select 1 from notes where id = $1', [id])
      expect(read.rows).toHaveLength(1)
      nodes.add(read.node!)
    }
    expect(nodes).not.toContain('a')
  })

  scenario('S49: is served by any replica as soon as all have its write', async ({ make }) => {
    await using routed = setting.connect(make(), { strategy: 'roundRobin' })
    const { db } = routed
    await untilFitting(db, NODES)
    const writer = db.session()
    await writer.query('insert into notes values (1)')
    const nodes = new Set<string>()
    for (const deadline = performance.now() + 20_000; nodes.size < 3; await pause(10)) {
      expect(performance.now()).toBeLessThan(deadline)
      const session = db.session(writer.token)
      nodes.add((await session.reader().query('select 1')).node!)
    }
    expect([...nodes].sort()).toEqual(NODES)
  })

  scenario(
    'S48: answers from the primary when its token is forged or of another cluster',
    async ({ make }) => {
      await using routed = setting.connect(make(), { tokenSecret: 'a secret of some length' })
      const { db } = routed
      await untilFitting(db, NODES)
      const reasons: string[] = []
      db.on('token', ({ reason }) => reasons.push(reason))
      const session = db.session()
      await session.query('insert into notes values (1)')
      expect(await session.caughtUp({ waitMs: 5_000 })).toBe(true)
      const good = await db.session(session.token).reader().query('select 1')
      expect(NODES).toContain(good.node)
      expect(reasons).toEqual([])
      const forged = await db
        .session(session.token.replace(/^v1\.\d/, (begin) => (begin === 'v1.9' ? 'v1.8' : 'v1.9')))
        .reader()
        .query('select 1')
      expect([forged.node, forged.stalenessMs]).toEqual(['a', 0])
      await using open = setting.connect(make())
      open.db.on('token', ({ reason }) => reasons.push(reason))
      await untilFitting(open.db, NODES)
      const foreign = await open.db.session('v1.4711.1.10').reader().query('select 1')
      expect(foreign.node).toBe('a')
      expect(reasons).toEqual(['forged', 'foreign'])
    },
  )

  scenario(
    'S50: lets a job wait once for a replica, and then read from the primary',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const { db } = routed
      await untilFitting(db, NODES)
      for (const node of setting.cluster.replicas) await node.pauseReplay()
      const id = ++lastId
      const writer = db.session()
      try {
        await writer.query('insert into notes values ($1)', [id])
        expect(await writer.caughtUp({ waitMs: 50 })).toBe(false)
        const job = db.session(writer.token, { deferMs: 300 })
        const startedAt = performance.now()
        const read = await job.reader().query('select 1 from notes where id = $1', [id])
        expect(performance.now() - startedAt).toBeGreaterThan(295)
        expect([read.node, read.rows.length]).toEqual(['a', 1])
      } finally {
        for (const node of setting.cluster.replicas) await node.resumeReplay()
      }
      expect(await writer.caughtUp({ waitMs: 10_000 })).toBe(true)
      const job = db.session(writer.token, { deferMs: 10_000 })
      const read = await job.reader().query('select 1 from notes where id = $1', [id])
      expect(NODES).toContain(read.node)
      expect(read.rows).toHaveLength(1)
    },
  )

  scenario('tells how old an answer may be, and counts where reads went', async ({ make }) => {
    await using routed = setting.connect(make())
    const { db } = routed
    await untilFitting(db, NODES)
    const read = await db.reader().query('select 1')
    expect(NODES).toContain(read.node)
    expect(read.stalenessMs).toBeLessThan(5_000)
    expect((await db.reader({ maxStalenessMs: 0 }).query('select 1')).stalenessMs).toBe(0)
    expect(db.stats().routing).toMatchObject({ replica: 1, primaryNoneFits: 1 })
  })
})

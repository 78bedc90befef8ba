import { createPool, type Driver } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import { startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { oldestBinaries } from '../support/every-server.js'
import { pause } from './readers.js'
import {
  poolsOf,
  type ReplicaCluster,
  startReplicaCluster,
  until,
  untilFitting,
} from './replica-cluster.js'

const CASES = DRIVERS.flatMap((driver) => [
  { ...driver, version: 18 as const },
  { ...driver, version: 14 as const },
])

async function start(version: 14 | 18): Promise<ReplicaCluster> {
  const binaries = version === 14 ? { binaries: await oldestBinaries() } : {}
  return await startReplicaCluster({ synchronous: false, ...binaries })
}

/** Writes numbers, and knows what a reader that sees up to one of them lacks. */
class Writer {
  /** When each number was sent. */
  readonly #sentAt: number[] = []
  readonly #write: (id: number) => Promise<unknown>
  #stopped = false
  #done: Promise<void> | undefined

  constructor(write: (id: number) => Promise<unknown>) {
    this.#write = write
  }

  start(everyMs: number): void {
    this.#done = (async () => {
      while (!this.#stopped) {
        const id = this.#sentAt.length
        await this.#write(id)
        // Committed by now: who does not see it from here on is that old.
        this.#sentAt.push(performance.now())
        await pause(everyMs)
      }
    })()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  /**
   * How old an answer was that showed this number as the newest, to a question that was sent at
   * this time: at least so much.
   */
  ageOf(seen: number, askedAt: number): number {
    const missed = this.#sentAt[seen + 1]
    return missed === undefined ? 0 : Math.max(0, askedAt - missed)
  }
}

interface Read {
  readonly node: string
  readonly age: number
  readonly told: number | undefined
}

/** Reads for so long with a bound, and notes how old each answer was and was said to be. */
async function readAll(
  db: ReplicaPool,
  writer: Writer,
  forMs: number,
  bound: number,
): Promise<Read[]> {
  const reads: Read[] = []
  const reader = db.reader({ maxStalenessMs: bound })
  for (const endsAt = performance.now() + forMs; performance.now() < endsAt; await pause(20)) {
    const askedAt = performance.now()
    try {
      const result = await reader.query<{ n: number | null }>(
        'select max(id)::int as n from notes',
        [],
        {
          timeoutMs: 200,
        },
      )
      const age = writer.ageOf(result.rows[0]!.n ?? -1, askedAt)
      reads.push({ node: result.node!, age, told: result.stalenessMs })
    } catch {
      // There may be no replica that is fresh enough.
    }
  }
  return reads
}

function tellWorst(reads: readonly Read[], bound: number): { broken: Read[]; lies: Read[] } {
  return {
    broken: reads.filter(({ age }) => age > bound),
    lies: reads.filter(({ age, told }) => age > (told ?? 0) + 1),
  }
}

describe.each(CASES)('reads over $driver on PostgreSQL $version', ({ make, version }) => {
  it('T57: of sessions go on for as long as no server is promoted, with any holder of their token', async () => {
    await using setting = await start(version)
    const { cluster, primary } = setting
    const followed = withFailover(poolsOf(cluster, make()), { hold: { timeoutMs: 500 } })
    await using db = withReplicas(followed, followed.topology, {
      maxStalenessMs: Number.POSITIVE_INFINITY,
    })
    await untilFitting(db, ['b', 'c'])
    const session = db.session()
    await session.query('insert into notes values (1)')
    expect(await session.caughtUp({ waitMs: 5_000 })).toBe(true)
    const { token } = session
    await db.session(token).reader().query('select 1')
    await primary.kill()
    const nodes = new Set<string>()
    for (const endsAt = performance.now() + 9_000; performance.now() < endsAt; await pause(100)) {
      for (const view of [session, db.session(token)]) {
        const { node, rows } = await view.reader().query('select id from notes')
        expect(rows).toEqual([{ id: 1 }])
        nodes.add(node!)
      }
    }
    expect(nodes.size).toBeGreaterThan(0)
    expect(['b', 'c']).toEqual(expect.arrayContaining([...nodes]))
  })

  it.each([
    [1_000, 1_500],
    [5_000, 5_500],
  ])(
    'T66: keep their bound and tell an upper bound with probes each %i ms, while replay is paused',
    async (intervalMs, bound) => {
      await using setting = await start(version)
      const { cluster, primary, b, c } = setting
      const followed = withFailover(poolsOf(cluster, make()), { probe: { intervalMs } })
      await using db = withReplicas(followed, followed.topology)
      await untilFitting(db, ['b', 'c'])
      const writer = new Writer((id) => primary.sql(`insert into notes values (${id})`))
      writer.start(20)
      const before = await readAll(db, writer, 1_500, bound)
      await Promise.all([b, c].map((node) => node.pauseReplay()))
      const reads = [...before, ...(await readAll(db, writer, bound + 2_000, bound))]
      await writer.stop()
      await Promise.all([b, c].map((node) => node.resumeReplay()))
      expect(tellWorst(reads, bound)).toEqual({ broken: [], lies: [] })
      expect(new Set(reads.map(({ node }) => node)).size).toBeGreaterThan(1)
    },
  )

  it('T67: grow older while the primary is only out of our sight and takes writes from others', async () => {
    await using setting = await start(version)
    const { cluster, primary, b, c } = setting
    await using line = await startFaultProxy(primary.url)
    const driver: Driver = make()
    const [, second, third] = poolsOf(cluster, driver)
    const first = createPool({ driver, connection: line.url(), name: 'a' })
    const followed = withFailover([first, second!, third!], { hold: { timeoutMs: 100 } })
    await using db = withReplicas(followed, followed.topology)
    await untilFitting(db, ['b', 'c'])
    const writer = new Writer((id) => primary.sql(`insert into notes values (${id})`))
    writer.start(20)
    await readAll(db, writer, 500, 1_000)
    // What cuts us off from the primary cuts off its replicas too.
    await Promise.all([b, c].map((node) => node.pauseReplay()))
    line.blackHole()
    const reads = await readAll(db, writer, 6_000, 1_000)
    await writer.stop()
    expect(followed.topology.current.primary).toBeUndefined()
    expect(tellWorst(reads, 1_000)).toEqual({ broken: [], lies: [] })
    await until(
      () => followed.topology.current.replicas.map(({ lag }) => lag?.bytes),
      (bytes) => bytes.length === 2 && bytes.every((one) => one === undefined),
    )
    await Promise.all([b, c].map((node) => node.resumeReplay()))
    await line.heal()
  })
})

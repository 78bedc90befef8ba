import type { Pool } from '@poolhouse/core'
import { createManager, type Manager, type NamedDatabase } from '@poolhouse/manager'
import { runWith } from '@poolhouse/read-replicas'
import type { Cluster } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { until } from '../read-replicas/replica-cluster.js'
import { everyServer } from '../support/every-server.js'

type Bounds = { maxStalenessMs?: number; maxStalenessBytes?: number }

const COUNT = 'select count(*)::int as n from notes'
const STALE = 0
const FRESH = 1
const BOUNDS = [{ maxStalenessMs: 100 }, { maxStalenessBytes: 0 }]

/** How each kind of call sees the table, as a read that accepts what the bounds say. */
const CALLS = {
  query: async (pool: Pool, bounds: Bounds) =>
    (await pool.query<{ n: number }>(COUNT, [], { intent: 'read', ...bounds })).rows[0]!.n,
  acquire: async (pool: Pool, bounds: Bounds) => {
    const lease = await pool.acquire({ intent: 'read', ...bounds })
    try {
      return (await lease.query<{ n: number }>(COUNT)).rows[0]!.n
    } finally {
      lease.release()
    }
  },
  use: (pool: Pool, bounds: Bounds) =>
    pool.use(async (lease) => (await lease.query<{ n: number }>(COUNT)).rows[0]!.n, {
      intent: 'read',
      ...bounds,
    }),
  transaction: (pool: Pool, bounds: Bounds) =>
    pool.transaction(async (tx) => (await tx.query<{ n: number }>(COUNT)).rows[0]!.n, {
      readOnly: true,
      ...bounds,
    }),
  stream: async (pool: Pool, bounds: Bounds) => {
    for await (const { n } of pool.stream<{ n: number }>(COUNT, [], { intent: 'read', ...bounds }))
      return n
    return undefined
  },
  copyTo: (pool: Pool, bounds: Bounds) => copied(pool, { intent: 'read', ...bounds }),
}
const SCOPED = ['query', 'transaction'] as const

async function copied(pool: Pool, options?: Bounds & { intent?: 'read' }): Promise<number> {
  let text = ''
  for await (const piece of pool.copyTo(`copy (${COUNT}) to stdout`, options)) {
    text += Buffer.from(piece).toString()
  }
  return Number(text)
}

describe.each(everyServer({ replicas: 1, synchronous: false }))(
  'reads of a manager over $driver on PostgreSQL $version, with a replica that is behind',
  (server) => {
    const driver = server.make()
    let cluster: Cluster

    beforeAll(async () => {
      cluster = await server.cluster()
      await cluster.primary.sql('create table if not exists notes(id int)')
      await cluster.primary.sql(`grant all on notes to ${cluster.user}`)
    }, 60_000)

    /**
     * A manager whose reads accept any age unless they say otherwise, once it knows how far the
     * replica is behind.
     */
    async function manage(reads: object = {}): Promise<{ manager: Manager; app: NamedDatabase }> {
      const [primary, replica] = cluster.nodes.map(({ url }) => url)
      const manager = createManager({
        drivers: { only: driver },
        databases: {
          app: {
            primary: primary!,
            replicas: [replica!],
            reads: { maxStalenessMs: 600_000, ...reads },
          },
        },
        budget: { perServer: 20 },
        tenants: {
          resolve: (id) =>
            id === 'scoped'
              ? { settings: { 'app.tenant': id } }
              : id === 'schema'
                ? { schema: 'public' }
                : { database: cluster.database },
        },
      })
      const app = manager.database('app')
      const { primary: writer } = cluster
      await cluster.replicas[0]!.resumeReplay()
      await writer.sql('truncate notes')
      await app.query('select 1')
      // It must have been level with the primary once: how far it is behind is not known otherwise.
      await until(
        async () => [fits(app, BOUNDS[1]!), await CALLS.query(app.reader(), BOUNDS[1]!)],
        ([isLevel, notes]) => isLevel === true && notes === 0,
      )
      await cluster.replicas[0]!.pauseReplay()
      await writer.sql('insert into notes values (1)')
      await until(
        () => BOUNDS.map((bounds) => fits(app, bounds)),
        (fit) => !fit.includes(true),
      )
      expect(fits(app, {})).toBe(true)
      return { manager: manager as Manager, app }
    }

    /** Whether the replica fits a read with these bounds. */
    function fits(app: NamedDatabase, bounds: Bounds): boolean {
      const { candidates } = app.explainRoute('select 1', { intent: 'read', ...bounds })
      return candidates.some(({ eligible }) => eligible)
    }

    async function sees(
      pool: Pool,
      bounds: Bounds,
      calls: readonly (keyof typeof CALLS)[] = Object.keys(CALLS) as (keyof typeof CALLS)[],
    ): Promise<Record<string, unknown>> {
      const seen = calls.map(async (call) => [call, await CALLS[call](pool, bounds)] as const)
      return Object.fromEntries(await Promise.all(seen))
    }
    const all = (
      value: number,
      calls: readonly string[] = Object.keys(CALLS),
    ): Record<string, unknown> => Object.fromEntries(calls.map((call) => [call, value]))

    it('T55: each kind of call keeps its own bound, on a named database, its reader, its session and tenants', async () => {
      const { manager, app } = await manage()
      await using _closed = manager
      const pools = {
        app,
        reader: app.reader(),
        session: app.session(),
        'reader of a session': app.session().reader(),
        database: manager.tenant('database'),
        'reader of a tenant': manager.tenant('database').reader(),
        schema: manager.tenant('schema'),
      }
      for (const [name, pool] of Object.entries(pools)) {
        expect([name, await sees(pool, {})]).toEqual([name, all(STALE)])
        for (const bounds of BOUNDS) {
          expect([name, bounds, await sees(pool, bounds)]).toEqual([name, bounds, all(FRESH)])
        }
      }
    })

    it('T55: a tenant behind row-level security keeps both bounds, and those of its reader', async () => {
      const { manager } = await manage()
      await using _closed = manager
      const scoped = manager.tenant('scoped')
      for (const pool of [scoped, scoped.reader()]) {
        expect(await sees(pool, {}, SCOPED)).toEqual(all(STALE, SCOPED))
        expect(await sees(pool, { maxStalenessMs: 100 }, SCOPED)).toEqual(all(FRESH, SCOPED))
        expect(await sees(pool, { maxStalenessBytes: 0 }, SCOPED)).toEqual(all(FRESH, SCOPED))
      }
      for (const bounds of BOUNDS) {
        const reader = scoped.reader(bounds)
        const [asked, ran] = await Promise.all([
          reader.query<{ n: number }>(COUNT),
          reader.transaction((tx) => tx.query<{ n: number }>(COUNT)),
        ])
        expect([asked.rows[0]!.n, ran.rows[0]!.n]).toEqual([FRESH, FRESH])
        // What the reader accepts holds together with what the call says.
        expect(await sees(reader, { maxStalenessMs: 600_000 }, SCOPED)).toEqual(
          all('maxStalenessMs' in bounds ? STALE : FRESH, SCOPED),
        )
        const around = runWith({ intent: 'read' }, () => scoped.query(COUNT, [], bounds))
        expect((await around).rows).toEqual([{ n: FRESH }])
      }
      await expect(scoped.reader().query(COUNT, [], { intent: 'write' })).rejects.toMatchObject({
        name: 'ReadIntentError',
      })
      const written = runWith({ intent: 'read' }, () =>
        scoped.query(COUNT, [], { intent: 'write' }),
      )
      expect((await written).rows).toEqual([{ n: FRESH }])
    })

    it('T55: what runWith says counts for streams and copies too, where they were asked for', async () => {
      const { manager, app } = await manage()
      await using _closed = manager
      for (const pool of [app, manager.tenant('database')]) {
        const rows = runWith({ intent: 'read' }, () => pool.stream<{ n: number }>(COUNT))
        expect((await rows.next()).value).toEqual({ n: STALE })
        await rows.return()
        expect(await runWith({ intent: 'read' }, () => copied(pool))).toBe(STALE)
        const bound = runWith({ intent: 'read', maxStalenessMs: 100 }, () => pool.stream(COUNT))
        expect((await bound.next()).value).toEqual({ n: FRESH })
        await bound.return()
      }
    })

    it.each(['without a replica', 'with one'])(
      'T55: what runWith and hints say counts on a database %s and its tenants, and a session learns of writes',
      async (replicas) => {
        const [primary, replica] = cluster.nodes.map(({ url }) => url)
        await using manager = createManager({
          drivers: { only: driver },
          databases: {
            app: { primary: primary!, replicas: replicas === 'with one' ? [replica!] : undefined },
          },
          budget: { perServer: 20 },
          tenants: {
            resolve: (id) =>
              id === 'scoped' ? { settings: { 'app.tenant': id } } : { database: cluster.database },
          },
        })
        const app = manager.database('app')
        const insert = 'insert into notes values (2)'
        const refused = { name: 'ReadIntentError', executed: 'no' }
        for (const pool of [app, manager.tenant('own'), manager.tenant('scoped')] as Pool[]) {
          const reading = (work: () => Promise<unknown>): Promise<unknown> =>
            runWith({ intent: 'read' }, work)
          await expect(reading(() => pool.query(insert))).rejects.toMatchObject(refused)
          await expect(
            reading(() => pool.transaction((tx) => tx.query(insert))),
          ).rejects.toMatchObject(refused)
          await expect(pool.query(`/* poolhouse: read */ ${insert}`)).rejects.toMatchObject(refused)
          await expect(pool.query(`/* poolhouse: raed */ ${insert}`)).rejects.toThrow(
            'did you mean',
          )
        }
        for (const pool of [app, manager.tenant('own')] as Pool[]) {
          await expect(
            runWith({ intent: 'read' }, () => pool.use((lease) => lease.query(insert))),
          ).rejects.toMatchObject(refused)
          await expect(
            pool.stream(`/* poolhouse: read */ ${insert} returning id`).next(),
          ).rejects.toMatchObject(refused)
        }
        const session = app.session()
        await runWith({ session }, () => app.query(insert))
        expect([session.hasWritten, session.token]).toEqual([true, expect.stringMatching(/./)])
      },
    )

    it('T55: classify finds out the reads among streams and copies too', async () => {
      const { manager, app } = await manage({ classify: 'conservative' })
      await using _closed = manager
      for (const pool of [app, app.session(), manager.tenant('database')]) {
        const asked = await pool.query<{ n: number }>(COUNT)
        expect(asked.rows).toEqual([{ n: STALE }])
        const rows = pool.stream<{ n: number }>(COUNT)
        expect((await rows.next()).value).toEqual({ n: STALE })
        await rows.return()
        expect(await copied(pool)).toBe(STALE)
        const written = pool.stream('insert into notes select 1 where false returning id')
        expect(await written.next()).toEqual({ done: true, value: undefined })
      }
    })
  },
)

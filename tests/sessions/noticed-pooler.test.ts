import {
  type ConnectionPool,
  createPool,
  type PoolerEvent,
  type PoolOptions,
  SessionStateError,
} from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { type PgBouncer, type PgBouncerOptions, startPgBouncer } from '@poolhouse/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { startBalancingRelay } from '../support/balancing-relay.js'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

const DIRECT_ONLY = [
  'set statement_timeout = 1',
  'listen jobs',
  'prepare p as select 1',
  'select pg_advisory_lock(1)',
  'create temp table t (a int)',
  'declare c cursor with hold for select 1',
  "select set_config('statement_timeout', '1', false)",
]

async function rowsOf<Row>(stream: AsyncIterable<Row>): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of stream) rows.push(row)
  return rows
}

describe.each(everyServer())(
  'a pooler that was not declared, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    /** In transaction mode, with two server connections. */
    let bouncer: PgBouncer

    const start = async (options: Partial<PgBouncerOptions> = {}): Promise<PgBouncer> =>
      await startPgBouncer({
        target: (await cluster()).primary.url,
        auth: 'scram-sha-256',
        poolSize: 2,
        ...options,
      })
    const pool = (options: Partial<PoolOptions> = {}): ConnectionPool => {
      const made = createPool({
        driver: make(),
        connection: bouncer.url,
        name: 'unaware',
        max: 4,
        ...options,
      })
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      return made
    }

    // The first one on a machine fetches PgBouncer.
    beforeAll(async () => {
      bouncer = await start()
    }, 180_000)
    afterAll(() => bouncer?.stop())
    beforeEach(async () => {
      const { primary } = await cluster()
      await primary.sql('drop table if exists kept')
      await primary.sql('create table kept (id int primary key)')
      await primary.sql('insert into kept select generate_series(1, 1000)')
      await primary.sql('grant all on kept to app')
    })

    it('T01: two pools with several texts, used again and again side by side, read their own rows and execute nothing else', async () => {
      const readers = pool({ name: 'readers' })
      const writers = pool({ name: 'writers' })
      const sums = Array.from({ length: 6 }, (_, n) => `select $1::int + ${n} as answer`)
      const deletes = Array.from(
        { length: 6 },
        (_, n) => `delete from kept where id = -$1::int - ${n}`,
      )
      for (let round = 0; round < 12; round++) {
        await Promise.all(
          sums.flatMap((text, n) => [
            readers.query(text, [round]).then(({ rows }) => {
              expect(rows).toEqual([{ answer: round + n }])
            }),
            writers.query(deletes[(n + round) % 6]!, [round]).then(({ command, rowCount }) => {
              expect({ command, rowCount }).toEqual({ command: 'DELETE', rowCount: 0 })
            }),
          ]),
        )
      }
      const { rows } = await readers.query('select count(*)::int as n from kept')
      expect(rows).toEqual([{ n: 1000 }])
      expect([readers.pooler, writers.pooler]).toEqual(['noticed', 'noticed'])
    })

    it('T01: statements of one name and different texts in two pools are never mixed up', async () => {
      const pools = [pool({ name: 'a' }), pool({ name: 'b' })]
      const texts = ["select 'a' || $1::text as x", "select 'b' || $1::text as x"]
      for (let round = 0; round < 20; round++) {
        await Promise.all(
          [0, 1, 0, 1].map(async (which) => {
            const values = [String(round)]
            const { rows } = await pools[which]!.query({
              name: 'mine',
              text: texts[which]!,
              values,
            })
            expect(rows).toEqual([{ x: 'ab'[which]! + round }])
          }),
        )
      }
    })

    it('T01: the event tells once what was seen and what follows', async () => {
      const told: PoolerEvent[] = []
      const one = pool({ prepare: 'auto' })
      one.on('pooler', (event) => told.push(event))
      await Promise.all(Array.from({ length: 8 }, () => one.query('select pg_sleep(0.01)')))
      await one.recycle()
      await one.query('select 1')
      expect(told).toHaveLength(1)
      const [{ pool: name, announcedPid, answeringPid, message }] = told as [PoolerEvent]
      expect(name).toBe('unaware')
      expect(announcedPid).not.toBe(answeringPid)
      expect(message).toMatch(/pooler: 'pgbouncer'.*pooler: 'none'/)
      expect(one.inspect().pooler).toBe('noticed')
    })

    it('T01: what would stay behind in a server session is refused with the first statement, everywhere', async () => {
      for (const text of DIRECT_ONLY) {
        const one = pool({ max: 1 })
        const error = await failureOf(one.use((lease) => lease.query(text)))
        expect(error, text).toBeInstanceOf(SessionStateError)
        expect(error.message).toContain("pooler: 'none'")
        await one.close()
      }
      const one = pool({ max: 2 })
      await one.transaction(async (tx) => {
        expect(await failureOf(tx.query('set statement_timeout = 1'))).toBeInstanceOf(
          SessionStateError,
        )
        await tx.query('set local statement_timeout = 1000')
      })
      await using lease = await one.acquire()
      expect(await failureOf(lease.query('listen jobs'))).toBeInstanceOf(SessionStateError)
      await using session = await one.openSession()
      expect(await failureOf(session.query('set a.b = 1'))).toBeInstanceOf(SessionStateError)
      expect(await failureOf(session.listen('jobs'))).toBeInstanceOf(SessionStateError)
      const fresh = pool()
      expect(await failureOf(fresh.listen('jobs', () => {}))).toBeInstanceOf(SessionStateError)
    })

    it('T01: 200 mixed calls are answered right', async () => {
      const pools = [pool({ name: 'a' }), pool({ name: 'b' })]
      const kinds = [
        async (one: ConnectionPool, n: number) =>
          (await one.query('select $1::int as n', [n])).rows,
        async (one: ConnectionPool, n: number) =>
          await one.transaction(
            async (tx) =>
              (await tx.query('select n from (select $1::int as n) t where n = $1', [n])).rows,
          ),
        async (one: ConnectionPool, n: number) =>
          await one.use(async (lease) => (await lease.query('select $1::int + 0 as n', [n])).rows),
        async (one: ConnectionPool, n: number) =>
          await rowsOf(one.stream<{ n: number }>('select $1::int * 1 as n', [n])),
        async (one: ConnectionPool, n: number) =>
          (
            await one.query({
              name: `n${n % 3}`,
              text: `select $1::int as n /*${n % 3}*/`,
              values: [n],
            })
          ).rows,
      ]
      await Promise.all(
        Array.from({ length: 200 }, async (_, n) => {
          const rows = await kinds[n % kinds.length]!(pools[n % 2]!, n)
          expect(rows).toEqual([{ n }])
        }),
      )
    })

    it('T01: a connection whose raw client was taken is replaced', async () => {
      const one = pool({ max: 1 })
      const gone: string[] = []
      one.on('destroy', ({ reason }) => gone.push(reason))
      const lease = await one.acquire()
      expect(lease.raw).toBeDefined()
      lease.release()
      await one.query('select 1')
      await expect.poll(() => gone).toEqual([expect.stringContaining('raw client was taken')])
    })

    it.each(['session', 'statement'] as const)(
      'T01: PgBouncer in %s mode is noticed as well',
      async (poolMode) => {
        await using special = await start({ poolMode })
        const one = pool({ connection: special.url, max: 2 })
        for (let n = 0; n < 6; n++) {
          expect((await one.query('select $1::int as n', [n])).rows).toEqual([{ n }])
        }
        expect(one.pooler).toBe('noticed')
        expect(await failureOf(one.query('set a.b = 1'))).toBeInstanceOf(SessionStateError)
      },
    )

    it("T01: in session mode pooler 'none' gives everything that a session of its own gives", async () => {
      await using special = await start({ poolMode: 'session' })
      const one = pool({ connection: special.url, max: 1, pooler: 'none' })
      await one.use(async (lease) => {
        await lease.query("set application_name = 'mine'")
        await lease.query('create temp table t (a int)')
      })
      await one.use(async (lease) => {
        for (let n = 0; n < 5; n++) await lease.query('select $1::int as n', [n])
        const { rows } = await lease.query('select count(*)::int as n from pg_prepared_statements')
        expect(rows).toEqual([{ n: 1 }])
      })
      expect(one.pooler).toBeUndefined()
    })

    it('T01: a pooler that takes the place of the server is noticed with the next connection', async () => {
      const { primary } = await cluster()
      await using address = await startBalancingRelay(primary.url)
      const one = pool({ connection: address.through(primary.url), max: 3 })
      const ask = async (n: number): Promise<void> => {
        expect((await one.query('select $1::int as n', [n])).rows).toEqual([{ n }])
      }
      const early = await one.acquire()
      for (let n = 0; n < 5; n++) await ask(n)
      expect(one.pooler).toBeUndefined()
      address.leadTo(bouncer.url)
      const busy = await one.acquire()
      const late = await one.acquire()
      expect(one.pooler).toBe('noticed')
      for (const lease of [early, busy, late]) {
        expect(await failureOf(lease.query('set a.b = 1'))).toBeInstanceOf(SessionStateError)
        expect((await lease.query('select $1::int as n', [7])).rows).toEqual([{ n: 7 }])
        lease.release()
      }
      for (let n = 0; n < 5; n++) await ask(n)
    })

    it('T01: a server without a pooler is not taken for one', async () => {
      const { primary } = await cluster()
      const one = pool({ connection: primary.url, max: 3 })
      const told: PoolerEvent[] = []
      one.on('pooler', (event) => told.push(event))
      await one.warm(3)
      await using lease = await one.acquire()
      await lease.query('set a.b = 1')
      for (let n = 0; n < 5; n++) await lease.query('select $1::int as n', [n])
      const { rows } = await lease.query('select count(*)::int as n from pg_prepared_statements')
      expect(rows).toEqual([{ n: 1 }])
      expect(one.pooler).toBeUndefined()
      expect(told).toEqual([])
    })

    it('T01: a failover pool passes the event on, and works', async () => {
      const node = pool()
      const told: PoolerEvent[] = []
      await using whole = withFailover([node], { probe: { intervalMs: 100 } })
      whole.on('pooler', (event) => told.push(event))
      for (let n = 0; n < 5; n++) {
        expect((await whole.query('select $1::int as n', [n])).rows).toEqual([{ n }])
      }
      expect(node.pooler).toBe('noticed')
    })
  },
)

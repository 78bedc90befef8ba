import {
  AcquireTimeoutError,
  type ConnectionPool,
  createMarkerTable,
  createPool,
  type PoolOptions,
} from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { withReplicas } from '@poolhouse/read-replicas'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

/**
 * Codes of lost connections, of shutdowns, of refused log-ins and of the server itself, which a
 * function raises as an ERROR.
 */
const RAISED = [
  ...['08000', '08001', '08003', '08006', '08007', '08P01', '25006', '25P03', '25P04', '28000'],
  ...['28P01', '3D000', '40003', '53200', '53300', '53400', '57000', '57P01', '57P02', '57P03'],
  ...['57P04', '57P05', '58000', 'XX000', 'XX001'],
]

// What a sequence has given out is not rolled back, so it counts the runs.
const SCHEMA = `
  create schema if not exists severity;
  create sequence if not exists severity.runs;
  create table if not exists severity.notes(id int);
  create or replace function severity.raises(code text) returns int language plpgsql as $$
    begin perform nextval('severity.runs'); raise exception 'raised' using errcode = code; end $$;
  create or replace function severity.raises_at_commit() returns trigger language plpgsql as $$
    begin raise exception 'raised' using errcode = '40003'; end $$;
  create table if not exists severity.doubtful(id int);
  drop trigger if exists raises on severity.doubtful;
  create constraint trigger raises after insert on severity.doubtful deferrable initially deferred
    for each row execute function severity.raises_at_commit();
  create table if not exists severity.parents(id int primary key);
  create table if not exists severity.children(
    parent int references severity.parents deferrable initially deferred);
  grant usage on schema severity to public;
  grant all on all tables in schema severity to public;
  grant all on all sequences in schema severity to public;
  grant create on schema public to public;
`

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  async function openPool(options: Partial<PoolOptions> = {}): Promise<ConnectionPool> {
    const { primary } = await cluster()
    await primary.sql(SCHEMA)
    const pool = createPool({ driver: make(), connection: primary.url, max: 1, ...options })
    onTestFinished(() => pool.close())
    return pool
  }

  async function runs(): Promise<number> {
    const { primary } = await cluster()
    const [row] = await primary.sql<{ n: number }>(`select nextval('severity.runs')::int as n`)
    return row!.n
  }

  async function pidOf(pool: ConnectionPool): Promise<unknown> {
    return (await pool.query('select pg_backend_pid() as pid')).rows[0]!['pid']
  }

  const raise = (code: string): string => `select severity.raises('${code}')`

  it('T04: an ERROR keeps its connection and rolls back its statement, whatever its code', async () => {
    const pool = await openPool()
    const pid = await pidOf(pool)
    for (const code of RAISED) {
      const simple = await failureOf(pool.query(raise(code)))
      const extended = await failureOf(pool.query('select severity.raises($1)', [code]))
      for (const error of [simple, extended]) {
        expect(error, code).toMatchObject({ name: 'DatabaseError', code, severity: 'ERROR' })
        expect(error, code).toMatchObject({ executed: 'rolled-back', retryable: false })
      }
    }
    expect(await pidOf(pool)).toBe(pid)
    expect(pool.stats().counters.destroyed).toBe(0)
  })

  it('T04: an ERROR inside a savepoint costs the savepoint alone', async () => {
    const pool = await openPool()
    await pool.query('truncate severity.notes')
    await pool.transaction(async (tx) => {
      for (const [id, code] of RAISED.entries()) {
        await tx.query('insert into severity.notes values ($1)', [id])
        await expect(tx.savepoint((inner) => inner.query(raise(code)))).rejects.toMatchObject({
          code,
          executed: 'rolled-back',
        })
      }
    })
    const { rows } = await pool.query('select count(*)::int as n from severity.notes')
    expect(rows).toEqual([{ n: RAISED.length }])
    expect(pool.stats().counters.destroyed).toBe(0)
  })

  it('T04: an ERROR in a stream or a copy ends that alone', async () => {
    const pool = await openPool()
    const pid = await pidOf(pool)
    for (const code of ['08006', '57P01', '53300', 'XX000']) {
      const text = `select case when i > 150 then severity.raises('${code}') else i end as i from generate_series(1, 200) i`
      const expected = { code, executed: 'rolled-back' }
      await expect(all(pool.stream(text))).rejects.toMatchObject(expected)
      await expect(all(pool.copyTo(`copy (${text}) to stdout`))).rejects.toMatchObject(expected)
    }
    await expect(
      pool.copyFrom('copy severity.notes from stdin', ['not a number\n']),
    ).rejects.toMatchObject({ code: '22P02', executed: 'rolled-back' })
    expect(await pidOf(pool)).toBe(pid)
    expect(pool.stats().counters.destroyed).toBe(0)
  })

  it('T04: one value too few is an error of the statement', async () => {
    const pool = await openPool()
    const pid = await pidOf(pool)
    const error = await failureOf(pool.query('select $1::int, $2::int', [1]))
    expect(error).toMatchObject({ code: '08P01', severity: 'ERROR', executed: 'rolled-back' })
    expect(await pidOf(pool)).toBe(pid)
  })

  it('T04: a procedure that may have committed before its ERROR is unknown, and keeps its connection', async () => {
    const pool = await openPool()
    const pid = await pidOf(pool)
    for (const code of ['08006', '57P03', '25006']) {
      const text = `do $$ begin insert into severity.notes values (1); commit; perform severity.raises('${code}'); end $$`
      await expect(pool.query(text)).rejects.toMatchObject({ code, executed: 'unknown' })
    }
    expect(await pidOf(pool)).toBe(pid)
  })

  it('T04: a COMMIT that says that its outcome is unknown is in doubt, a refused one is rolled back', async () => {
    const pool = await openPool()
    const doubtful = pool.transaction((tx) => tx.query('insert into severity.doubtful values (1)'))
    await expect(doubtful).rejects.toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
    const refused = pool.transaction((tx) => tx.query('insert into severity.children values (1)'))
    await expect(refused).rejects.toMatchObject({ code: '23503', executed: 'rolled-back' })
    // A statement of its own is committed by the server, which would not answer with an ERROR then.
    const lone = pool.query('insert into severity.doubtful values (1)')
    await expect(lone).rejects.toMatchObject({ code: '40003', executed: 'rolled-back' })
    expect(pool.stats().counters.destroyed).toBe(0)
  })

  it('T60: a failover pool sends nothing again that a function refuses, with a key and with retry too', async () => {
    const node = await openPool({ max: 4, name: 'a' })
    await createMarkerTable(node)
    const pool = withFailover([node], { probe: { intervalMs: 250 }, hold: { timeoutMs: 3_000 } })
    onTestFinished(() => pool.close())
    await pool.query('select 1')
    const before = await runs()
    let calls = 0
    for (const code of ['25006', '57P03', '57P01', '08006', '53300']) {
      const refused = { code, executed: 'rolled-back' }
      await expect(pool.query(raise(code)), code).rejects.toMatchObject(refused)
      await expect(pool.use((lease) => lease.query(raise(code)))).rejects.toMatchObject(refused)
      for (const options of [
        {},
        { retry: { attempts: 3 } },
        { idempotencyKey: `${code} ${await runs()}` },
        { idempotencyKey: `${code} ${await runs()} again`, retry: { attempts: 3 } },
      ]) {
        const work = pool.transaction((tx) => tx.query(raise(code)), options)
        await expect(work, code).rejects.toMatchObject(refused)
      }
      // Two numbers were taken for the keys.
      calls += 6 + 2
    }
    expect((await runs()) - before - 1).toBe(calls)
    expect(node.stats().counters.destroyed).toBe(0)
    expect(pool.topology.current.primary?.id).toBe('a')
  })

  it('T18: work that got no connection of another pool is run once by every kind of pool', async () => {
    const { primary } = await cluster()
    const full = await openPool({ acquireTimeoutMs: 30 })
    const held = await full.acquire({ timeoutMs: 10_000 })
    onTestFinished(() => held.release())
    const plain = await openPool({ max: 3 })
    const failover = withFailover([await openPool({ max: 3, name: 'a' })])
    const routing = withReplicas(await openPool({ max: 3 }), [await openPool({ max: 3 })])
    const manager = createManager({
      drivers: { only: make() },
      databases: { main: { primary: primary.url } },
    })
    onTestFinished(async () => {
      await Promise.all([failover.close(), routing.close(), manager.shutdown()])
    })
    const pools = { plain, failover, routing, manager: manager.database('main') }
    for (const [kind, pool] of Object.entries(pools)) {
      for (const readOnly of [false, true]) {
        let times = 0
        const work = async (): Promise<void> => {
          times++
          await full.query('select 1')
        }
        const done = pool.transaction(work, { readOnly, retry: { attempts: 3 } })
        await expect(done).rejects.toBeInstanceOf(AcquireTimeoutError)
        expect(times, `${kind}, readOnly ${readOnly}`).toBe(1)
      }
    }
  })

  it('T18: a conflict is repeated as often by every kind of pool, whichever connection it came from', async () => {
    const { primary } = await cluster()
    const other = await openPool()
    const plain = await openPool({ max: 3 })
    const failover = withFailover([await openPool({ max: 3, name: 'a' })])
    const routing = withReplicas(await openPool({ max: 3 }), [await openPool({ max: 3 })])
    const manager = createManager({
      drivers: { only: make() },
      databases: { main: { primary: primary.url } },
    })
    onTestFinished(async () => {
      await Promise.all([failover.close(), routing.close(), manager.shutdown()])
    })
    const pools = { plain, failover, routing, manager: manager.database('main') }
    for (const [kind, pool] of Object.entries(pools)) {
      for (const foreign of [false, true]) {
        let times = 0
        const done = pool.transaction(
          async (tx) => {
            times++
            await (foreign ? other : tx).query(raise('40001'))
          },
          { retry: { attempts: 3 } },
        )
        await expect(done).rejects.toMatchObject({ code: '40001', executed: 'rolled-back' })
        expect(times, `${kind}, foreign ${foreign}`).toBe(3)
      }
    }
  })
})

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

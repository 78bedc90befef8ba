import type { Transaction } from '@poolhouse/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer({ replicas: 1 })

describe.each(DRIVERS)('the first statement of a transaction, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  beforeAll(async () => {
    await server.sql('drop table if exists first; create table first (n int primary key)')
    await server.sql('grant all on first to public')
  })
  const add = (tx: Transaction, n: number) => tx.query('insert into first values ($1)', [n])
  const kept = async (): Promise<number[]> => {
    const rows = await server.sql<{ n: number }>('select n from first order by n')
    await server.sql('delete from first')
    return rows.map(({ n }) => n)
  }

  it('is inside it, whatever it is', async () => {
    const pool = openPool({ max: 1 })
    const firsts: [string, (tx: Transaction) => Promise<unknown>, number[]][] = [
      ['a statement', (tx) => add(tx, 1), [1]],
      ['several in one text', (tx) => tx.query('insert into first values (1); select 1'), [1]],
      ['a copy', (tx) => tx.copyFrom('copy first from stdin', ['1\n']), [1]],
      ['a stream', (tx) => tx.stream('insert into first values (1) returning n').next(), [1]],
      ['a savepoint', (tx) => tx.savepoint((scope) => add(scope, 1)), [1]],
      ['several at once', (tx) => Promise.all([add(tx, 1), add(tx, 2)]), [1, 2]],
    ]
    for (const [what, first, rows] of firsts) {
      const own = new Error('on purpose')
      const undone = pool.transaction(async (tx) => {
        await first(tx)
        await tx.query('select 1').catch(() => {})
        throw own
      })
      expect(await failureOf(undone), what).toBe(own)
      expect(await kept(), what).toEqual([])
      await pool.transaction(first)
      expect(await kept(), what).toEqual(rows)
    }
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('may set what can be set before the first query only', async () => {
    const pool = openPool({ max: 1 })
    const level = await pool.transaction(async (tx) => {
      await tx.query('set transaction isolation level serializable')
      return (await tx.query<{ is: string }>("select current_setting('transaction_isolation') is"))
        .rows[0]?.is
    })
    expect(level).toBe('serializable')
  })

  it('that cannot be sent under its name leaves the transaction begun', async () => {
    const pool = openPool({ max: 1 })
    const taken = { name: 'taken', text: 'select 2' }
    await pool.query({ ...taken, text: 'select 1' })
    await pool.transaction(async (tx) => {
      expect(await failureOf(tx.query(taken))).toBeInstanceOf(TypeError)
      await add(tx, 1)
    })
    expect(await kept()).toEqual([1])
    const inArray = pool.transaction(['insert into first values (1)', taken, 'select 3'])
    expect(String(await failureOf(inArray))).toContain('"taken" was used for another text')
    expect(await kept()).toEqual([])
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('T95: of an array whose session the server ends before COMMIT is rolled back, and not in doubt', async () => {
    const pool = openPool({ max: 1 })
    const ended = pool.transaction([
      'insert into first values (1)',
      'select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)',
      'insert into first values (2)',
    ])
    expect(await failureOf(ended)).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'rolled-back',
    })
    expect(await kept()).toEqual([])
  })

  it('fails as any other does: all is rolled back, and the connection is kept', async () => {
    const pool = openPool({ max: 1 })
    for (const text of ['select 1/0', 'nonsense', 'select $1::int']) {
      const first = pool.transaction(async (tx) => {
        const failing = tx.query(text, text.includes('$') ? ['x'] : [])
        const behind = add(tx, 1)
        await Promise.allSettled([failing, behind])
        await failing
      })
      expect(await failureOf(first), text).toMatchObject({
        name: 'DatabaseError',
        executed: 'rolled-back',
      })
    }
    expect(await kept()).toEqual([])
    expect((await pool.query<{ n: number }>('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('is not run, and fails with the same error, if the transaction cannot be begun', async () => {
    const [replica] = server.cluster.replicas
    const pool = openPool({ max: 1, connection: replica!.url })
    for (const first of [
      (tx: Transaction) => tx.query('select 1'),
      (tx: Transaction) => tx.stream('select 1').next(),
      (tx: Transaction) => tx.savepoint((scope) => scope.query('select 1')),
    ] as ((tx: Transaction) => Promise<unknown>)[]) {
      const told: unknown[] = []
      const writing = pool.transaction(
        async (tx) => {
          await first(tx).catch((error: unknown) => told.push(error))
          await tx.query('select 2').catch((error: unknown) => told.push(error))
        },
        { readOnly: false },
      )
      const error = await failureOf(writing)
      expect(error).toMatchObject({
        name: 'DatabaseError',
        message: expect.stringMatching(/recovery/),
      })
      expect(told).toEqual([error, error])
    }
    expect((await pool.query<{ n: number }>('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it.each(['signal', 'timeoutMs'] as const)(
    'is ended by the %s of its transaction, and nothing of it stays',
    async (by) => {
      const pool = openPool({ max: 1 })
      await pool.warm()
      const abort = new AbortController()
      const slow = pool.transaction(
        (tx) => tx.query('with x as (insert into first values (9)) select pg_sleep(20)'),
        by === 'signal' ? { signal: abort.signal } : { timeoutMs: 300 },
      )
      setTimeout(() => abort.abort('enough'), 300)
      const error = await failureOf(slow)
      expect(error).toMatchObject({ executed: 'rolled-back' })
      await pool.transaction((tx) => add(tx, 3))
      expect(await kept()).toEqual([3])
    },
  )

  it('is in doubt no more than any other when its session is terminated under it', async () => {
    const pool = openPool({ max: 1, name: 'terminated' })
    const slow = pool.transaction((tx) =>
      tx.query("select pg_sleep(20), set_config('application_name', 'first', false)"),
    )
    const failure = failureOf(slow)
    await expect.poll(() => server.sessions("wait_event = 'PgSleep'"), { timeout: 10_000 }).toBe(1)
    await server.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'",
    )
    const error = (await failure) as { executed?: string; retryable?: boolean }
    expect(['no', 'rolled-back']).toContain(error.executed)
    expect(error.retryable).toBe(true)
  })

  it('is not needed: a transaction of nothing reaches the server, and leaves nothing open', async () => {
    const pool = openPool({ max: 1 })
    expect(await pool.transaction(async (tx) => tx.durability ?? 'nothing')).toBe('nothing')
    expect(await server.sessions("state like 'idle in transaction%'")).toBe(0)
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('is the right one, a thousand times over, from ten callers', async () => {
    const pool = openPool({ max: 4 })
    await Promise.all(
      Array.from({ length: 10 }, async (_, caller) => {
        for (let turn = 0; turn < 100; turn++) {
          const n = caller * 1_000 + turn
          const answers = await pool.transaction(async (tx) => {
            const first = await tx.query<{ n: number }>('select $1::int as n', [n])
            const second = await tx.query<{ n: number }>('select $1::int + 1 as n', [n])
            return [first.rows[0]?.n, second.rows[0]?.n]
          })
          expect(answers).toEqual([n, n + 1])
        }
      }),
    )
    expect(await server.sessions("state like 'idle in transaction%'")).toBe(0)
  })
})

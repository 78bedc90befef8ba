import { type ConnectionPool, PoolhouseError } from '@poolhouse/core'
import { startWireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()

const running = (text: string) => async (): Promise<boolean> =>
  (await server.sessions(`state = 'active' and query = '${text}'`)) === 1
const nothingRuns = async (): Promise<boolean> => (await server.sessions(`state = 'active'`)) === 0

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('a call aborted in mid-query', () => {
    it('F54, T89: is cancelled on the server, tells what the server says to that, and its connection serves on', async () => {
      const pool = openPool({ max: 1 })
      const { pid } = (await pool.query<{ pid: number }>(PID)).rows[0]!
      const abort = new AbortController()
      const text = 'select pg_sleep(54)'
      const call = failureOf(pool.query(text, [], { signal: abort.signal }))
      await until(running(text), 'the query to run')
      const reason = new Error('the user left')
      abort.abort(reason)
      const abortedAt = performance.now()
      const error = await call
      // The caller is kept for 200 ms until the server has confirmed it; on a busy machine that is
      // not always enough.
      const late = performance.now() - abortedAt > 195
      expect(error).toMatchObject({ name: 'AbortError', cause: reason })
      expect(late ? ['rolled-back', 'unknown'] : ['rolled-back']).toContain(error.executed)
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
      expect(await nothingRuns()).toBe(true)
      expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    })

    it.each([
      { first: 'cancel request', answerMs: 300, cancelMs: 50 },
      { first: 'answer', answerMs: 50, cancelMs: 300 },
    ])(
      'F54: hands its connection on only after both the answer and the cancel request are over, the $first being first',
      async ({ answerMs, cancelMs }) => {
        const times = { aborted: 0 }
        await using wire = await startWireServer({
          onStatement: (text) =>
            text === 'slow' ? { delayMs: answerMs, then: { tag: 'DONE' } } : undefined,
          // The server takes its time over the request, and closes its socket only then.
          onCancel: () => ({ delayMs: cancelMs, then: { close: true } }),
        })
        const pool = openPool({ connection: wire.url, max: 1 })
        await pool.warm(1)
        const abort = new AbortController()
        const call = failureOf(pool.query('slow', undefined, { signal: abort.signal }))
        const next = pool.query('select 1')
        await until(() => wire.statements.some(({ text }) => text === 'slow'), 'the slow statement')
        times.aborted = performance.now()
        abort.abort()
        expect(await call).toMatchObject({ name: 'AbortError' })
        await next
        const { at } = wire.statements.find(({ text }) => text === 'select 1')!
        // Timers of two parties: a millisecond or two between them is rounding.
        expect(at - times.aborted).toBeGreaterThan(
          Math.max(answerMs === 300 ? 40 : 0, cancelMs) - 5,
        )
        expect(wire.cancels).toHaveLength(1)
        expect(pool.stats().counters.destroyed).toBe(0)
      },
    )

    it('F54: aborts a whole transaction: it is rolled back, and what follows is refused', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists f54')
      await pool.query('create table f54(id int)')
      const abort = new AbortController()
      const text = 'select pg_sleep(55)'
      let after: unknown
      const call = failureOf(
        pool.transaction(
          async (tx) => {
            await tx.query('insert into f54 values (1)')
            await tx.query(text).catch(() => {})
            after = await failureOf(tx.query('insert into f54 values (2)'))
          },
          { signal: abort.signal },
        ),
      )
      await until(running(text), 'the query to run')
      abort.abort()
      expect(await call).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
      expect((await pool.query('select id from f54')).rows).toEqual([])
      expect(after).toBeInstanceOf(PoolhouseError)
      expect(pool.stats().counters.created).toBe(1)
    })
  })

  describe('a call aborted before it has a connection', () => {
    it('F55: leaves the queue, and those behind it move up', async () => {
      const pool = openPool({ max: 1 })
      const lease = await pool.acquire()
      const abort = new AbortController()
      const calls = [
        failureOf(pool.acquire({ signal: abort.signal })),
        failureOf(pool.query('select 1', [], { signal: abort.signal })),
      ]
      const behind = pool.query('select 2 as n')
      expect(pool.stats().pending).toBe(3)
      abort.abort('enough')
      for (const error of await Promise.all(calls)) {
        expect(error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'enough' })
      }
      expect(pool.stats().pending).toBe(1)
      lease.release()
      expect((await behind).rows).toEqual([{ n: 2 }])
    })

    it('F55: while connecting: the connect belongs to the pool, and its result serves the next caller', async () => {
      await using wire = await startWireServer({ onConnect: () => ({ delayMs: 150 }) })
      const pool = openPool({ connection: wire.url, max: 5 })
      const abort = new AbortController()
      const call = failureOf(pool.acquire({ signal: abort.signal }))
      await until(() => wire.connections === 1, 'the connect to arrive')
      abort.abort()
      expect(await call).toMatchObject({ name: 'AbortError', executed: 'no' })
      expect(pool.stats()).toMatchObject({ pending: 0, connecting: 1 })
      await until(() => pool.stats().idle === 1, 'the connection to become idle')
      await pool.query('select 1')
      expect(wire.connections).toBe(1)
    })

    it('F55: with a signal that has fired already costs no connect and no place in the queue', async () => {
      await using wire = await startWireServer()
      const pool = openPool({ connection: wire.url, max: 5 })
      const signal = AbortSignal.abort()
      for (const call of [pool.acquire({ signal }), pool.query('select 1', [], { signal })]) {
        expect(await failureOf(call)).toMatchObject({ name: 'AbortError', executed: 'no' })
      }
      expect(wire.connections).toBe(0)
    })
  })

  describe('a storm of cancellations', () => {
    const ROUNDS = 100

    /**
     * Aborts a short statement at a moment that is near its end, and uses the connection again at
     * once.
     */
    async function storm(
      pool: ConnectionPool,
      seed: number,
    ): Promise<{ victims: number; aborted: number }> {
      let victims = 0
      let aborted = 0
      for (let round = 0; round < ROUNDS; round++) {
        const abort = new AbortController()
        const call = pool
          .query('select pg_sleep(0.003)', [], { signal: abort.signal })
          .catch(() => {
            aborted++
          })
        // Before, around and after the end of the statement, in turns.
        const delay = ((round * 7 + seed) % 10) / 2
        await new Promise((resolve) => setTimeout(resolve, delay))
        abort.abort()
        const next = pool.query<{ n: number }>('select pg_sleep(0.001), $1::int as n', [round])
        const answer = await next.catch(() => undefined)
        if (answer?.rows[0]?.n !== round) victims++
        await call
      }
      return { victims, aborted }
    }

    it('X15: never hits a statement it was not meant for, in 400 rounds of cancel and reuse', async () => {
      const pools = [0, 1, 2, 3].map(() => openPool({ max: 1 }))
      const results = await Promise.all(pools.map((pool, seed) => storm(pool, seed)))
      expect(results.reduce((sum, { victims }) => sum + victims, 0)).toBe(0)
      // Most were under way when they were cancelled, or nothing was tried.
      expect(results.reduce((sum, { aborted }) => sum + aborted, 0)).toBeGreaterThan(100)
      // And the connections were kept: what was destroyed cannot be a victim either.
      for (const pool of pools) expect(pool.stats().counters.created).toBeLessThanOrEqual(3)
    })

    it('X15: hits no later statement of the same lease either', async () => {
      const pool = openPool({ max: 1 })
      const lease = await pool.acquire()
      for (let round = 0; round < 50; round++) {
        const abort = new AbortController()
        const call = lease
          .query('select pg_sleep(0.003)', [], { signal: abort.signal })
          .catch(() => {})
        const next = lease.query<{ n: number }>('select pg_sleep(0.001), $1::int as n', [round])
        await new Promise((resolve) => setTimeout(resolve, (round % 10) / 2))
        abort.abort()
        expect((await next).rows[0]!.n).toBe(round)
        await call
      }
      lease.release()
    })
  })

  describe('a statement past its deadline', () => {
    it('is cancelled on the server: nothing runs there any more when its caller is told, and the connection is kept', async () => {
      const pool = openPool({ max: 1, statementTimeoutMs: 150 })
      const { pid } = (await pool.query<{ pid: number }>(PID)).rows[0]!
      const error = await failureOf(pool.query('select pg_sleep(57)'))
      expect(error).toMatchObject({
        name: 'StatementTimeoutError',
        executed: 'rolled-back',
        timeoutMs: 150,
      })
      expect(await nothingRuns()).toBe(true)
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
      expect(pool.stats().counters).toMatchObject({ timeouts: 1, created: 1, destroyed: 0 })
    })

    it('of the call itself wins over the pool’s, and fails only its own statement of a transaction’s savepoint', async () => {
      const pool = openPool({ max: 1, statementTimeoutMs: 60_000 })
      const rows = await pool.transaction(async (tx) => {
        const error = await failureOf(
          tx.savepoint((inner) => inner.query('select pg_sleep(58)', [], { timeoutMs: 100 })),
        )
        expect(error).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
        return (await tx.query('select 1 as n')).rows
      })
      expect(rows).toEqual([{ n: 1 }])
    })
  })
})

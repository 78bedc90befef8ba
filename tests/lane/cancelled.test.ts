import { beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import { startCancelGate } from './cancel-gate.js'
import { ask, COUNT, count, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
beforeAll(() => makeNumbers(server))
// About a second.
const LONG = 8_000_000
const BEHIND = 20

describe.each(DRIVERS)('a shared call that is given up, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  const open = async () => {
    const pool = openPool({ max: 3, multiplex: { connections: 1 } })
    await learn(pool)
    await learn(pool, COUNT, [1])
    return pool
  }

  it('T110: before it is sent, was not executed, and those beside it are answered', async () => {
    const pool = await open()
    const abort = new AbortController()
    const before = [ask(pool, 0), ask(pool, 1)]
    const given = failureOf(count(pool, 1, { signal: abort.signal }))
    const behind = [ask(pool, 2), ask(pool, 3)]
    abort.abort('enough')
    expect(await given).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'enough' })
    expect(await outcomes([...before, ...behind])).toEqual(['ok', 'ok', 'ok', 'ok'])
  })

  it('T110: while it waits for a place, was not executed', async () => {
    const pool = openPool({ max: 1, multiplex: { connections: 1 } })
    await learn(pool)
    const lease = await pool.acquire()
    const abort = new AbortController()
    const aborted = failureOf(pool.query('select n from numbers', [], { signal: abort.signal }))
    const late = failureOf(count(pool, 1, { timeoutMs: 50 }))
    const others = [ask(pool, 0), ask(pool, 1)]
    abort.abort('enough')
    expect(await aborted).toMatchObject({ name: 'AbortError', executed: 'no' })
    expect(await late).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
    lease.release()
    expect(await outcomes(others)).toEqual(['ok', 'ok'])
    expect(pool.stats()).toMatchObject({ pending: 0, total: 1 })
  })

  it.each([
    { how: 'its signal', timeoutMs: undefined, name: 'AbortError' },
    { how: 'its deadline', timeoutMs: 100, name: 'StatementTimeoutError' },
  ])(
    'T110: by $how while the server runs it, is rolled back, and those behind it are answered',
    async ({ timeoutMs, name }) => {
      const pool = await open()
      const abort = new AbortController()
      const options = timeoutMs === undefined ? { signal: abort.signal } : { timeoutMs }
      const given = failureOf(count(pool, LONG, options))
      const behind = Array.from({ length: BEHIND }, (_, n) => ask(pool, n))
      if (timeoutMs === undefined) setTimeout(() => abort.abort('enough'), 100)
      const error = await given
      expect(error).toMatchObject({ name })
      // The caller is kept for 200 ms until the server has confirmed it.
      expect(['rolled-back', 'unknown']).toContain(error.executed)
      expect(await outcomes(behind)).toEqual(behind.map(() => 'ok'))
      await until(() => pool.stats().leased === 0, 'the connection to come back')
      expect(pool.stats().counters.destroyed).toBe(0)
    },
  )

  it('T110: behind another one, is in doubt when its time is over, and takes none with it', async () => {
    const pool = await open()
    const long = count(pool, LONG / 2)
    const before = Array.from({ length: BEHIND }, (_, n) => ask(pool, n))
    const given = failureOf(count(pool, LONG, { timeoutMs: 50 }))
    const behind = Array.from({ length: BEHIND }, (_, n) => ask(pool, n))
    const error = await given
    expect(error).toMatchObject({ name: 'StatementTimeoutError' })
    expect(['unknown', 'rolled-back']).toContain(error.executed)
    expect(await long).toBe(LONG / 2)
    expect(await outcomes(before)).toEqual(before.map(() => 'ok'))
    expect(await outcomes(behind)).toEqual(behind.map(() => 'ok'))
    await until(() => pool.stats().leased === 0, 'the connection to come back')
  })

  it('T110: many at once, in any state, settle each by itself', async () => {
    const pool = await open()
    const calls = Array.from({ length: 200 }, (_, n) => {
      const abort = new AbortController()
      if (n % 4 === 0) setTimeout(() => abort.abort('enough'), n / 10)
      else if (n % 4 === 1) process.nextTick(() => abort.abort('enough'))
      return count(pool, n * 200, { signal: abort.signal }).then(
        (counted) => (counted === n * 200 ? 'ok' : `counted ${counted} of ${n * 200}`),
        (error) => (n % 4 < 2 ? error.name : `${error.name} of a call that was not given up`),
      )
    })
    for (const outcome of await Promise.all(calls)) {
      expect(['ok', 'AbortError']).toContain(outcome)
    }
    await until(() => pool.stats().leased === 0, 'the connections to come back')
  })

  it('T110: keeps its connection from others until the cancel request is settled', async () => {
    await using gate = await startCancelGate(server.url)
    const pool = openPool({ connection: gate.url, max: 1, multiplex: { connections: 1 } })
    await learn(pool, COUNT, [1])
    const abort = new AbortController()
    const given = failureOf(count(pool, 1, { signal: abort.signal }))
    process.nextTick(() => abort.abort('enough'))
    expect(await given).toMatchObject({ name: 'AbortError' })
    await until(() => gate.held === 1, 'the cancel request')
    const next = count(pool, 2)
    const leased = pool.acquire().then((lease) => lease.release())
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(pool.stats().pending).toBe(2)
    gate.release()
    expect(await next).toBe(2)
    await leased
    expect(gate.hits).toBe(0)
  })
})

import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import { startCancelGate } from './cancel-gate.js'
import { COUNT, count, learn } from './shared-calls.js'

guardProcess()
const server = testServer()
const ROUNDS = 200
// Some 20 ms, in which a cancel request that was held arrives.
const LONG = 150_000

describe.each(DRIVERS)('a cancel request that comes late, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it('T110: hits the next call that shares the connection, which gets its own answer all the same', async () => {
    await using gate = await startCancelGate(server.url)
    const pool = openPool({ connection: gate.url, max: 3, multiplex: { connections: 1 } })
    let caught = 0
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 20 === 0) await learn(pool, COUNT, [1])
      const abort = new AbortController()
      const target = count(pool, 1, { signal: abort.signal }).catch((error) => error)
      const next = count(pool, LONG + round)
      const last = count(pool, round)
      // Behind the piece in which the calls go out, and before their answers can be read.
      process.nextTick(() => abort.abort(new Error('too slow')))
      const error = await target
      // On a busy machine the answer may take longer than the caller is kept for it.
      expect(error).toMatchObject({ name: 'AbortError' })
      expect(['yes', 'unknown']).toContain(error.executed)
      await until(() => gate.held === 1, 'the cancel request')
      gate.release()
      expect(await next).toBe(LONG + round)
      expect(await last).toBe(round)
      caught = gate.hits
    }
    // The rest of the rounds were over before the request was there.
    expect(caught).toBeGreaterThan(ROUNDS / 10)
    expect(pool.stats().counters).toMatchObject({ timeouts: 0, errors: 0 })
  })
})

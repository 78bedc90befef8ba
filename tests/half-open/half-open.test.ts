import { startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

// Every way in which a line can be forgotten, on every server, is in half-open.faults.test.ts.
describe.each(DRIVERS)('a line that was forgotten, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it('T58: is noticed within 3.5 s at the defaults, and a slow statement beside it is left alone', async () => {
    await using line = await startFaultProxy(server.url)
    const pool = openPool({ connection: line.url(), max: 2 })
    await pool.warm(1)
    line.forget()
    using watch = new Stopwatch()
    const lost = failureOf(pool.query('select 1'))
    const slow = pool.query('select pg_sleep(2.6)')
    const waiting = pool.query('select 2 as n')
    expect(await lost).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect((await waiting).rows).toEqual([{ n: 2 }])
    expect(watch.elapsedMs).toBeLessThan(3_500)
    expect((await slow).rowCount).toBe(1)
    expect(pool.stats().counters).toMatchObject({ destroyed: 1, errors: 1, timeouts: 0 })
  })
})

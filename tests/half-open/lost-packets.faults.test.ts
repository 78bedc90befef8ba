import { connect, type Socket } from 'node:net'
import type { ConnectionOptions } from '@poolhouse/core'
import { startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startChild } from '../children/child-script.js'
import { shiftedClock } from '../support/clocks/shifted-clock.js'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

/** Connects until the kernel does not even answer any more. Resolves with what has to be closed. */
async function fill(port: number): Promise<void> {
  for (;;) {
    const socket: Socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    const answered = await Promise.race([
      new Promise((resolve) => socket.once('connect', () => resolve(true))),
      new Promise((resolve) => setTimeout(resolve, 200, false)),
    ])
    if (!answered) return
  }
}

describe.each(DRIVERS)('a network that loses every packet, under $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  const login = (port: number): ConnectionOptions => {
    const { user, database } = server.cluster
    return { host: '127.0.0.1', port, user, database }
  }

  it('F16: from the first on: a connect ends at our deadline, long before that of the kernel, and is tried again', async () => {
    const child = startChild('full-port-child', [])
    const port = Number((await child.said('port')).slice('port '.length))
    child.process.kill('SIGSTOP')
    await fill(port)
    const connectTimeoutMs = 300
    const pool = openPool({ connection: login(port), connectTimeoutMs, acquireTimeoutMs: 2_000 })
    const failures: number[] = []
    const begunAt = performance.now()
    let firstAt = 0
    using watch = new Stopwatch()
    pool.on('error', ({ error }) => {
      expect(error).toMatchObject({ name: 'ConnectError', executed: 'no', fatal: false })
      failures.push(watch.elapsedMs)
      firstAt ||= performance.now()
    })
    const error = await failureOf(pool.query('select 1'))
    expect(watch.elapsedMs).toBeLessThan(2_000 + 250)
    expect(error).toMatchObject({ name: 'AcquireTimeoutError', cause: { name: 'ConnectError' } })
    expect(failures.length).toBeGreaterThanOrEqual(2)
    expect(failures[0]).toBeLessThan(connectTimeoutMs + 250)
    expect(firstAt - begunAt).toBeGreaterThan(connectTimeoutMs - 5)
  })

  it('F17: of connections that were idle: a ping finds out, and callers get new ones', async () => {
    await using line = await startFaultProxy({ host: '127.0.0.1', port: server.port })
    const clock = shiftedClock()
    const pool = openPool({ connection: login(line.port), clock, max: 3 })
    await pool.warm(3)
    line.forget()
    clock.skip(20_000)
    using watch = new Stopwatch()
    expect(await tally([1, 2, 3].map(() => pool.query('select 1')))).toEqual({ ok: 3 })
    // The second that a ping may take, once for all of them together, and a connect.
    expect(watch.elapsedMs).toBeLessThan(2_000)
    expect(pool.stats().counters.destroyed).toBe(3)
  })

  it('F17: in mid-statement: the deadline of the statement ends it, unknown, and its connection is not used again', async () => {
    await using line = await startFaultProxy({ host: '127.0.0.1', port: server.port })
    const pool = openPool({ connection: login(line.port), max: 1, statementTimeoutMs: 300 })
    const lease = await pool.acquire()
    line.forget()
    using watch = new Stopwatch()
    const error = await failureOf(lease.query('select 1'))
    expect(watch.elapsedMs).toBeLessThan(300 + 250)
    expect(error).toMatchObject({ name: 'StatementTimeoutError', executed: 'unknown' })
    lease.release()
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(pool.stats().counters).toMatchObject({ created: 2, destroyed: 1 })
  })
})

import { startWireServer, type WireError } from '@poolhouse/testkit'
import { describe, expect, it, vi } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { poolsOver, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()

// Clears a terminal, rings, forges a line of a log, turns the direction of what follows.
const HOSTILE = 'a\u001b[2J\u0007\r\n2026-01-01 LOG: root logged in\u0085\u2028\u202e'
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e]/u
const SAYS: WireError = { code: '57P03', message: HOSTILE, detail: HOSTILE, hint: HOSTILE }

/** Everything that is written to the console or to the streams behind it until the test is over. */
function watchOutput(): unknown[] {
  const written: unknown[] = []
  const note = (...what: unknown[]): boolean => {
    written.push(what)
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(note)
  vi.spyOn(process.stderr, 'write').mockImplementation(note)
  for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, name).mockImplementation(note)
  }
  return written
}

describe.each(DRIVERS)('what a server says, heard over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  const openWire = poolsOver(make())

  it('X19: is written nowhere by the pool: notices, warnings and notifications', async () => {
    const written = watchOutput()
    const pool = openPool({ max: 1 })
    const heard: string[] = []
    await pool.listen('news', (payload) => heard.push(payload))
    for (const level of ['notice', 'warning', 'info', 'log', 'debug']) {
      await pool.query(`do $$ begin raise ${level} '%', E'\\x1b[2Jroot'; end $$`)
    }
    await pool.query('select pg_notify($1, $2)', ['news', HOSTILE])
    await until(() => heard.length === 1, 'the notification')
    // A subscriber gets what was sent, and no more than that.
    expect(heard).toEqual([HOSTILE])
    await pool.close()
    expect(written).toEqual([])
  })

  it('X19: brings no control character into a message of ours when it refuses the connection', async () => {
    await using wire = await startWireServer({ onConnect: () => ({ error: SAYS }) })
    const pool = openWire({ connection: wire.url, acquireTimeoutMs: 200 })
    const told: Error[] = []
    pool.on('error', ({ error }) => told.push(error as Error))
    const error = await failureOf(pool.query('select 1'))
    expect(error).toMatchObject({ name: 'AcquireTimeoutError', cause: { sqlState: '57P03' } })
    expect(error.message).toContain('root logged in')
    for (const { message } of [error, error.cause as Error, ...told]) {
      expect(message).not.toMatch(CONTROL)
    }
  })

  it('X19: brings none into a refused log-in', async () => {
    const reject = { ...SAYS, code: '28P01' }
    await using wire = await startWireServer({ auth: { reject } })
    const error = await failureOf(openWire({ connection: wire.url }).query('select 1'))
    expect(error).toMatchObject({ name: 'AuthenticationError', sqlState: '28P01' })
    expect(error.message).toContain('root logged in')
    expect(error.message).not.toMatch(CONTROL)
  })

  it('X19: brings none into the error of a session that it ends', async () => {
    const error: WireError = { ...SAYS, code: '57P01', severity: 'FATAL' }
    await using wire = await startWireServer({
      onStatement: (text) => (text === 'select 1' ? { error } : undefined),
    })
    const pool = openWire({ connection: wire.url, max: 1 })
    const destroyed: string[] = []
    pool.on('destroy', ({ reason }) => destroyed.push(reason))
    const lost = await failureOf(pool.query('select 1'))
    expect(lost).toMatchObject({ name: 'ConnectionLostError', sqlState: '57P01' })
    expect(lost.message).toContain('root logged in')
    expect(lost.message).not.toMatch(CONTROL)
    await until(() => destroyed.length === 1, 'the destroy event')
    expect(destroyed[0]).not.toMatch(CONTROL)
  })

  it('X19: is kept as it was said in the error of a statement, which is data of the application', async () => {
    const pool = openPool()
    const text = `do $$ begin raise exception using message = E'two\\nlines', detail = E'\\x1b'; end $$`
    expect(await failureOf(pool.query(text))).toMatchObject({
      name: 'DatabaseError',
      message: 'two\nlines',
      detail: '\u001b',
    })
  })
})

import { describe, expect, it } from 'vitest'
import { type Harness, harness, type Outcome, watch } from '../../harness.js'

const TEXT = 'select $1'

/** A call that may share its connection. */
function call({ pool }: Harness, value: unknown = 1): Outcome<unknown> {
  return watch(pool.query(TEXT, [value]))
}

/** A pool that knows one text as quick, with one connection that is idle. */
async function lane(
  options: Parameters<typeof harness>[0] = {},
  behaviour: Parameters<typeof harness>[1] = { statementMs: 1 },
): Promise<Harness> {
  const it = harness({ multiplex: 'auto', ...options }, behaviour)
  const first = call(it)
  await it.clock.advance(20)
  expect(first.state).toBe('resolved')
  return it
}

/** How many of these calls have their answer. */
function answered(calls: readonly Outcome<unknown>[]): number {
  return calls.filter(({ state }) => state === 'resolved').length
}

describe('the shared lane', () => {
  it('sends the calls of one turn on one connection', async () => {
    const it = await lane({ max: 10 })
    const calls = Array.from({ length: 50 }, (_, at) => call(it, at))
    await it.clock.settle()
    expect(it.session().inFlight).toBe(50)
    await it.clock.advance(100)
    expect(answered(calls)).toBe(50)
    expect(it.driver.violations).toEqual([])
    const { counters, leased } = it.pool.stats()
    expect([counters.acquired, counters.released, leased]).toEqual([51, 51, 0])
  })

  it('takes turns with callers that want the only connection', async () => {
    const it = await lane({ max: 1 })
    let shared = 0
    let isOver = false
    const loop = async (): Promise<void> => {
      while (!isOver) {
        await it.pool.query(TEXT, [1])
        shared++
      }
    }
    const loops = Array.from({ length: 20 }, () => watch(loop()))
    await it.clock.advance(50)
    const uses = Array.from({ length: 5 }, () =>
      watch(it.pool.use((lease) => lease.query('select now()'))),
    )
    await it.clock.advance(60)
    expect(answered(uses)).toBeGreaterThan(0)
    await it.clock.advance(200)
    expect(answered(uses)).toBe(5)
    const before = shared
    await it.clock.advance(50)
    expect(shared - before).toBeGreaterThan(30)
    isOver = true
    await it.clock.advance(50)
    expect(answered(loops)).toBe(20)
  })

  it('opens no connection for calls that wait no more', async () => {
    const it = await lane({ max: 1, acquireTimeoutMs: 100 })
    const lease = await it.pool.acquire()
    const abort = new AbortController()
    const late = call(it)
    const given = watch(it.pool.query(TEXT, [1], { signal: abort.signal }))
    await it.clock.advance(50)
    expect(it.pool.stats().pending).toBe(2)
    abort.abort()
    await it.clock.advance(100)
    expect([late.error?.name, given.error?.name]).toEqual(['AcquireTimeoutError', 'AbortError'])
    expect(it.pool.stats().pending).toBe(0)
    lease.destroy('by the test')
    await it.clock.advance(1_000)
    expect(it.driver.attempts).toBe(1)
  })
})

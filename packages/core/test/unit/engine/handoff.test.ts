import { expect, test } from 'vitest'
import { acquireMany, type Harness, harness, watch } from '../../harness.js'

test('hands a released connection to the longest waiting caller in the same tick', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const order: string[] = []
  const first = it.pool.acquire().then((next) => {
    order.push('first')
    return next
  })
  it.pool
    .acquire()
    .catch(() => {})
    .finally(() => order.push('second'))
  lease!.value!.release()
  expect(it.pool.stats()).toMatchObject({ idle: 0, pending: 1, leased: 1 })
  await it.clock.settle()
  expect(order).toEqual(['first'])
  ;(await first).release()
  await it.clock.settle()
  expect(order).toEqual(['first', 'second'])
})

test('F47: gives each of two hundred waiting callers its turn in the order they came', async () => {
  const { clock, pool } = harness({ max: 3 }, { statementMs: 3 })
  const order: number[] = []
  const calls = Array.from({ length: 200 }, (_, index) =>
    pool.use(async (lease) => {
      order.push(index)
      await lease.query('select 1')
    }),
  )
  await clock.advance(1_000)
  await Promise.all(calls)
  expect(order).toEqual(Array.from({ length: 200 }, (_, index) => index))
})

test('lends the hottest idle connection', async () => {
  const it = harness({ max: 3 })
  const leases = await acquireMany(it, 3)
  for (const index of [1, 0, 2]) leases[index]!.value!.release()
  expect(it.pool.tryAcquire()!.connection).toBe(leases[2]!.value!.connection)
  expect(it.pool.tryAcquire()!.connection).toBe(leases[0]!.value!.connection)
})

test('serves higher priorities first', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const order: number[] = []
  for (const priority of [0, -1, 5, 5]) {
    void it.pool.use(async () => void order.push(priority), { priority })
  }
  lease!.value!.release()
  await it.clock.settle()
  expect(order).toEqual([5, 5, 0, -1])
})

test('a new caller never overtakes one that waits for a connection to prove itself', async () => {
  const it = harness({ max: 2 }, { statementMs: 5 })
  const leases = await acquireMany(it, 2)
  for (const { value } of leases) value!.release()
  it.pool.suspect('test')
  const order: string[] = []
  void it.pool.use(async () => void order.push('first'))
  expect(it.pool.tryAcquire()).toBeUndefined()
  void it.pool.use(async () => void order.push('second'))
  await it.clock.advance(50)
  expect(order).toEqual(['first', 'second'])
})

test('F48: refuses callers beyond maxPending at once, and says how things stand', async () => {
  const { clock, pool } = harness({ max: 1, maxPending: 1_000 })
  const overloads: unknown[] = []
  pool.on('overload', (event) => overloads.push(event))
  const calls = Array.from({ length: 20_000 }, () => watch(pool.acquire()))
  await clock.settle()
  const refused = calls.filter(({ state }) => state === 'rejected')
  expect(refused).toHaveLength(20_000 - 1_000)
  expect(refused[0]!.error).toMatchObject({ name: 'PoolOverloadedError', executed: 'no' })
  expect(refused[0]!.error?.message).toContain('maxPending is 1000')
  expect(overloads).toHaveLength(19_000)
  expect(overloads[0]).toEqual({ pool: 'test', pending: 1_000 })
  expect(pool.stats().pending).toBe(999)
})

test('F48: lets twenty thousand callers expire without blocking the event loop for long', async () => {
  const { clock, pool } = harness({ max: 1, maxPending: Number.POSITIVE_INFINITY })
  const calls = Array.from({ length: 20_000 }, () => watch(pool.acquire({ timeoutMs: 100 })))
  // Of the processor, because other work on the machine blocks no loop of ours.
  const before = process.cpuUsage()
  await clock.advance(101)
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(2_000)
  expect(calls.filter(({ error }) => error?.name === 'AcquireTimeoutError')).toHaveLength(19_999)
})

test('an acquire that times out says which pool, how long, and how things stand', async () => {
  const it = harness({ max: 1, acquireTimeoutMs: 200 })
  await acquireMany(it)
  const waiting = watch(it.pool.acquire())
  await it.clock.advance(250)
  expect(waiting.error).toMatchObject({
    name: 'AcquireTimeoutError',
    code: 'POOLHOUSE_ACQUIRE_TIMEOUT',
    executed: 'no',
    retryable: true,
    longestHeldMs: 200,
  })
  expect(waiting.error?.message).toBe(
    'no connection within 200 ms; pool "test" (localhost:5432/app): 1 of max 1 connections (1 leased, 0 idle, 0 connecting), 0 pending, longest lease held for 200 ms; see POOLHOUSE_ACQUIRE_TIMEOUT',
  )
  expect(it.pool.stats().counters.timeouts).toBe(1)
})

test('the deadline of a caller ends when it is served', async () => {
  const it = harness({ max: 1, acquireTimeoutMs: 100 })
  const [lease] = await acquireMany(it)
  const waiting = watch(it.pool.acquire())
  lease!.value!.release()
  await it.clock.advance(1_000)
  expect(waiting.state).toBe('resolved')
  expect(it.pool.stats().counters.timeouts).toBe(0)
})

test('F55: a caller whose signal fires leaves the queue at once', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const abort = new AbortController()
  const gone = watch(it.pool.acquire({ signal: abort.signal }))
  const next = watch(it.pool.acquire())
  abort.abort('no longer needed')
  await it.clock.settle()
  expect(gone.error).toMatchObject({
    name: 'AbortError',
    executed: 'no',
    cause: 'no longer needed',
  })
  expect(it.pool.stats().pending).toBe(1)
  lease!.value!.release()
  await it.clock.settle()
  expect(next.state).toBe('resolved')
})

test('refuses a call whose signal has fired before, without asking for a connection', async () => {
  const { clock, driver, pool } = harness()
  const calls = [
    watch(pool.acquire({ signal: AbortSignal.abort('never') })),
    watch(pool.query('select 1', [], { signal: AbortSignal.abort('never') })),
    watch(pool.transaction(async () => 1, { signal: AbortSignal.abort('never') })),
  ]
  await clock.settle()
  for (const { error } of calls) {
    expect(error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'never' })
  }
  expect(driver.attempts).toBe(0)
})

test('F17: validates a connection that was idle for long, and not one that was used just now', async () => {
  const it = harness({ validateAfterIdleMs: 10_000 })
  const [lease] = await acquireMany(it)
  lease!.value!.release()
  await it.clock.advance(9_000)
  const session = it.session()
  watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(session.statements).toEqual(['select 1'])
  await it.clock.advance(11_000)
  watch(it.pool.query('select 2'))
  await it.clock.settle()
  expect(session.statements).toEqual(['select 1', '', 'select 2'])
})

test('F17: replaces an idle connection that does not answer within a second, and the caller never knows', async () => {
  const it = harness(
    { max: 1 },
    { onStatement: ({ text }) => (text === '' ? { hang: true } : undefined) },
  )
  const [lease] = await acquireMany(it)
  lease!.value!.release()
  it.pool.suspect('test')
  const query = watch(it.pool.query('select 1'))
  await it.clock.advance(1_010)
  expect(query.state).toBe('resolved')
  expect(it.driver.attempts).toBe(2)
  expect(it.driver.open.size).toBe(1)
})

test('F44: waits on for a ping that had not even left when the process stood still for longer than its deadline', async () => {
  const delays = [2_700]
  const it = harness({ max: 1 }, { statementMs: () => delays.shift() ?? 0 })
  const [lease] = await acquireMany(it)
  lease!.value!.release()
  it.pool.suspect('test')
  const query = watch(it.pool.query('select 1'))
  it.clock.stall(2_500)
  await it.clock.advance(250)
  expect(query.state).toBe('resolved')
  expect(it.driver.attempts).toBe(1)
})

test('F17: lets all idle connections prove themselves together once one of them was dead', async () => {
  const it = harness(
    { max: 10 },
    { onStatement: ({ text }) => (text === '' ? { hang: true } : undefined) },
  )
  for (const { value } of await acquireMany(it, 10)) value!.release()
  it.pool.suspect('network is gone')
  const query = watch(it.pool.query('select 1'))
  await it.clock.advance(2_100)
  expect(query.state).toBe('resolved')
})

test('F32: doubts every idle connection once the server has closed one of them', async () => {
  const it = harness({ max: 2 })
  const [a, b] = await acquireMany(it, 2)
  a!.value!.release()
  b!.value!.release()
  const survivor = it.session(0)
  it.session(1).lose('crash')
  watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(survivor.statements).toEqual(['', 'select 1'])
})

test('a waiting call is never handed a connection that has just died under another call', async () => {
  const it = harness(
    { max: 1 },
    { onStatement: ({ text }) => (text === 'die' ? { lose: 'crash' } : undefined) },
  )
  const dying = watch(it.pool.query('die'))
  const next = watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(dying.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  expect(next.error).toBeUndefined()
  expect(next.state).toBe('resolved')
})

test.each(['57P01', '57P02', '57P03', '57P05', '08006', '25P03'])(
  'F09: never lends a connection again on which the server said FATAL %s, even before it closes',
  async (code) => {
    const { sqlError } = await import('../../harness.js')
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) =>
          text === 'last' ? { error: sqlError(code, 'FATAL') } : undefined,
      },
    )
    const last = watch(it.pool.query('last'))
    const next = watch(it.pool.query('select 1'))
    await it.clock.settle()
    expect(last.error?.code).toBe(code)
    expect(next.state).toBe('resolved')
    expect(it.driver.attempts).toBe(2)
  },
)

test.each([
  ...['23505', '40001', '53100', '57014', '25006', '42601', '22012'],
  ...['08006', '08001', '08003', '08P01', '57P01', '57P02', '57P03', '57P05', '25P03', '25P04'],
  ...['53300', '53400', '28P01', '3D000', '40003', 'XX000'],
])('T04, F28, F37, F38: keeps the connection after ERROR %s', async (code) => {
  const { sqlError } = await import('../../harness.js')
  const it = harness({}, { onStatement: () => ({ error: sqlError(code) }) })
  const query = watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(query.error).toMatchObject({ name: 'DatabaseError', code })
  expect(it.pool.stats()).toMatchObject({ total: 1, idle: 1 })
})

test('suspend holds new acquires while their deadlines run, and leaves leases alone', async () => {
  const it = harness({ max: 2 })
  const [lease] = await acquireMany(it, 2)
  it.pool.suspend()
  const short = watch(it.pool.acquire({ timeoutMs: 50 }))
  const long = watch(it.pool.query('select 1'))
  expect(it.pool.tryAcquire()).toBeUndefined()
  lease!.value!.release()
  await it.clock.advance(60)
  expect(short.error?.name).toBe('AcquireTimeoutError')
  expect(long.state).toBe('pending')
  it.pool.resume()
  await it.clock.settle()
  expect(long.state).toBe('resolved')
})

test('resume serves all waiting callers from the idle connections at once, even while others are being opened', async () => {
  const it = harness({ max: 4 }, { onConnect: (attempt) => (attempt > 2 ? 'hang' : undefined) })
  const leases = await acquireMany(it, 2)
  const hung = [
    watch(it.pool.acquire({ timeoutMs: 10 })),
    watch(it.pool.acquire({ timeoutMs: 10 })),
  ]
  await it.clock.advance(20)
  expect(hung.map(({ state }) => state)).toEqual(['rejected', 'rejected'])
  it.pool.suspend()
  for (const { value } of leases) value!.release()
  const waiting = [watch(it.pool.acquire()), watch(it.pool.acquire())]
  it.pool.resume()
  await it.clock.settle()
  expect(waiting.map(({ state }) => state)).toEqual(['resolved', 'resolved'])
})

test('resume without suspend does nothing', async () => {
  const it = harness()
  it.pool.resume()
  await acquireMany(it)
  it.pool.resume()
  expect(it.pool.stats()).toMatchObject({ leased: 1, total: 1 })
})

test('a pending acquire keeps the process alive until it is served or gone', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const kept = keepingAlive(it)
  const waiting = watch(it.pool.acquire({ timeoutMs: 500 }))
  expect(kept).toContain(true)
  lease!.value!.release()
  expect(kept).not.toContain(true)
  await it.clock.settle()
  expect(waiting.state).toBe('resolved')
})

test('callers that are refused under overload no longer keep the process alive', async () => {
  const it = harness({ max: 1, overload: { targetMs: 5, intervalMs: 10 } })
  const [lease] = await acquireMany(it)
  const kept = keepingAlive(it)
  const waiting = Array.from({ length: 3 }, () => watch(it.pool.acquire()))
  await it.clock.advance(1_000)
  lease!.value!.release()
  await it.clock.settle()
  await it.clock.advance(1_000)
  for (const { value } of waiting) value?.release()
  await it.clock.settle()
  expect(waiting.map(({ error }) => error?.name)).toContain('PoolOverloadedError')
  expect(it.pool.stats()).toMatchObject({ pending: 0, leased: 0 })
  expect(kept).not.toContain(true)
})

/** Which of the timers made from now on keep the process alive. */
function keepingAlive(it: Harness): boolean[] {
  const kept: boolean[] = []
  const { setTimer } = it.clock
  it.clock.setTimer = (fire, delayMs, options) => {
    const index = kept.push(options?.keepAlive === true) - 1
    const fired = (): void => {
      kept[index] = false
      fire()
    }
    const timer = setTimer(fired, delayMs, options)
    return {
      cancel: () => {
        kept[index] = false
        timer.cancel()
      },
      keepAlive: (on) => {
        kept[index] = on
      },
    }
  }
  return kept
}

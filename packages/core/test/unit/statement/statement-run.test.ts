import { expect, test } from 'vitest'
import type { FakeDriverOptions } from '../../../src/testing/index.js'
import { hangsIfSlow, harness, type Outcome, sqlError, watch } from '../../harness.js'

test('resolves with rows, count, command and the node that served it', async () => {
  const { clock, pool } = harness(
    {},
    { onStatement: () => ({ rows: [{ a: 1 }], command: 'SELECT' }) },
  )
  const query = watch(pool.query('select 1'))
  await clock.settle()
  expect(query.value).toEqual({
    rows: [{ a: 1 }],
    rowCount: 1,
    command: 'SELECT',
    fields: [],
    node: 'test',
    durability: 'configured',
  })
})

test('takes a text with values, or a statement object', async () => {
  const seen: unknown[] = []
  const { clock, pool } = harness({}, { onStatement: (statement) => void seen.push(statement) })
  watch(pool.query('select $1', [1]))
  watch(pool.query({ text: 'select $1', values: [2], name: 'two', rowMode: 'array' }))
  await clock.settle()
  expect(seen).toMatchObject([
    { text: 'select $1', values: ['1'] },
    { text: 'select $1', values: ['2'], name: 'two', rowMode: 'array' },
  ])
})

test('cancels a statement at its deadline, and says rolled-back once the server has confirmed it', async () => {
  const { clock, driver, pool } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => 20 },
  )
  const query = watch(pool.query('slow', [], { timeoutMs: 100 }))
  await clock.advance(115)
  expect(query.state).toBe('pending')
  await clock.advance(10)
  expect(query.error).toMatchObject({
    name: 'StatementTimeoutError',
    executed: 'rolled-back',
    timeoutMs: 100,
    message:
      'statement exceeded 100 ms on pool "test" and was cancelled; see POOLHOUSE_STATEMENT_TIMEOUT',
  })
  expect(query.error?.cause).toMatchObject({ code: '57014' })
  expect(driver.open.size).toBe(1)
  expect(pool.stats().counters.timeouts).toBe(1)
})

test('F18: says unknown when the server does not confirm, at most 250 ms after the deadline', async () => {
  const { clock, driver, pool } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => 60_000 },
  )
  const query = watch(pool.query('slow', [], { timeoutMs: 100 }))
  await clock.advance(250)
  expect(query.state).toBe('pending')
  await clock.advance(100)
  expect(query.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'unknown' })
  await clock.advance(3_000)
  expect(driver.open.size).toBe(0)
})

test('says unknown when the session dies while the cancel request is under way', async () => {
  const { clock, pool, session } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => 100 },
  )
  const query = watch(pool.query('slow', [], { timeoutMs: 50 }))
  await clock.advance(60)
  session().lose('crash')
  await clock.settle()
  expect(query.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'unknown' })
})

test('delivers an answer that arrives after the deadline and before the cancellation', async () => {
  const { clock, driver, pool } = harness({ max: 1 }, { statementMs: 120, onCancel: () => 60 })
  const query = watch(pool.query('select 1', [], { timeoutMs: 100 }))
  await clock.advance(125)
  expect(query.state).toBe('resolved')
  // The connection is still kept out of use until the request is settled.
  const next = watch(pool.query('select 2'))
  await clock.advance(10)
  expect(next.state).toBe('pending')
  await clock.advance(200)
  expect(next.state).toBe('resolved')
  expect(driver.violations).toEqual([])
})

test('delivers an ordinary error that arrives after the deadline as what it is', async () => {
  const { clock, pool } = harness(
    { max: 1 },
    { statementMs: 120, onCancel: () => 60, onStatement: () => ({ error: sqlError('23505') }) },
  )
  const query = watch(pool.query('insert', [], { timeoutMs: 100 }))
  await clock.advance(130)
  expect(query.error).toMatchObject({ name: 'DatabaseError', code: '23505' })
})

test('one deadline covers the wait for a connection and the statement', async () => {
  const { clock, pool } = harness({ max: 1 }, { connectMs: 60, onStatement: hangsIfSlow })
  const query = watch(pool.query('slow', [], { timeoutMs: 100 }))
  await clock.advance(99)
  expect(query.state).toBe('pending')
  await clock.advance(2)
  expect(query.error).toMatchObject({ name: 'StatementTimeoutError', timeoutMs: 100 })
})

test('a call whose time is up while it waits says that nothing was sent', async () => {
  const { clock, pool } = harness({ max: 1 }, { onConnect: () => 'hang' })
  const query = watch(pool.query('select 1', [], { timeoutMs: 40 }))
  await clock.advance(42)
  expect(query.error).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no', waitedMs: 40 })
})

test('F37: statementTimeoutMs limits statements that say nothing themselves, and 0 limits none', async () => {
  for (const [statementTimeoutMs, state] of [
    [500, 'rejected'],
    [0, 'pending'],
  ] as const) {
    const { clock, pool } = harness({ max: 1, statementTimeoutMs }, { onStatement: hangsIfSlow })
    const query = watch(pool.query('slow'))
    await clock.advance(600)
    expect(query.state).toBe(state)
    pool.destroyAll('end')
    await clock.settle()
  }
})

test('an abort while the statement waits says that nothing was sent', async () => {
  const { clock, driver, pool } = harness({ max: 1 }, { connectMs: 50 })
  const abort = new AbortController()
  const query = watch(pool.query('select 1', [], { signal: abort.signal }))
  await clock.advance(10)
  abort.abort('gone')
  await clock.settle()
  expect(query.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'gone' })
  await clock.advance(100)
  expect(driver.open.size).toBe(1)
  expect([...driver.open][0]!.statements).toEqual([])
})

/** How a call ends that is given up after 10 ms: by its signal, or by its time-out. */
async function givenUp(
  by: 'signal' | 'timeoutMs',
  behaviour: Partial<FakeDriverOptions>,
): Promise<{ error: Outcome<unknown>['error']; value: unknown; afterMs: number }> {
  const { clock, pool } = harness({ max: 1 }, behaviour)
  const abort = new AbortController()
  const options = by === 'signal' ? { signal: abort.signal } : { timeoutMs: 10 }
  const query = watch(pool.query('slow', [], options))
  await clock.advance(10)
  abort.abort('gone')
  let afterMs = 0
  for (await clock.settle(); query.state === 'pending' && afterMs < 1_000; afterMs += 10) {
    await clock.advance(10)
  }
  return { error: query.error, value: query.value, afterMs }
}

test('T89: a call that is ended by its signal tells the same truth as one that is ended by its time-out', async () => {
  const cases: [Partial<FakeDriverOptions>, string, number][] = [
    // Confirmed, in time or too late.
    [{ onStatement: hangsIfSlow, onCancel: () => 50 }, 'rolled-back', 60],
    [{ onStatement: hangsIfSlow, onCancel: () => 500 }, 'unknown', 210],
    // The session is lost meanwhile, or the request fails.
    [{ onStatement: hangsIfSlow, onCancel: () => new Error('no way') }, 'unknown', 0],
  ]
  for (const [behaviour, executed, mostMs] of cases) {
    for (const [by, name] of [
      ['signal', 'AbortError'],
      ['timeoutMs', 'StatementTimeoutError'],
    ] as const) {
      const { error, afterMs } = await givenUp(by, behaviour)
      expect(error, `${by} ${mostMs}`).toMatchObject({ name, executed })
      if (by === 'signal') expect(error?.cause).toBe('gone')
      expect(afterMs).toBeLessThanOrEqual(mostMs)
    }
  }
})

test('T89: an answer that is faster than the cancel is told by an abort as done, and by a time-out as the result', async () => {
  const behaviour = { statementMs: 50, onCancel: () => 500 }
  expect((await givenUp('signal', behaviour)).error).toMatchObject({
    name: 'AbortError',
    executed: 'yes',
    cause: 'gone',
  })
  expect((await givenUp('timeoutMs', behaviour)).value).toMatchObject({ rowCount: 0 })
})

test('T89: after an abort the own error of the statement is told as what it did', async () => {
  const { error } = await givenUp('signal', {
    statementMs: 50,
    onCancel: () => 500,
    onStatement: () => ({ error: sqlError('23505') }),
  })
  expect(error).toMatchObject({ name: 'AbortError', executed: 'rolled-back', cause: 'gone' })
})

test('an abort after the answer changes nothing, and its listener is gone', async () => {
  const { clock, driver, pool } = harness({ max: 1 })
  const abort = new AbortController()
  let listeners = 0
  const { signal } = abort
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--
    removeEventListener.apply(signal, args)
  }
  const query = watch(pool.query('select 1', [], { signal }))
  const waiting = watch(pool.acquire({ signal }))
  await clock.settle()
  abort.abort()
  await clock.settle()
  expect([query.state, waiting.state]).toEqual(['resolved', 'resolved'])
  expect(listeners).toBe(0)
  expect(driver.open.size).toBe(1)
})

test('F13: a session that dies under a statement leaves its outcome unknown', async () => {
  const { clock, pool } = harness({}, { onStatement: () => ({ lose: 'ECONNRESET' }) })
  const query = watch(pool.query('insert'))
  await clock.settle()
  expect(query.error).toMatchObject({
    name: 'ConnectionLostError',
    code: 'POOLHOUSE_CONNECTION_LOST',
    executed: 'unknown',
    retryable: false,
  })
})

test('rejects with what the driver throws before it sends anything, and keeps the connection', async () => {
  const { clock, pool, session } = harness({ max: 1 })
  const lease = watch(pool.acquire())
  await clock.settle()
  const thrown = new TypeError('a circular value')
  session().run = () => {
    throw thrown
  }
  const query = watch(lease.value!.query('select $1', [1]))
  await clock.settle()
  expect(query.error).toBe(thrown)
  lease.value!.release()
  await clock.settle()
  expect(pool.stats()).toMatchObject({ idle: 1 })
})

test('refuses to begin or end a transaction outside of a lease', async () => {
  const { clock, driver, pool } = harness()
  for (const text of [
    'BEGIN',
    ' commit',
    '/* x */ rollback',
    'select 1; start transaction',
    'prepare transaction $$a$$',
  ]) {
    const query = watch(pool.query(text))
    await clock.settle()
    expect(query.error, text).toMatchObject({ name: 'TransactionError', executed: 'no' })
  }
  expect(driver.attempts).toBe(0)
})

test('reports the longest silence of a connection with a statement in flight', async () => {
  const { clock, pool } = harness({ max: 2 }, { onStatement: hangsIfSlow })
  expect(pool.silentForMs()).toBe(0)
  watch(pool.query('slow'))
  await clock.advance(700)
  watch(pool.query('slow too'))
  await clock.advance(300)
  expect(pool.silentForMs()).toBe(1_000)
  pool.destroyAll('end')
  await clock.settle()
  expect(pool.silentForMs()).toBe(0)
})

test('says unknown of a failed procedure, which may have committed a part, and rolled-back inside a transaction, where it cannot', async () => {
  const { clock, pool } = harness(
    { max: 1 },
    { onStatement: ({ text }) => (text === 'call p()' ? { error: sqlError('25006') } : undefined) },
  )
  const alone = watch(pool.query('call p()'))
  await clock.settle()
  expect(alone.error).toMatchObject({ code: '25006', executed: 'unknown' })
  const inside = watch(pool.transaction((tx) => tx.query('call p()')))
  await clock.settle()
  expect(inside.error).toMatchObject({ code: '25006', executed: 'rolled-back' })
})

test('F44: a statement whose connection comes when its time is over is not sent at all', async () => {
  const { clock, pool, session } = harness({ max: 1, maxPending: 10_000 })
  const lease = await pool.acquire()
  const late = Array.from({ length: 3_000 }, () =>
    watch(pool.query('late', [], { timeoutMs: 50 })),
  ).slice(0, 3)
  const next = watch(pool.query('next'))
  await clock.settle()
  clock.stall(1_000)
  lease.release()
  await clock.settle()
  for (const { error } of late) {
    expect(error).toMatchObject({ name: 'StatementTimeoutError', executed: 'no' })
    expect((error as Error).message).toContain('50 ms')
  }
  expect(next.state).toBe('resolved')
  expect(session().statements).toEqual(['next'])
})

test('T04: a conflict of a statement that may have committed a half of itself is unknown and not retryable, but for a transaction around it', async () => {
  const { clock, pool } = harness(
    { max: 1 },
    { onStatement: ({ text }) => (text === 'call p()' ? { error: sqlError('40001') } : undefined) },
  )
  const alone = watch(pool.query('call p()'))
  await clock.settle()
  expect(alone.error).toMatchObject({ code: '40001', executed: 'unknown', retryable: false })
  let runs = 0
  const inside = watch(
    pool.transaction(
      (tx) => {
        runs++
        return tx.query('call p()')
      },
      { retry: { attempts: 3 } },
    ),
  )
  await clock.advance(2_000)
  expect(inside.error).toMatchObject({ code: '40001', executed: 'rolled-back', retryable: true })
  expect(runs).toBe(3)
})

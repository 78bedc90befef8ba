import { expect, test } from 'vitest'
import { type StreamIterator, tracing } from '../../../src/index.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { acquireOne, type Harness, harness, sqlError, watch } from '../../harness.js'
import { all, expectUsable, numbers } from '../../streams.js'

/** A server on which `select` gives ten rows; other texts as `replies` says. */
function server(
  replies: Record<string, FakeReply> = {},
  options: Parameters<typeof harness>[0] = {},
  behaviour: Parameters<typeof harness>[1] = {},
): Harness {
  return harness(
    { max: 1, ...options },
    {
      onStatement: ({ text }) =>
        replies[text] ?? (text === 'select' ? { rows: numbers(10) } : undefined),
      ...behaviour,
    },
  )
}

/** A stream on a pool of which the first row has been read, in batches of three. */
async function begun(it: Harness, signal?: AbortSignal): Promise<StreamIterator<unknown>> {
  const stream = it.pool.stream('select', [], { batchSize: 3, signal })
  expect(await stream.next()).toEqual({ done: false, value: { n: 0 } })
  return stream
}

async function usable(it: Harness): Promise<void> {
  await expectUsable(it)
  expect(it.clock.pendingTimers).toBeLessThanOrEqual(1)
}

test('gives every row in order, whatever the size of the batches, and gives the connection back', async () => {
  for (const batchSize of [1, 3, 5, 10, 100]) {
    const it = server()
    expect(await all(it.pool.stream('select', [], { batchSize }))).toEqual(numbers(10))
    await usable(it)
  }
})

test('acquires and sends nothing before the first row is asked for', async () => {
  const it = server()
  const stream = it.pool.stream('select')
  await it.clock.settle()
  expect(it.driver.attempts).toBe(0)
  await stream.return()
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  expect(it.driver.attempts).toBe(0)
})

test('fetches no batch before it is asked for one, and gives the connection back when the last has come', async () => {
  const it = server()
  const stream = it.pool.stream('select', [], { batchSize: 6 })
  for (let n = 0; n < 6; n++) await stream.next()
  expect(it.pool.stats()).toMatchObject({ leased: 1 })
  await stream.next()
  await it.clock.settle()
  // Three rows are still to be read here; the server has nothing more to do for them.
  expect(it.pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  expect(await all(stream)).toEqual(numbers(10).slice(7))
  await usable(it)
})

test('serves calls of next() that come at once in their order', async () => {
  const it = server()
  const stream = it.pool.stream<{ n: number }>('select', [], { batchSize: 2 })
  const results = await Promise.all(Array.from({ length: 12 }, () => stream.next()))
  expect(results.map(({ value }) => value?.n)).toEqual([
    ...numbers(10).map(({ n }) => n),
    undefined,
    undefined,
  ])
  await usable(it)
})

test.each(['break', 'return', 'throw', 'dispose'])(
  'closes the cursor and keeps the connection when its reader leaves by %s',
  async (way) => {
    const it = server()
    const stream = it.pool.stream('select', [], { batchSize: 3 })
    const leave = async (): Promise<void> => {
      for await (const _row of stream) {
        if (way === 'break') break
        if (way === 'return') return
        if (way === 'throw') throw new Error('enough')
        await stream[Symbol.asyncDispose]()
      }
    }
    const left = watch(leave())
    await it.clock.settle()
    expect(left.state).toBe(way === 'throw' ? 'rejected' : 'resolved')
    await usable(it)
    expect(it.driver.attempts).toBe(1)
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  },
)

test('throw() gives up what is left and rejects with the error it was given', async () => {
  const it = server()
  const stream = await begun(it)
  const error = new Error('mine')
  await expect(stream.throw(error)).rejects.toBe(error)
  await usable(it)
})

test('a reader that leaves during a fetch cancels it, and a pending next() finds the stream done', async () => {
  const it = server({ slow: { rows: numbers(3), then: { hang: true } } })
  const stream = it.pool.stream('slow', [], { batchSize: 3 })
  for (let n = 0; n < 3; n++) await stream.next()
  const waiting = watch(stream.next())
  await it.clock.settle()
  const left = watch(stream.return())
  await it.clock.settle()
  expect(waiting.value).toEqual({ done: true, value: undefined })
  expect(left.state).toBe('resolved')
  await usable(it)
})

test('T89: abort during a fetch cancels on the server, tells what the server says to that and lends the connection when both are over', async () => {
  const it = server({ slow: { hang: true } }, {}, { onCancel: () => 50 })
  const abort = new AbortController()
  const next = watch(it.pool.stream('slow', [], { signal: abort.signal }).next())
  await it.clock.settle()
  const waiting = watch(it.pool.query('select'))
  abort.abort('gone')
  await it.clock.advance(49)
  expect([next.state, waiting.state]).toEqual(['pending', 'pending'])
  await it.clock.advance(1)
  expect(next.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back', cause: 'gone' })
  expect(waiting.state).toBe('resolved')
  expect(it.driver.attempts).toBe(1)
  await usable(it)
})

test('F54: abort between two fetches gives the connection back before the reader asks again, and then tells it once', async () => {
  const it = server()
  const abort = new AbortController()
  const stream = await begun(it, abort.signal)
  abort.abort('gone')
  await usable(it)
  await expect(stream.next()).rejects.toMatchObject({ name: 'AbortError', cause: 'gone' })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('F55: abort while it waits for a connection leaves the queue with nothing sent', async () => {
  const it = server()
  await acquireOne(it)
  const abort = new AbortController()
  const next = watch(it.pool.stream('select', [], { signal: abort.signal }).next())
  await it.clock.settle()
  abort.abort()
  await it.clock.settle()
  expect(next.error).toMatchObject({ name: 'AbortError', executed: 'no' })
  expect(it.pool.stats()).toMatchObject({ pending: 0 })
})

test('waits for a connection no longer than an acquire does, and not at all on a closed pool', async () => {
  const it = server({}, { acquireTimeoutMs: 100 })
  await acquireOne(it)
  const next = watch(it.pool.stream('select').next())
  await it.clock.advance(101)
  expect(next.error).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
  void it.pool.close()
  const closed = watch(it.pool.stream('select').next())
  await it.clock.settle()
  expect(closed.error).toMatchObject({ name: 'PoolClosedError' })
  await it.clock.advance(20_000)
})

test('each fetch may take statementTimeoutMs; the time that the reader takes is not counted', async () => {
  const it = server(
    { slow: { rows: numbers(3), then: { hang: true } } },
    { statementTimeoutMs: 1_000 },
  )
  const stream = it.pool.stream('slow', [], { batchSize: 3 })
  for (let n = 0; n < 3; n++) {
    await stream.next()
    await it.clock.advance(5_000)
  }
  const last = watch(stream.next())
  await it.clock.advance(999)
  expect(last.state).toBe('pending')
  await it.clock.advance(2)
  expect(last.error).toMatchObject({
    name: 'StatementTimeoutError',
    executed: 'rolled-back',
    timeoutMs: 1_000,
  })
  expect(it.pool.stats().counters).toMatchObject({ timeouts: 1 })
  await usable(it)
})

test('a fetch past its deadline that cannot be cancelled ends in doubt, and costs the connection', async () => {
  const it = server(
    { slow: { hang: true } },
    { statementTimeoutMs: 1_000 },
    { onCancel: () => new Error('unreachable') },
  )
  const next = watch(it.pool.stream('slow').next())
  await it.clock.advance(1_250)
  expect(next.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'unknown' })
  await it.clock.advance(5_000)
  expect(it.pool.stats()).toMatchObject({ total: 0 })
})

test('an error in the middle comes after the rows before it, and keeps the connection', async () => {
  const it = server({ bad: { rows: numbers(2), then: { error: sqlError('22012') } } })
  const stream = it.pool.stream('bad', [], { batchSize: 2 })
  expect(await stream.next()).toMatchObject({ value: { n: 0 } })
  expect(await stream.next()).toMatchObject({ value: { n: 1 } })
  await expect(stream.next()).rejects.toMatchObject({ code: '22012', executed: 'rolled-back' })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  await usable(it)
})

test('a session that is lost between two fetches has undone the statement', async () => {
  const it = server()
  const stream = await begun(it)
  it.session().lose('crash')
  await it.clock.settle()
  const next = watch(stream.next())
  await it.clock.settle()
  expect(next.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
  expect(it.pool.stats()).toMatchObject({ total: 0, leased: 0 })
})

test('a session that is lost during a fetch leaves it in doubt', async () => {
  const it = server({ die: { rows: numbers(1), then: { lose: 'crash' } } })
  const stream = it.pool.stream('die', [], { batchSize: 1 })
  await stream.next()
  const next = watch(stream.next())
  await it.clock.settle()
  expect(next.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  expect(it.pool.stats()).toMatchObject({ total: 0, leased: 0 })
})

test('close() lets a stream come to its end, and ends it with PoolClosedError at the deadline', async () => {
  const it = server()
  const finished = await begun(it)
  const closing = watch(it.pool.close({ timeoutMs: 1_000 }))
  expect(await all(finished)).toHaveLength(9)
  await it.clock.settle()
  expect(closing.state).toBe('resolved')

  const other = server()
  const stream = await begun(other)
  const forced = watch(other.pool.close({ timeoutMs: 1_000 }))
  await other.clock.advance(1_001)
  await expect(stream.next()).rejects.toMatchObject({ name: 'PoolClosedError' })
  await other.clock.advance(501)
  expect(forced.state).toBe('resolved')
  expect(other.driver.open.size).toBe(0)
})

test('close() ends a fetch that is under way with PoolClosedError at the deadline', async () => {
  const it = server({ slow: { hang: true } })
  const next = watch(it.pool.stream('slow').next())
  await it.clock.settle()
  const closing = watch(it.pool.close({ timeoutMs: 1_000 }))
  await it.clock.advance(1_001)
  expect(next.error).toMatchObject({ name: 'PoolClosedError' })
  await it.clock.advance(501)
  expect(closing.state).toBe('resolved')
})

test('while it is open everything else on its lease is refused at once, and works again after it', async () => {
  const it = server()
  const lease = await acquireOne(it)
  const stream = lease.stream('select', [], { batchSize: 3 })
  await stream.next()
  const refused = [
    watch(lease.query('select 1')),
    watch(lease.stream('select').next()),
    watch(lease.copyTo('copy t to stdout').next()),
    watch(lease.copyFrom('copy t from stdin', ['1\n'])),
  ]
  await it.clock.settle()
  for (const { error } of refused) {
    expect(error).toMatchObject({
      name: 'LeaseBusyError',
      code: 'POOLHOUSE_LEASE_BUSY',
      executed: 'no',
    })
    expect(error?.message).toMatch(/a stream is open .* leave its loop, or use another lease/)
  }
  expect(await all(stream)).toHaveLength(9)
  await lease.query('select 1')
  expect(it.session().statements).toEqual(['select', 'select 1'])
  lease.release()
  await usable(it)
})

test('begins on its lease after the statements before it, and refuses those behind it from then on', async () => {
  const it = server({}, {}, { statementMs: 10 })
  const lease = watch(it.pool.acquire())
  await it.clock.settle()
  const before = watch(lease.value!.query('first'))
  const next = watch(lease.value!.stream('select').next())
  await it.clock.settle()
  const behind = watch(lease.value!.query('second'))
  await it.clock.advance(21)
  expect(before.state).toBe('resolved')
  expect(next.value).toMatchObject({ value: { n: 0 } })
  expect(behind.error).toMatchObject({ name: 'LeaseBusyError' })
})

test('after an abort the lease goes on as soon as the server is through with it', async () => {
  const it = server({ slow: { hang: true } }, {}, { onCancel: () => 50 })
  const lease = await acquireOne(it)
  const abort = new AbortController()
  const next = watch(lease.stream('slow', [], { signal: abort.signal }).next())
  await it.clock.settle()
  abort.abort()
  const query = watch(lease.query('select 1'))
  await it.clock.settle()
  expect([next.state, query.state]).toEqual(['pending', 'pending'])
  await it.clock.advance(50)
  expect(next.error).toMatchObject({ name: 'AbortError' })
  expect(query.state).toBe('resolved')
  expect(it.driver.violations).toEqual([])
})

test('a lease that is released with a stream open closes the cursor, and the stream says so', async () => {
  const it = server()
  const lease = await acquireOne(it)
  const stream = lease.stream('select', [], { batchSize: 3 })
  await stream.next()
  lease.release()
  await usable(it)
  await expect(stream.next()).rejects.toMatchObject({ name: 'LeaseReleasedError' })
  await expect(lease.stream('select').next()).rejects.toMatchObject({ name: 'LeaseReleasedError' })
})

test('a lease that is released with a stream open whose cursor does not close in time is thrown away', async () => {
  let stuck = false
  const it = server({}, {}, { statementMs: () => (stuck ? 60_000 : 0) })
  const lease = await acquireOne(it)
  const stream = lease.stream('select', [], { batchSize: 3 })
  await stream.next()
  stuck = true
  lease.release()
  await it.clock.advance(2_001)
  expect(it.pool.stats()).toMatchObject({ total: 0 })
  expect(it.driver.open.size).toBe(0)
})

test('a cursor that does not close leaves the reader waiting no longer than it takes to cancel it', async () => {
  let stuck = false
  const it = server({}, {}, { statementMs: () => (stuck ? 60_000 : 0) })
  const stream = await begun(it)
  stuck = true
  const left = watch(stream.return())
  await it.clock.advance(2_001)
  expect(left.state).toBe('resolved')
  expect(it.pool.stats()).toMatchObject({ leased: 0 })
})

test('X02: a transaction goes on after a stream, and is committed behind the cursor of one that was left open', async () => {
  const it = server()
  let open: StreamIterator<unknown> | undefined
  const done = it.pool.transaction(async (tx) => {
    for await (const _row of tx.stream('select', [], { batchSize: 3 })) break
    await tx.query('insert')
    open = tx.stream('select', [], { batchSize: 3 })
    await open.next()
    await expect(tx.query('update')).rejects.toMatchObject({ name: 'LeaseBusyError' })
  })
  await expect(done).resolves.toBeUndefined()
  expect(it.session().statements).toEqual(['BEGIN', 'select', 'insert', 'select', 'COMMIT'])
  await expect(open!.next()).rejects.toMatchObject({ name: 'TransactionError' })
  await usable(it)
})

test('X02: a transaction that fails with a stream open is rolled back behind its cursor', async () => {
  const it = server()
  const failed = it.pool.transaction(async (tx) => {
    await tx.stream('select', [], { batchSize: 3 }).next()
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  expect(it.session().statements).toEqual(['BEGIN', 'select', 'ROLLBACK'])
  await usable(it)
})

test('tx.rollback() and the end of a savepoint close the cursor that is open', async () => {
  const it = server()
  await it.pool.transaction(async (tx) => {
    await tx.savepoint(async (inner) => {
      await inner.stream('select', [], { batchSize: 3 }).next()
    })
    await tx.stream('select', [], { batchSize: 3 }).next()
    await tx.rollback()
  })
  expect(it.session().statements).toEqual([
    'BEGIN',
    'SAVEPOINT poolhouse_1',
    'select',
    'RELEASE SAVEPOINT poolhouse_1',
    'select',
    'ROLLBACK',
  ])
  await usable(it)
})

test('a stream of a transaction ends with what ended the transaction', async () => {
  const it = server({ slow: { hang: true } })
  const abort = new AbortController()
  const work = it.pool.transaction(
    async (tx) => {
      for await (const _row of tx.stream('slow'));
    },
    { signal: abort.signal },
  )
  const outcome = watch(work)
  await it.clock.settle()
  abort.abort('gone')
  await it.clock.settle()
  expect(outcome.error).toMatchObject({
    name: 'AbortError',
    executed: 'rolled-back',
    cause: 'gone',
  })
  await usable(it)
})

test('a session that is lost during a stream of a transaction has undone the transaction', async () => {
  const it = server({ die: { lose: 'crash' } })
  const outcome = watch(it.pool.transaction((tx) => tx.stream('die').next()))
  await it.clock.settle()
  expect(outcome.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
})

test('F53: a stream of a transaction that is over is refused', async () => {
  const it = server()
  let late: StreamIterator<unknown> | undefined
  await it.pool.transaction(async (tx) => {
    late = tx.stream('select')
  })
  await expect(late!.next()).rejects.toMatchObject({ name: 'TransactionError' })
})

test('refuses what begins or ends a transaction where it has no place, and a COPY', async () => {
  const it = server()
  await expect(it.pool.stream('begin').next()).rejects.toThrow('pool.stream cannot begin')
  expect(it.driver.attempts).toBe(0)
  await it.pool.transaction(async (tx) => {
    await expect(tx.stream('commit').next()).rejects.toThrow('tx.stream cannot begin or end')
  })
  for (const text of ['copy t to stdout', 'COPY t FROM STDIN (format csv)']) {
    const fit = text.includes('stdout') ? 'copyTo' : 'copyFrom'
    await expect(it.pool.stream(text).next()).rejects.toThrow(
      `stream cannot carry the data of a COPY; use ${fit}`,
    )
    await expect(it.pool.query(text)).rejects.toThrow(
      `query cannot carry the data of a COPY; use ${fit}`,
    )
  }
  expect(it.session().statements).toEqual(['BEGIN', 'COMMIT'])
  await usable(it)
})

test('X01: the session is reset after a stream that changed it', async () => {
  const it = server()
  await all(it.pool.stream("select set_config('a.b', 'c', false)"))
  await it.clock.settle()
  expect(it.session().statements.at(-1)).toBe('reset session')
  await usable(it)
})

test('an open cursor is no silent server while its reader is busy, and is one while it is asked', async () => {
  const it = server({ slow: { rows: numbers(3), then: { hang: true } } })
  const stream = it.pool.stream('slow', [], { batchSize: 3 })
  for (let n = 0; n < 3; n++) await stream.next()
  await it.clock.advance(10_000)
  expect(it.pool.silentForMs()).toBe(0)
  watch(stream.next())
  await it.clock.advance(3_000)
  expect(it.pool.silentForMs()).toBe(3_000)
})

test('a loop over a stream of a transaction that waits for the connection it holds is a deadlock', async () => {
  const it = server({}, {}, { statementMs: 1 })
  const outcome = watch(
    it.pool.transaction(async (tx) => {
      for await (const _row of tx.stream('select', [], { batchSize: 3 })) await it.pool.query('x')
    }),
  )
  await it.clock.advance(3_000)
  expect(outcome.error).toMatchObject({ name: 'PoolDeadlockError' })
  await usable(it)
})

test('F51: a stream that is not read to its end is reported as a leaked lease', async () => {
  const it = server({}, { leakWarningMs: 1_000 })
  const leaks: unknown[] = []
  it.pool.on('leak', ({ statement, heldMs }) => leaks.push([statement, heldMs >= 1_000]))
  await begun(it)
  await it.clock.advance(3_000)
  expect(leaks).toEqual([['select', true]])
})

test('T122: a stream longer than leakWarningMs is no leak while it moves', async () => {
  const it = server({}, { leakWarningMs: 1_000 })
  const leaks: unknown[] = []
  it.pool.on('leak', (event) => leaks.push(event))
  const stream = it.pool.stream('select', [], { batchSize: 1 })
  for (let row = 0; row < 6; row++) {
    watch(stream.next())
    await it.clock.advance(800)
  }
  expect(leaks).toEqual([])
  await it.clock.advance(3_000)
  expect(leaks).toHaveLength(1)
})

test('T122: a reader that takes longer than leakWarningMs for one batch is no leak while it reads', async () => {
  const it = server({}, { leakWarningMs: 1_000 })
  const leaks: unknown[] = []
  it.pool.on('leak', (event) => leaks.push(event))
  const stream = it.pool.stream('select', [], { batchSize: 6 })
  for (let row = 0; row < 6; row++) {
    watch(stream.next())
    await it.clock.advance(800)
  }
  expect(leaks).toEqual([])
  await it.clock.advance(3_000)
  expect(leaks).toHaveLength(1)
})

test('T122: a reader of the last batch is no leak while it reads, and is one when it has stopped', async () => {
  const it = server({}, { leakWarningMs: 1_000 })
  const leaks: unknown[] = []
  it.pool.on('leak', (event) => leaks.push(event))
  const lease = await it.pool.acquire()
  const stream = lease.stream('select', [], { batchSize: 100 })
  for (let row = 0; row < 3; row++) {
    watch(stream.next())
    await it.clock.advance(800)
  }
  expect(leaks).toEqual([])
  await it.clock.advance(3_000)
  expect(leaks).toHaveLength(1)
  lease.release()
})

test('is one call on the tracing channel, from its first word to its end', async () => {
  const it = server({ bad: { error: sqlError('42601') } })
  const seen: string[] = []
  const subscriber = {
    start: ({ statement }: { statement: string }) => seen.push(`start ${statement}`),
    asyncEnd: ({ statement }: { statement: string }) => seen.push(`end ${statement}`),
    error: ({ statement }: { statement: string }) => seen.push(`error ${statement}`),
  }
  tracing.query.subscribe(subscriber as never)
  try {
    await all(it.pool.stream('select', [], { batchSize: 3 }))
    await it.clock.settle()
    await all(it.pool.stream('bad')).catch(() => {})
    await it.clock.settle()
  } finally {
    tracing.query.unsubscribe(subscriber as never)
  }
  expect(seen).toEqual(['start select', 'end select', 'start bad', 'error bad', 'end bad'])
})

test('refuses wrong arguments by name', () => {
  const { pool } = server()
  const call =
    (...args: unknown[]) =>
    () =>
      pool.stream(...(args as [string]))
  expect(call('select', { batchSize: 5 })).toThrow(
    'stream(text, values, options): values must be an array',
  )
  expect(call({ text: 'select' }, [1])).toThrow('stream(statement, options): put the values into')
  expect(call(1)).toThrow('stream(statement): expected SQL text')
  expect(call('select', [], { batchsize: 5 })).toThrow('did you mean "batchSize"?')
  expect(call('select', [], { batchSize: 0 })).toThrow(RangeError)
  expect(call('select', [], { batchSize: 1.5 })).toThrow('stream: batchSize')
  expect(call('select', [], { signal: 'no' })).toThrow('stream: signal must be an AbortSignal')
})

test.each([
  ['its pool is closed', 'PoolClosedError'],
  ['its lease is released', 'LeaseReleasedError'],
  ['its lease is destroyed', 'LeaseReleasedError'],
] as const)(
  'when %s under it, says that what it began may have been executed',
  async (what, name) => {
    const it = server()
    const lease = await acquireOne(it)
    const stream = lease.stream('select', [], { batchSize: 3 })
    await stream.next()
    if (what === 'its pool is closed') watch(it.pool.close({ timeoutMs: 0 }))
    else if (what === 'its lease is released') lease.release()
    else lease.destroy('test')
    await it.clock.advance(10)
    await expect(stream.next()).rejects.toMatchObject({ name, executed: 'unknown' })
  },
)

test('when its lease is released before the first row was asked for, says that nothing was executed', async () => {
  const it = server()
  const lease = await acquireOne(it)
  const stream = lease.stream('select')
  lease.release()
  await expect(stream.next()).rejects.toMatchObject({
    name: 'LeaseReleasedError',
    executed: 'no',
  })
})

test('gives up its place in the queue when it is closed before it has a connection', async () => {
  const it = server()
  const holder = await acquireOne(it)
  const stream = it.pool.stream('select')
  const first = watch(stream.next())
  const behind = watch(it.pool.query('select'))
  await it.clock.settle()
  expect(it.pool.stats().pending).toBe(2)
  const closed = watch(stream.return())
  await it.clock.settle()
  expect(it.pool.stats().pending).toBe(1)
  expect(first).toMatchObject({ state: 'resolved', value: { done: true } })
  expect(closed.state).toBe('resolved')
  holder.release()
  await it.clock.settle()
  expect(behind.state).toBe('resolved')
  await usable(it)
})

test('hears of its signal while it waits for a connection', async () => {
  const it = server()
  const holder = await acquireOne(it)
  const reason = new Error('enough')
  const aborting = new AbortController()
  const first = watch(it.pool.stream('select', [], { signal: aborting.signal }).next())
  await it.clock.settle()
  aborting.abort(reason)
  await it.clock.settle()
  expect(first.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: reason })
  expect(it.pool.stats().pending).toBe(0)
  holder.release()
  await usable(it)
})

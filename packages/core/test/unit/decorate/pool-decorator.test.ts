import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import {
  AbortError,
  type AcquireOptions,
  type CloseOptions,
  type Pool,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type Statement,
  type StreamIterator,
} from '../../../src/index.js'
import { PIGGYBACK, type PoolCall, PoolDecorator, RESET_AROUND } from '../../../src/kit.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'
import { all, numbers } from '../../streams.js'

/** A decorator over one pool, whose `send` is what a test needs. */
class Decorated extends PoolDecorator {
  readonly name = 'decorated'
  readonly calls: PoolCall<unknown>[] = []
  readonly #pool: Pool
  readonly #send: <R>(call: PoolCall<R>, pool: Pool) => Promise<R>

  constructor(
    pool: Pool,
    send: <R>(call: PoolCall<R>, pool: Pool) => Promise<R> = (call, inner) => call.run(inner),
  ) {
    super()
    this.#pool = pool
    this.#send = send
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    this.calls.push(call)
    return this.#send(call, this.#pool)
  }

  stats(): PoolStats {
    return this.#pool.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#pool.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#pool.off(event, listener)
    return this
  }

  close(options?: CloseOptions): Promise<void> {
    return this.#pool.close(options)
  }
}

/** A server on which `select` gives ten rows, behind a pool of one connection. */
function server(): Harness {
  return harness(
    { max: 1 },
    {
      onStatement: ({ text }) =>
        text === 'select'
          ? { rows: numbers(10) }
          : text === 'fail'
            ? { error: sqlError('22012') }
            : undefined,
    },
  )
}

/** A pool that keeps what it was called with, and answers nothing. */
function recorder(): { pool: Pool; calls: [string, ...unknown[]][] } {
  const calls: [string, ...unknown[]][] = []
  const pool = new Proxy({} as Pool, {
    get: (_, name) => {
      const isStream = name === 'stream' || name === 'copyTo'
      return (...given: unknown[]) => {
        calls.push([String(name), ...given])
        return isStream ? server().pool.stream('select') : Promise.resolve(String(name))
      }
    },
  })
  return { pool, calls }
}

/** A gate that opens when it is told. */
function gate(): { open: () => void; wait: Promise<void> } {
  let open = (): void => undefined
  const wait = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, wait }
}

const COPY_OUT = 'copy t to stdout'
const COPY_IN = 'copy t from stdin'
const DONE = { done: true, value: undefined }

test('every call arrives whole: statement, work, bounds, intent, limits and what pools over pools attach', async () => {
  const { pool, calls } = recorder()
  const decorated = new Decorated(new Decorated(pool))
  const { signal } = new AbortController()
  const piggyback = { statement: { text: 'select 2' }, answered: () => undefined }
  const statement = { text: 'select $1', values: ['1'], name: 'one', [PIGGYBACK]: piggyback }
  const bounds = { intent: 'read', maxStalenessMs: 5, maxStalenessBytes: 6 } as const
  const read = { ...bounds, signal, timeoutMs: 7 }
  const lend = { intent: 'read', signal, timeoutMs: 7, priority: 3, [RESET_AROUND]: true } as const
  const commit = {
    readOnly: false,
    idempotencyKey: 'key',
    idempotencyScope: 'scope',
    openWith: { text: 'set local a = 1' },
    retry: { attempts: 2 },
    [RESET_AROUND]: true,
    signal,
    timeoutMs: 7,
  }
  const work = async (): Promise<void> => undefined
  const onNotify = (): void => undefined
  const onGap = (): void => undefined
  const source = ['a']

  await decorated.query(statement, read)
  await decorated.query('select $1', ['1'], read)
  await decorated.acquire(lend)
  await decorated.use(work, lend)
  await decorated.transaction(work, commit)
  await decorated.stream(statement, { ...bounds, signal, batchSize: 4 }).next()
  await decorated.copyTo(COPY_OUT, read).next()
  await decorated.copyFrom(COPY_IN, source, { signal, timeoutMs: 7 })
  await decorated.listen('channel', onNotify, { signal, timeoutMs: 7, onGap })
  await decorated.ready({ signal, timeoutMs: 7 })

  const taken = { text: 'select $1', values: ['1'] }
  expect(calls).toEqual([
    ['query', expect.objectContaining({ ...taken, name: 'one' }), read],
    ['query', expect.objectContaining(taken), read],
    ['acquire', lend],
    ['use', work, lend],
    ['transaction', work, commit],
    [
      'stream',
      expect.objectContaining({ ...taken, name: 'one' }),
      { ...bounds, signal, batchSize: 4 },
    ],
    ['copyTo', COPY_OUT, read],
    ['copyFrom', COPY_IN, source, { signal, timeoutMs: 7 }],
    ['listen', 'channel', onNotify, { signal, timeoutMs: 7, onGap }],
    ['ready', { signal, timeoutMs: 7 }],
  ])
  expect((calls[0]![1] as typeof statement)[PIGGYBACK]).toBe(piggyback)
  expect((calls[2]![1] as typeof lend)[RESET_AROUND]).toBe(true)
})

test('a call says what it is, what it accepts and whether it only reads', async () => {
  const decorated = new Decorated(recorder().pool)
  const bounds = { intent: 'read', maxStalenessMs: 5, maxStalenessBytes: 6 } as const
  const work = async (): Promise<void> => undefined
  await decorated.query('select', [], { ...bounds, timeoutMs: 7 })
  await decorated.query('select', [], { intent: 'write' })
  await decorated.query('select')
  await decorated.acquire({ intent: 'read' })
  await decorated.use(work, { intent: 'read' })
  await decorated.transaction(work, { readOnly: true })
  await decorated.transaction(work, { readOnly: false })
  await decorated.transaction(work)
  await decorated.stream('select', [], bounds).next()
  await decorated.copyTo(COPY_OUT, bounds).next()
  await decorated.copyFrom(COPY_IN, [])
  await decorated.listen('channel', () => undefined)
  await decorated.ready({ timeoutMs: 7 })
  const said = decorated.calls.map((call) => [
    call.kind,
    call.statement?.text,
    call.intent,
    call.isRead,
    call.maxStalenessMs,
    call.maxStalenessBytes,
    call.timeoutMs,
  ])
  expect(said).toEqual([
    ['query', 'select', 'read', true, 5, 6, 7],
    ['query', 'select', 'write', false, undefined, undefined, undefined],
    ['query', 'select', undefined, false, undefined, undefined, undefined],
    ['acquire', undefined, 'read', true, undefined, undefined, undefined],
    ['use', undefined, 'read', true, undefined, undefined, undefined],
    ['transaction', undefined, 'read', true, undefined, undefined, undefined],
    ['transaction', undefined, 'write', false, undefined, undefined, undefined],
    ['transaction', undefined, undefined, false, undefined, undefined, undefined],
    ['stream', 'select', 'read', true, 5, 6, undefined],
    ['copyTo', COPY_OUT, 'read', true, 5, 6, undefined],
    ['copyFrom', COPY_IN, undefined, false, undefined, undefined, undefined],
    ['listen', undefined, undefined, false, undefined, undefined, undefined],
    ['ready', undefined, undefined, false, undefined, undefined, 7],
  ])
})

test('what is left of the limit, another signal and what was found out replace what the caller said, and nothing else', async () => {
  const { pool, calls } = recorder()
  const { signal } = new AbortController()
  const changes = { timeoutMs: 3, signal, intent: 'read' } as const
  const decorated = new Decorated(pool, (call, inner) => call.run(inner, changes))
  const work = async (): Promise<void> => undefined
  await decorated.query('select', [], { maxStalenessMs: 5, timeoutMs: 7 })
  await decorated.acquire({ priority: 2 })
  await decorated.use(work)
  await decorated.transaction(work, { isolation: 'serializable' })
  await decorated.stream('select', [], { batchSize: 2 }).next()
  await decorated.copyTo(COPY_OUT).next()
  await decorated.copyFrom(COPY_IN, [])
  await decorated.listen('channel', () => undefined)
  const limits = { timeoutMs: 3, signal }
  expect(calls.map((call) => call.at(-1))).toEqual([
    { ...limits, intent: 'read', maxStalenessMs: 5 },
    { ...limits, intent: 'read', priority: 2 },
    { ...limits, intent: 'read' },
    { ...limits, isolation: 'serializable', readOnly: true },
    { signal, intent: 'read', batchSize: 2 },
    { ...limits, intent: 'read' },
    limits,
    limits,
  ])
  const unchanged = new Decorated(pool, (call, inner) => call.run(inner, { timeoutMs: undefined }))
  await unchanged.query('select', [], { timeoutMs: 7, signal, intent: 'write' })
  expect(calls.at(-1)!.at(-1)).toEqual({ timeoutMs: 7, signal, intent: 'write' })
})

test('statement, values and options are taken at the call, also where its way is found later', async () => {
  const { pool, calls } = recorder()
  const { open, wait } = gate()
  const decorated = new Decorated(pool, async (call, inner) => {
    await wait
    return await call.run(inner)
  })
  const values = [1]
  const options: { intent: 'read' | 'write'; maxStalenessMs?: number } = { intent: 'read' }
  const lend: AcquireOptions = { priority: 1 }
  const calling = [
    decorated.query('select $1', values, options),
    decorated.acquire(lend),
    decorated.stream('select $1', values, options).next(),
    decorated.copyTo(COPY_OUT, options).next(),
  ]
  values[0] = 2
  options.intent = 'write'
  options.maxStalenessMs = 0
  lend.priority = 2
  open()
  await Promise.all(calling)
  expect(calls).toEqual([
    ['query', expect.objectContaining({ values: ['1'] }), { intent: 'read' }],
    ['acquire', { priority: 1 }],
    ['stream', expect.objectContaining({ values: ['1'] }), { intent: 'read' }],
    ['copyTo', COPY_OUT, { intent: 'read' }],
  ])
})

test('T91: wrong arguments reject what returns a promise, and throw from what returns a stream, before anything is sent', async () => {
  const decorated = new Decorated(recorder().pool)
  const wrong = 5 as never
  const options = { nonsense: 1 } as never
  const work = async (): Promise<void> => undefined
  const calls: (() => Promise<unknown>)[] = [
    () => decorated.query(wrong),
    () => decorated.query('select', wrong),
    () => decorated.query('select', [], options),
    () => decorated.acquire(options),
    () => decorated.use(wrong),
    () => decorated.use(work, options),
    () => decorated.transaction(wrong),
    () => decorated.transaction(work, options),
    () => decorated.copyFrom('select', []),
    () => decorated.copyFrom(COPY_IN, wrong),
    () => decorated.copyFrom(COPY_IN, [], options),
    () => decorated.listen('', () => undefined),
    () => decorated.listen('channel', () => undefined, options),
    () => decorated.ready(options),
  ]
  for (const call of calls) {
    const rejected = watch(call())
    await Promise.resolve()
    await Promise.resolve()
    expect([rejected.state, rejected.error?.name]).toEqual([
      'rejected',
      expect.stringMatching(/TypeError|RangeError/),
    ])
  }
  expect(() => decorated.stream(wrong)).toThrow(TypeError)
  expect(() => decorated.stream('select', [], options)).toThrow(TypeError)
  expect(() => decorated.copyTo('select')).toThrow(TypeError)
  expect(() => decorated.copyTo(COPY_OUT, options)).toThrow(TypeError)
  expect(decorated.calls).toEqual([])
})

test('T91: what `send` throws is a rejection of every call', async () => {
  const error = new Error('nowhere')
  const decorated = new Decorated(recorder().pool, () => {
    throw error
  })
  const work = async (): Promise<void> => undefined
  for (const call of [
    () => decorated.query('select'),
    () => decorated.acquire(),
    () => decorated.use(work),
    () => decorated.transaction(work),
    () => decorated.copyFrom(COPY_IN, []),
    () => decorated.listen('channel', () => undefined),
    () => decorated.ready(),
    () => decorated.stream('select').next(),
    () => decorated.copyTo(COPY_OUT).next(),
  ]) {
    await expect(call()).rejects.toBe(error)
  }
})

test('a stream is sent at its first next(), and is from then on the stream of the pool it was sent to', async () => {
  const it = server()
  const decorated = new Decorated(new Decorated(it.pool))
  const stream = decorated.stream('select', [], { batchSize: 3 })
  await it.clock.settle()
  expect(decorated.calls).toEqual([])
  expect(await all(stream)).toEqual(numbers(10))
  expect(await stream.next()).toEqual(DONE)
  expect(decorated.calls).toHaveLength(1)
  expect(it.pool.stats()).toMatchObject({ leased: 0, idle: 1 })
})

test('a stream that is left before its first next() is never sent', async () => {
  for (const way of ['return', 'throw', 'dispose'] as const) {
    const decorated = new Decorated(server().pool)
    const stream = decorated.stream('select')
    const error = new Error('mine')
    if (way === 'return') expect(await stream.return()).toEqual(DONE)
    else if (way === 'throw') await expect(stream.throw(error)).rejects.toBe(error)
    else await stream[Symbol.asyncDispose]()
    expect(await stream.next()).toEqual(DONE)
    expect(decorated.calls).toEqual([])
  }
})

test('calls of next() that come at once are served in their order', async () => {
  const it = server()
  const stream = new Decorated(it.pool).stream<{ n: number }>('select', [], { batchSize: 2 })
  const results = await Promise.all(Array.from({ length: 12 }, () => stream.next()))
  expect(results.map(({ value }) => value?.n)).toEqual([
    ...numbers(10).map(({ n }) => n),
    undefined,
    undefined,
  ])
})

test('the first of several calls of next() hears the error, the others find the stream over', async () => {
  for (const [text, send] of [
    ['fail', undefined],
    ['select', () => Promise.reject(sqlError('22012'))],
  ] as const) {
    const it = server()
    const stream = new Decorated(it.pool, send).stream(text)
    const results = await Promise.allSettled([stream.next(), stream.next(), stream.next()])
    expect(results).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ code: '22012' }) },
      { status: 'fulfilled', value: DONE },
      { status: 'fulfilled', value: DONE },
    ])
    expect(it.pool.stats().leased).toBe(0)
  }
})

test.each(['return', 'throw', 'dispose'] as const)(
  'leaving by %s while the first next() waits in the queue of the pool leaves that queue',
  async (way) => {
    const it = server()
    const lease = watch(it.pool.acquire())
    await it.clock.settle()
    const stream = new Decorated(new Decorated(it.pool)).stream('select')
    const first = watch(stream.next())
    await it.clock.settle()
    expect(it.pool.stats().pending).toBe(1)
    const error = new Error('mine')
    const left = watch<unknown>(
      way === 'return'
        ? stream.return()
        : way === 'throw'
          ? stream.throw(error)
          : stream[Symbol.asyncDispose](),
    )
    await it.clock.settle()
    expect(left.state).toBe(way === 'throw' ? 'rejected' : 'resolved')
    expect(first.value).toEqual(DONE)
    expect(it.pool.stats().pending).toBe(0)
    lease.value!.release()
    await it.clock.settle()
    expect(it.pool.stats()).toMatchObject({ idle: 1, leased: 0 })
    expect(await stream.next()).toEqual(DONE)
  },
)

test('a stream that is left while `send` waits is over at once, tells `send` so, and opens nothing later', async () => {
  for (const open of [
    (pool: Pool): StreamIterator<unknown> => pool.stream('select'),
    (pool: Pool): StreamIterator<unknown> => pool.copyTo(COPY_OUT),
  ]) {
    const it = server()
    const way = gate()
    const late: unknown[] = []
    const decorated = new Decorated(it.pool, async (call, inner) => {
      await way.wait
      return await call.run(inner).catch((error) => {
        late.push(error)
        throw error
      })
    })
    const stream = open(decorated)
    const first = watch(stream.next())
    const second = watch(stream.next())
    await it.clock.settle()
    const signal = decorated.calls[0]!.signal!
    expect(signal.aborted).toBe(false)
    expect(await stream.return()).toEqual(DONE)
    await it.clock.settle()
    expect([first.value, second.value]).toEqual([DONE, DONE])
    expect(signal.aborted).toBe(true)
    way.open()
    await it.clock.settle()
    expect(late).toEqual([expect.any(AbortError)])
    expect(it.driver.attempts).toBe(0)
  }
})

test('F55: the signal of a call that waits in `send` fires with the signal of the caller, and leaves it alone afterwards', async () => {
  const it = server()
  const ends = new AbortController()
  const decorated = new Decorated(it.pool, (call) => {
    const { signal } = call
    return new Promise((_, reject) => {
      signal!.addEventListener('abort', () => reject(new AbortError(signal!.reason, 'no')))
    })
  })
  const stream = decorated.stream('select', [], { signal: ends.signal })
  const first = watch(stream.next())
  ends.abort('enough')
  await it.clock.settle()
  expect(first.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'enough' })
  expect(await stream.next()).toEqual(DONE)
  const dead = decorated.stream('select', [], { signal: ends.signal })
  void dead.next().catch(() => undefined)
  expect(decorated.calls[1]!.signal!.aborted).toBe(true)
})

test('F54: the signal of the caller ends a stream that is open, also where `send` handed on the signal of the call', async () => {
  for (const handsOn of [false, true]) {
    const it = server()
    const ends = new AbortController()
    const decorated = new Decorated(it.pool, (call, inner) =>
      call.run(inner, handsOn ? { signal: call.signal } : undefined),
    )
    const stream = decorated.stream('select', [], { batchSize: 2, signal: ends.signal })
    await stream.next()
    ends.abort('enough')
    await expect(stream.next()).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' })
    expect(await stream.next()).toEqual(DONE)
    await it.clock.settle()
    expect(it.pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  }
})

test('nothing is left on the signal of the caller when a stream is over, however it ended', async () => {
  for (const end of [
    (stream: StreamIterator<unknown>) => all(stream),
    (stream: StreamIterator<unknown>) => stream.next().then(() => stream.return()),
    (stream: StreamIterator<unknown>) => stream.return(),
  ]) {
    const ends = new AbortController()
    let listeners = 0
    const add = ends.signal.addEventListener.bind(ends.signal)
    const remove = ends.signal.removeEventListener.bind(ends.signal)
    ends.signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners++
      add(...given)
    }
    ends.signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners--
      remove(...given)
    }
    const decorated = new Decorated(server().pool, (call, inner) =>
      call.run(inner, { signal: call.signal }),
    )
    await end(decorated.stream('select', [], { signal: ends.signal }))
    expect(listeners).toBe(0)
  }
})

test('a stream may be begun again on another pool, and streams that are not read are given up', async () => {
  const broken = server()
  const it = server()
  const again = new Decorated(broken.pool, async (call, inner) => {
    await broken.pool.close()
    return await call.run(inner).catch(() => call.run(it.pool))
  })
  expect(await all(again.stream('select'))).toEqual(numbers(10))

  const other = server()
  const both = new Decorated(it.pool, async (call, inner) => {
    const [one] = await Promise.all([call.run(inner), call.run(other.pool)])
    return one
  })
  const stream = both.stream('select', [], { batchSize: 2 })
  expect(await stream.next()).toEqual({ done: false, value: { n: 0 } })
  await other.clock.settle()
  expect(other.pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  expect(await all(stream)).toEqual(numbers(10).slice(1))
})

test('a `send` that fails after it has opened a stream leaves no connection behind', async () => {
  const it = server()
  const error = new Error('changed its mind')
  const decorated = new Decorated(it.pool, async (call, inner) => {
    await call.run(inner)
    throw error
  })
  await expect(decorated.stream('select', [], { batchSize: 2 }).next()).rejects.toBe(error)
  await it.clock.settle()
  expect(it.pool.stats()).toMatchObject({ leased: 0, idle: 1 })
})

test('a stream is sent in the async context in which it was asked for', async () => {
  const user = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const decorated = new Decorated(server().pool, (call, inner) => {
    seen.push(user.getStore())
    return call.run(inner)
  })
  const outer = new Decorated(decorated)
  const stream = user.run('asks', () => outer.stream('select'))
  const copy = user.run('asks', () => outer.copyTo(COPY_OUT))
  await user.run('reads', async () => {
    await stream.next()
    await copy.next().catch(() => undefined)
  })
  expect(seen).toEqual(['asks', 'asks'])
})

test('disposal closes', async () => {
  const it = server()
  await new Decorated(it.pool)[Symbol.asyncDispose]()
  await expect(it.pool.query('select')).rejects.toMatchObject({ name: 'PoolClosedError' })
})

test('a statement that was taken once is not taken again on its way down', async () => {
  const { pool, calls } = recorder()
  let encoded = 0
  const value = {
    toPostgres: () => {
      encoded++
      return 'x'
    },
  }
  await new Decorated(new Decorated(new Decorated(pool))).query('select $1', [value])
  expect((calls[0]![1] as Statement).values).toEqual(['x'])
  expect(encoded).toBe(1)
})

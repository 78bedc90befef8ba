import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import {
  type Clock,
  type ConnectionPool,
  type CopyToOptions,
  createPool,
  type Lease,
} from '../../../src/index.js'
import { type FakeReply, fakeDriver, virtualClock } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'
import { all, numbers } from '../../streams.js'

const REPLIES: Record<string, FakeReply> = {
  rows: { rows: numbers(10) },
  'bad rows': { rows: numbers(3), then: { error: sqlError('22012') } },
  'copy t to stdout': { pieces: ['1\n', '2\n'] },
  'copy bad to stdout': { pieces: ['1\n'], then: { error: sqlError('22012') } },
  'copy slow to stdout': { pieces: ['1\n'], then: { hang: true } },
  'copy bad from stdin': { then: { error: sqlError('22012') } },
  bad: { error: sqlError('22012') },
  serialize: { error: sqlError('40001') },
  slow: { hang: true },
}

interface Server extends Pick<Harness, 'clock' | 'pool'> {
  /** Whether a timer of the pool keeps the process alive. */
  keepsAlive(): boolean
}

/** A pool of one connection to a server that takes 10 ms for everything. */
function server(): Server {
  const clock = virtualClock()
  const driver = fakeDriver({ clock, statementMs: 10, onStatement: ({ text }) => REPLIES[text] })
  const alive = new Set<() => void>()
  const setTimer: Clock['setTimer'] = (fire, delayMs, options) => {
    let isOver = false
    const fired = (): void => {
      isOver = true
      alive.delete(fired)
      fire()
    }
    const timer = clock.setTimer(fired, delayMs)
    const keepAlive = (on: boolean): void => {
      if (on && !isOver) alive.add(fired)
      else alive.delete(fired)
    }
    const cancel = (): void => {
      isOver = true
      keepAlive(false)
      timer.cancel()
    }
    keepAlive(options?.keepAlive === true)
    return { cancel, keepAlive }
  }
  const pool = createPool({
    driver,
    connection: 'postgres://user:secret@localhost/app',
    max: 1,
    acquireTimeoutMs: 500,
    clock: { ...clock, setTimer },
    random: () => 0.5,
  })
  return { clock, pool, keepsAlive: () => alive.size > 0 }
}

type Options = { signal: AbortSignal; timeoutMs?: number }
type Call = (pool: ConnectionPool, options: Options) => Promise<unknown>

const stream = (text: string): Call => {
  return (pool, { signal }) => all(pool.stream(text, [], { batchSize: 2, signal }))
}
const copyTo = (text: string, options: CopyToOptions = {}): Call => {
  return (pool, { signal }) => all(pool.copyTo(text, { signal, ...options }))
}
const onLease = (work: (lease: Lease, signal: AbortSignal) => Promise<unknown>): Call => {
  return (pool, { signal }) => pool.use((lease) => work(lease, signal))
}

const CALLS: [string, Call][] = [
  ['a query', (pool, options) => pool.query('select', [], options)],
  ['a query that fails', (pool, options) => pool.query('bad', [], options)],
  ['a query past its deadline', (pool, it) => pool.query('slow', [], { ...it, timeoutMs: 50 })],
  ['acquire', async (pool, options) => (await pool.acquire(options)).release()],
  ['use', (pool, options) => pool.use((lease) => lease.query('select'), options)],
  ['use that throws', (pool, options) => pool.use((lease) => lease.query('bad'), options)],
  ['a query of a lease', onLease((lease, signal) => lease.query('select', [], { signal }))],
  ['a stream of a lease', onLease((lease, signal) => all(lease.stream('rows', [], { signal })))],
  [
    'queries in a row on one lease',
    onLease((lease, signal) =>
      Promise.all([1, 2, 3].map(() => lease.query('select', [], { signal }))),
    ),
  ],
  ['a transaction', (pool, options) => pool.transaction((tx) => tx.query('select'), options)],
  ['a transaction that fails', (pool, it) => pool.transaction((tx) => tx.query('bad'), it)],
  [
    'a transaction past its deadline',
    (pool, it) => pool.transaction((tx) => tx.query('slow'), { ...it, timeoutMs: 50 }),
  ],
  [
    'a transaction that is retried in vain',
    (pool, it) =>
      pool.transaction((tx) => tx.query('serialize'), { ...it, retry: { attempts: 3 } }),
  ],
  [
    'a query in a transaction',
    (pool, { signal }) => pool.transaction((tx) => tx.query('select', [], { signal })),
  ],
  ['a stream that is read to its end', stream('rows')],
  ['a stream that fails', stream('bad rows')],
  [
    'a stream that its reader leaves',
    async (pool, { signal }) => {
      for await (const _row of pool.stream('rows', [], { batchSize: 2, signal })) break
    },
  ],
  ['copyTo', copyTo('copy t to stdout')],
  ['copyTo that fails', copyTo('copy bad to stdout')],
  ['copyTo past its deadline', copyTo('copy slow to stdout', { timeoutMs: 100 })],
  [
    'copyTo that its reader leaves',
    async (pool, { signal }) => {
      for await (const _piece of pool.copyTo('copy t to stdout', { signal })) break
    },
  ],
  ['copyFrom', (pool, options) => pool.copyFrom('copy t from stdin', ['1\n'], options)],
  ['copyFrom that fails', (pool, it) => pool.copyFrom('copy bad from stdin', ['1\n'], it)],
  [
    'copyFrom whose source throws',
    (pool, it) =>
      pool.copyFrom(
        'copy t from stdin',
        (async function* () {
          yield '1\n'
          throw new Error('no more')
        })(),
        it,
      ),
  ],
  [
    'a subscription that is closed',
    async (pool, options) => (await pool.listen('news', () => undefined, options)).close(),
  ],
]

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

test.each(CALLS)('T101: %s leaves no listener on its signal', async (_what, call) => {
  const it = server()
  const { signal } = new AbortController()
  const added = vi.spyOn(signal, 'addEventListener')
  const done = watch(call(it.pool, { signal }))
  await it.clock.advance(10_000)
  expect(added).toHaveBeenCalled()
  expect(done.state).not.toBe('pending')
  expect(listeners(signal)).toBe(0)
})

const WAITING = CALLS.filter(
  ([what]) => !/past its|lease|a query in a transaction|subscription/.test(what),
)

test.each(WAITING)(
  'T101: %s that waited for a connection leaves no listener on its signal',
  async (_what, call) => {
    const it = server()
    const lease = await it.pool.acquire()
    const { signal } = new AbortController()
    const done = watch(call(it.pool, { signal }))
    await it.clock.advance(100)
    expect(listeners(signal)).toBe(1)
    lease.release()
    await it.clock.advance(10_000)
    expect(done.state).not.toBe('pending')
    expect(listeners(signal)).toBe(0)
  },
)

test.each(CALLS)('T105: %s leaves no timer that keeps the process alive', async (_what, call) => {
  const it = server()
  const { signal } = new AbortController()
  const done = watch(call(it.pool, { signal, timeoutMs: 5_000 }))
  await it.clock.advance(1_000)
  expect(done.state).not.toBe('pending')
  expect(it.keepsAlive()).toBe(false)
})

test.each(WAITING)(
  'T105: %s keeps the process alive while it waits for a connection, and no longer',
  async (_what, call) => {
    for (const end of ['time', 'signal', 'connection'] as const) {
      const it = server()
      const lease = await it.pool.acquire()
      const abort = new AbortController()
      const done = watch(call(it.pool, { signal: abort.signal }))
      await it.clock.advance(100)
      expect(it.keepsAlive()).toBe(true)
      if (end === 'time') await it.clock.advance(500)
      else if (end === 'signal') abort.abort()
      else lease.release()
      await it.clock.advance(end === 'connection' ? 1_000 : 0)
      expect(done.state).not.toBe('pending')
      expect(it.keepsAlive()).toBe(false)
      if (end !== 'connection') lease.release()
    }
  },
)

test.each(WAITING)(
  'T101: %s that waits for a connection in vain leaves no listener on its signal',
  async (_what, call) => {
    const it = server()
    const lease = await it.pool.acquire()
    const { signal } = new AbortController()
    const done = watch(call(it.pool, { signal }))
    await it.clock.advance(600)
    expect(done.error?.name).toBe('AcquireTimeoutError')
    expect(listeners(signal)).toBe(0)
    lease.release()
  },
)

test('T101: a subscription that waits in vain leaves no listener on its signal', async () => {
  const it = harness({ max: 1 }, { onConnect: () => 'hang' })
  const { signal } = new AbortController()
  const done = watch(it.pool.listen('news', () => undefined, { signal, timeoutMs: 500 }))
  await it.clock.advance(1)
  expect(listeners(signal)).toBe(1)
  await it.clock.advance(1_000)
  expect(done.state).toBe('rejected')
  expect(listeners(signal)).toBe(0)
  await it.pool.close()
})

test('T101: closing the pool takes its listener off the signal of every call and subscription', async () => {
  const it = server()
  const { signal } = new AbortController()
  const lease = await it.pool.acquire()
  const listening = watch(it.pool.listen('news', () => undefined, { signal }))
  await it.clock.advance(100)
  expect(listening.state).toBe('resolved')
  const waiting = WAITING.map(([, call]) => watch(call(it.pool, { signal })))
  await it.clock.advance(1)
  expect(listeners(signal)).toBe(1)
  const closed = watch(it.pool.close({ timeoutMs: 0 }))
  lease.release()
  await it.clock.advance(10_000)
  expect(closed.state).toBe('resolved')
  for (const { state } of waiting) expect(state).not.toBe('pending')
  expect(listeners(signal)).toBe(0)
})

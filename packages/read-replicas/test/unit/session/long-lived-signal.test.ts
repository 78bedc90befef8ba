import { getEventListeners } from 'node:events'
import type { Pool, StreamIterator } from '@poolhouse/core'
import { expect, test, vi } from 'vitest'
import type { ReplicaPool } from '../../../src/index.js'
import { lost } from '../failures.js'
import { settle } from '../manual-clock.js'
import { type Setting, startSetting } from '../setting.js'

type Limits = { signal: AbortSignal; timeoutMs?: number }
type Call = (pool: Pool, limits: Limits) => Promise<unknown>

async function drain(stream: StreamIterator<unknown>): Promise<void> {
  for await (const _one of stream);
}

const READS: [string, Call][] = [
  ['query', (pool, limits) => pool.query('select 1', [], limits)],
  ['acquire', async (pool, limits) => (await pool.acquire(limits)).release()],
  ['use', (pool, limits) => pool.use((lease) => lease.query('select 1'), limits)],
  ['transaction', (pool, limits) => pool.transaction((tx) => tx.query('select 1'), limits)],
  ['stream', (pool, { signal }) => drain(pool.stream('select 1', [], { signal }))],
  ['copyTo', (pool, limits) => drain(pool.copyTo('copy t to stdout', limits))],
]
const WRITES: [string, Call][] = [
  ['query', (pool, limits) => pool.query('insert into t values (1)', [], limits)],
  [
    'query of a lease',
    (pool, limits) => pool.use((lease) => lease.query('insert into t values (1)', [], limits)),
  ],
  ['transaction', (pool, limits) => pool.transaction((tx) => tx.query('insert'), limits)],
  ['copyFrom', (pool, limits) => pool.copyFrom('copy t from stdin', [], limits)],
]

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** Lets no replica be fresh enough: their replay stands still while the primary writes. */
async function goStale({ primary, clock }: Setting): Promise<void> {
  primary.position += 100
  await clock.advance(3_000)
}

/** Lets both replicas replay everything. */
function catchUp({ primary, b, c }: Setting): void {
  b.position = c.position = primary.position
}

/** Waits in which a read may be, each with what begins it and what ends it well. */
const WAITS: Record<
  string,
  {
    options?: Parameters<typeof startSetting>[0]
    begin: (setting: Setting) => Promise<Pool> | Pool
    end: (setting: Setting) => void
  }
> = {
  'for a replica that is fresh enough': {
    options: { maxStalenessMs: 1_000, whenStale: { waitMs: 60_000 } },
    begin: async (setting) => {
      await goStale(setting)
      return setting.db.reader()
    },
    end: catchUp,
  },
  'for a place on the primary': {
    options: { maxStalenessMs: 1_000, primaryShare: 0.1 },
    begin: async (setting) => {
      await goStale(setting)
      setting.primary.answer = ({ text }) => (text === 'hold' ? new Promise(() => {}) : undefined)
      setting.db
        .reader()
        .query('hold')
        .catch(() => {})
      await settle()
      return setting.db.reader()
    },
    end: catchUp,
  },
  'for a replica that shows its write': {
    options: { waitForTokenMs: 60_000 },
    begin: async (setting) => {
      const session = setting.db.session()
      setting.primary.answer = () => {
        setting.primary.position += 100
      }
      await session.query('insert into t values (1)')
      setting.primary.answer = () => new Promise(() => {})
      return session.reader()
    },
    end: catchUp,
  },
}

const CASES = Object.entries(WAITS).flatMap(([what, wait]) =>
  READS.map(([name, call]) => [name, what, wait, call] as const),
)

test.each(CASES)(
  'T101: %s that waits %s leaves no listener on its signal',
  async (_name, _what, wait, call) => {
    const setting = await startSetting(wait.options)
    const pool = await wait.begin(setting)
    const { signal } = new AbortController()
    const done = vi.fn()
    call(pool, { signal }).then(done, done)
    await setting.clock.advance(50)
    expect(done).not.toHaveBeenCalled()
    expect(listeners(signal)).toBe(1)
    wait.end(setting)
    await setting.clock.advance(2_000)
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
  },
)

test.each(CASES.filter(([name]) => name !== 'stream'))(
  'T101, T105: %s that waits %s in vain leaves no listener, and no timer that keeps the process alive',
  async (_name, _what, wait, call) => {
    const setting = await startSetting(wait.options)
    const pool = await wait.begin(setting)
    const { signal } = new AbortController()
    const done = vi.fn()
    call(pool, { signal, timeoutMs: 200 }).then(done, done)
    await setting.clock.advance(50)
    expect(setting.clock.keepsAlive).toBe(true)
    setting.primary.answer = () => undefined
    await setting.clock.advance(5_000)
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
    await setting.db.close()
    expect(setting.clock.keepsAlive).toBe(false)
  },
)

test.each(
  (['pool', 'reader', 'session', 'reader of a session'] as const).flatMap((view) =>
    READS.map(([name, call]) => [name, view, call] as const),
  ),
)('T101: %s of a %s leaves no listener on its signal', async (_name, view, call) => {
  const { db, clock } = await startSetting()
  const { signal } = new AbortController()
  for (let round = 0; round < 2; round++) {
    const done = vi.fn()
    call(viewOf(db, view), { signal, timeoutMs: 60_000 }).then(done, done)
    await clock.advance(1_000)
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
    expect(clock.keepsAlive).toBe(false)
  }
})

function viewOf(db: ReplicaPool, view: string): Pool {
  if (view === 'pool') return db
  if (view === 'reader') return db.reader()
  return view === 'session' ? db.session() : db.session().reader()
}

test.each(WRITES)(
  'T101: %s in a session that waits for the position of its write leaves no listener on its signal',
  async (_name, call) => {
    const { db, clock, primary } = await startSetting()
    const { signal } = new AbortController()
    primary.hangs = true
    const done = vi.fn()
    call(db.session(), { signal, timeoutMs: 60_000 }).then(done, done)
    await clock.advance(100)
    expect(done).not.toHaveBeenCalled()
    expect(listeners(signal)).toBe(1)
    await clock.advance(1_000)
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
  },
)

test('T101: a read that was lost on every node leaves no listener on its signal', async () => {
  const { db, primary, b, c, clock } = await startSetting()
  for (const pool of [primary, b, c]) {
    pool.answer = () => {
      throw lost()
    }
  }
  const { signal } = new AbortController()
  const done = vi.fn()
  db.reader().query('select 1', [], { signal }).catch(done)
  await clock.advance(10_000)
  expect(done).toHaveBeenCalledOnce()
  expect(listeners(signal)).toBe(0)
})

import { expect, test } from 'vitest'
import { BEGIN_FIRST, RESET_AROUND } from '../../../src/api/call-options.js'
import { tracing } from '../../../src/api/tracing.js'
import type { ConnectionPool, Transaction, TransactionOptions } from '../../../src/index.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { type CallObserver, watchCalls } from '../../../src/watch/call-watcher.js'
import { type Harness, harness, watch } from '../../harness.js'

// What a backend says when its postmaster was killed: once it is idle, so mostly right behind an
// answer.
const REASON = 'terminating connection due to unexpected postmaster exit'
const IDENTITY = { xid: '7', pid: 8, lsn: '0/1', begun_at: 'now', wal_file: '000000030000000A' }
const REPLIES: Record<string, FakeReply> = {
  rows: { rows: [{ n: 1 }, { n: 2 }, { n: 3 }] },
  'copy t to stdout': { pieces: ['a', 'b'] },
}
// More microtasks than any of the calls takes.
const MOST_HOPS = 80

type Call = (pool: ConnectionPool) => Promise<unknown>

const two = async (tx: Pick<Transaction, 'query'>): Promise<void> => {
  await tx.query('a')
  await tx.query('b')
}

const CALLS: Record<string, Call> = {
  query: (pool) => pool.query('a'),
  'several queries': (pool) =>
    Promise.allSettled(['1', '1', '1', '2'].map((n) => pool.query(`select ${n}`))),
  use: (pool) =>
    pool.use(async (lease) => {
      await lease.query('set a = 1')
      await Promise.all([lease.query('a'), lease.query('b')])
    }),
  batch: (pool) => pool.use((lease) => lease.batch(['a', 'b', 'c'])),
  stream: async (pool) => {
    for await (const _ of pool.stream('rows', [], { batchSize: 1 })) await Promise.resolve()
  },
  copyTo: async (pool) => {
    for await (const _ of pool.copyTo('copy t to stdout')) await Promise.resolve()
  },
  copyFrom: (pool) => pool.copyFrom('copy t from stdin', ['a\n', 'b\n']),
  session: async (pool) => {
    await using session = await pool.openSession()
    await Promise.all([session.query('a'), session.ping(), session.listen('news')])
  },
  listen: (pool) => pool.listen('news', () => {}),
}

const TRANSACTIONS: Record<string, (pool: ConnectionPool, o?: TransactionOptions) => unknown> = {
  transaction: (pool, options) => pool.transaction(two, options),
  'at once': (pool, options) =>
    pool.transaction(
      (tx) => Promise.all([tx.query('a'), tx.query('b'), tx.savepoint(two)]),
      options,
    ),
  array: (pool, options) => pool.transaction(['a', 'b'], options),
  'copy in a transaction': (pool, options) =>
    pool.transaction((tx) => tx.copyFrom('copy t from stdin', ['a\n']), options),
}
const OPTIONS: Record<string, TransactionOptions> = {
  'BEGIN riding': {},
  'an opening statement riding': { openWith: { text: 'settings' } },
  'BEGIN first': { [BEGIN_FIRST]: true } as TransactionOptions,
  'a reset around it': {
    [RESET_AROUND]: true,
    openWith: { text: 'settings' },
  } as TransactionOptions,
  'its identity': { resolver: (() => ({})) as never },
}
for (const [what, begin] of Object.entries(TRANSACTIONS)) {
  for (const [how, options] of Object.entries(OPTIONS)) {
    CALLS[`${what}, with ${how}`] = async (pool) => await begin(pool, options)
    CALLS[`${what}, with ${how} and a limit`] = async (pool) =>
      await begin(pool, { ...options, timeoutMs: 5_000 })
  }
}

/** Where the only connection of the pool is when the call is made; then lets the call have it. */
const PLACES: Record<string, (it: Harness) => Promise<() => void>> = {
  idle: async () => () => {},
  'idle for so long that it must prove itself': async ({ clock }) => {
    await clock.advance(100)
    return () => {}
  },
  'given back a moment before': async ({ pool }) => {
    const lease = await pool.acquire()
    return () => lease.release()
  },
}

async function warmed(isWatched: boolean): Promise<Harness> {
  const it = harness(
    { max: 1, multiplex: 'auto', validateAfterIdleMs: 10 },
    {
      onStatement: ({ text }) =>
        REPLIES[text] ?? (text.includes('; SELECT') ? { rows: [IDENTITY] } : undefined),
    },
  )
  if (isWatched) {
    const observer: CallObserver = {
      comments: false,
      began() {},
      commented: (_, text) => text,
      waited() {},
      ended() {},
      acquiring() {},
      acquired() {},
      transaction: (run) => run(),
      connecting() {},
      connected() {},
      lent() {},
      returned() {},
      stopped() {},
    }
    watchCalls(it.pool, { watch: () => observer, held: () => () => {}, retried() {} })
  }
  const open = it.pool.warm()
  await it.clock.advance(0)
  await open
  return it
}

/**
 * What no caller was told of, where the session ends at each microtask of the call, and where it is
 * right behind the answer of the borrower before.
 */
async function untoldOf(call: Call, isWatched: boolean): Promise<string[]> {
  const untold: string[] = []
  let at = ''
  const onRejection = (reason: unknown): void => void untold.push(`${at}: ${reason}`)
  process.on('unhandledRejection', onRejection)
  try {
    for (const [place, prepare] of Object.entries(PLACES)) {
      let isOver = false
      for (let hops = 0; hops < MOST_HOPS && !isOver; hops++) {
        at = `${place}, after ${hops} microtasks`
        const it = await warmed(isWatched)
        const lend = await prepare(it)
        const made = watch(call(it.pool))
        lend()
        for (let hop = 0; hop < hops; hop++) await Promise.resolve()
        isOver = made.state !== 'pending'
        for (const connection of [...it.driver.open]) connection.lose(REASON)
        await it.clock.advance(1_000)
        if (made.state === 'pending') untold.push(`${at}: it never settled`)
        await it.pool.close()
      }
    }
    await new Promise(setImmediate)
  } finally {
    process.off('unhandledRejection', onRejection)
  }
  return untold
}

test.each(Object.keys(CALLS))(
  'F56: %s: that a session ends rejects no promise without a holder, at whichever moment',
  async (kind) => {
    expect(await untoldOf(CALLS[kind]!, false)).toEqual([])
  },
)

test('F56: nor do the promises of those who watch and trace the calls', async () => {
  const subscribers = { start: () => {} }
  tracing.query.subscribe(subscribers)
  try {
    for (const kind of ['query', 'several queries', 'batch', 'stream', 'copyFrom', 'use']) {
      expect(await untoldOf(CALLS[kind]!, true)).toEqual([])
    }
    for (const kind of Object.keys(TRANSACTIONS)) {
      for (const how of ['BEGIN riding', 'a reset around it']) {
        expect(await untoldOf(CALLS[`${kind}, with ${how} and a limit`]!, true)).toEqual([])
      }
    }
  } finally {
    tracing.query.unsubscribe(subscribers)
  }
})

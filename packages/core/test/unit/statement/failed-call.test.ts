import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  type ConnectionPool,
  DatabaseError,
  InDoubtError,
  type PoolhouseError,
} from '../../../src/index.js'
import type { FakeReply, VirtualClock } from '../../../src/testing/index.js'
import { type Harness, hangsIfSlow, harness } from '../../harness.js'

const NIX = 'select * from nix'

function replyTo(statement: { text: string }): FakeReply | undefined {
  if (!statement.text.includes('nix')) return hangsIfSlow(statement)
  return { error: new DatabaseError('there is no nix', { code: '42P01', severity: 'ERROR' }) }
}

function failing(options: Parameters<typeof harness>[0] = {}): Harness {
  return harness({ max: 1, ...options }, { onStatement: replyTo, onCancel: () => 1 })
}

/** What the caller of a call that has failed finds. */
async function errorOf(call: Promise<unknown>, clock: VirtualClock): Promise<PoolhouseError> {
  const caught = call.then(
    () => {
      throw new Error('it has not failed')
    },
    (error: PoolhouseError) => error,
  )
  await clock.advance(1_000)
  return await caught
}

type Fail = (pool: ConnectionPool) => Promise<unknown>

async function readAll(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of rows);
}

/** Runs `work` while the only connection is lent to another caller. */
async function whileBusy(pool: ConnectionPool, work: () => Promise<unknown>): Promise<unknown> {
  await using lease = await pool.acquire()
  void lease
  return await work()
}

const FORMS: [form: string, statement: string | undefined, fail: Fail][] = [
  ['query', NIX, (pool) => pool.query(NIX)],
  ['a statement object', NIX, (pool) => pool.query({ text: NIX, values: [1] })],
  ['Promise.all', NIX, (pool) => Promise.all([pool.query('select 1'), pool.query(NIX)])],
  ['then', NIX, (pool) => pool.query(NIX).then(({ rows }) => rows)],
  ['stream', NIX, (pool) => readAll(pool.stream(NIX))],
  ['copyTo', 'copy nix to stdout', (pool) => readAll(pool.copyTo('copy nix to stdout'))],
  ['copyFrom', 'copy nix from stdin', (pool) => pool.copyFrom('copy nix from stdin', ['1'])],
  ['use', NIX, (pool) => pool.use(async (lease) => lease.query(NIX))],
  ['transaction', NIX, (pool) => pool.transaction(async (tx) => await tx.query(NIX))],
  [
    'savepoint',
    NIX,
    (pool) => pool.transaction((tx) => tx.savepoint(async (sp) => await sp.query(NIX))),
  ],
  ['stream of a transaction', NIX, (pool) => pool.transaction((tx) => readAll(tx.stream(NIX)))],
  [
    'a session beside the pool',
    NIX,
    async (pool) => {
      await using session = await pool.openSession()
      return await session.query(NIX)
    },
  ],
  ['timeoutMs', 'slow', (pool) => pool.query('slow', [], { timeoutMs: 10 })],
  [
    'timeoutMs of a transaction',
    'slow',
    (pool) => pool.transaction((tx) => tx.query('slow'), { timeoutMs: 10 }),
  ],
  [
    'signal',
    'slow',
    async (pool) => {
      const abort = new AbortController()
      const call = pool.query('slow', [], { signal: abort.signal })
      setImmediate(() => abort.abort(new Error('enough')))
      return await call
    },
  ],
  [
    'a signal that has fired',
    'select 1',
    (pool) => pool.query('select 1', [], { signal: AbortSignal.abort('enough') }),
  ],
  ['a statement that no pool sends', 'begin', (pool) => pool.query('begin')],
  [
    'a wait in the queue',
    'select 1',
    (pool) => whileBusy(pool, () => pool.query('select 1', [], { timeoutMs: 10 })),
  ],
  ['acquire', undefined, (pool) => whileBusy(pool, () => pool.acquire({ timeoutMs: 10 }))],
  [
    'use without a connection',
    undefined,
    (pool) => whileBusy(pool, () => pool.use(async () => {}, { timeoutMs: 10 })),
  ],
  [
    'a released lease',
    'select 1',
    async (pool) => {
      const lease = await pool.acquire()
      lease.release()
      return await lease.query('select 1')
    },
  ],
  [
    'a closed pool',
    'select 1',
    async (pool) => {
      await pool.close()
      return await pool.query('select 1')
    },
  ],
]

describe('T82: a failed call says where', () => {
  test.each(FORMS)(
    '%s: the frames of the caller, and the statement',
    async (_form, statement, fail) => {
      const { clock, pool } = failing()
      async function theCaller(): Promise<void> {
        await fail(pool)
      }
      async function callerOfTheCaller(): Promise<void> {
        await theCaller()
      }
      const error = await errorOf(callerOfTheCaller(), clock)
      expect(error.stack).toMatch(/theCaller[\s\S]*callerOfTheCaller/)
      expect(error.stack!.startsWith(`${error.name}: ${error.message}\n`)).toBe(true)
      expect(error.statement).toBe(statement)
    },
  )

  test('the callback of a transaction stands before the code that has begun it', async () => {
    const { clock, pool } = failing()
    async function theWork(tx: { query(text: string): Promise<unknown> }): Promise<void> {
      await tx.query(NIX)
    }
    async function theCaller(): Promise<void> {
      await pool.transaction(theWork)
    }
    expect((await errorOf(theCaller(), clock)).stack).toMatch(/theWork[\s\S]*theCaller/)
  })

  test('calls that fail for one reason have an error each, with the frames of their own caller', async () => {
    const { clock, pool } = failing()
    await using lease = await pool.acquire()
    void lease
    async function oneCaller(): Promise<void> {
      await pool.acquire()
    }
    async function otherCaller(): Promise<void> {
      await pool.query('select 1')
    }
    const errors = [errorOf(oneCaller(), clock), errorOf(otherCaller(), clock)]
    void pool.close({ timeoutMs: 0 })
    const [one, other] = await Promise.all(errors)
    expect(one!.stack).toContain('oneCaller')
    expect(one!.stack).not.toContain('otherCaller')
    expect(other!.stack).toContain('otherCaller')
    expect(other!.stack).not.toContain('oneCaller')
    expect([one!.statement, other!.statement]).toEqual([undefined, 'select 1'])
  })

  test('a call that no async function awaits fails all the same', async () => {
    const { clock, pool } = failing()
    const call = pool.query(NIX)
    call.catch(() => {})
    await clock.advance(10)
    await expect(call).rejects.toMatchObject({ code: '42P01', statement: NIX })
  })
})

describe('T82: the statement of an error', () => {
  test('is the text without its values, and is printed by nothing that is not asked for it', async () => {
    const { clock, pool } = failing()
    const values = ['a value of the caller']
    const error = await errorOf(pool.query(`${NIX} where a = $1`, values), clock)
    expect((error as { statement?: string }).statement).toBe('select * from nix where a = $1')
    expect(inspect(error)).not.toContain('nix where')
    expect(inspect(error, { showHidden: true })).not.toContain(values[0])
    const inDoubt = new InDoubtError('not known', error)
    expect(inDoubt.statement).toBe(error.statement)
    expect(inspect(inDoubt)).not.toContain('nix where')
  })

  test('is not that of another call which is the reason of a signal', async () => {
    const { clock, pool } = failing()
    const reason = await errorOf(pool.query(NIX), clock)
    const error = await errorOf(pool.acquire({ signal: AbortSignal.abort(reason) }), clock)
    expect(error.cause).toBe(reason)
    expect(error.statement).toBeUndefined()
  })

  test('hides the strings of a text that may hold a secret, in snapshots and leaks too', async () => {
    const { clock, pool } = failing({ leakWarningMs: 1_000 })
    const text = "alter role nix password 'hunter2'"
    const shown = "alter role nix password '…'"
    const error = await errorOf(pool.query(text), clock)
    expect(error.statement).toBe(shown)
    const leaks: unknown[] = []
    pool.on('leak', ({ statement }) => leaks.push(statement))
    await using lease = await pool.acquire()
    await errorOf(lease.query(text), clock)
    expect(pool.inspect().leases).toMatchObject([{ statement: shown }])
    await clock.advance(3_000)
    expect(leaks).toEqual([shown])
  })

  test("hides every string with errorDetail: 'drop'", async () => {
    const { clock, pool } = failing({ errorDetail: 'drop' })
    await using lease = await pool.acquire()
    const error = await errorOf(lease.query("select * from nix where email = 'a@b.c'"), clock)
    expect(error.statement).toBe("select * from nix where email = '…'")
    expect(pool.inspect().leases).toMatchObject([{ statement: error.statement }])
  })
})

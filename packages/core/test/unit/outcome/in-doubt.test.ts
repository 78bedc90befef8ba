import { expect, test } from 'vitest'
import {
  InDoubtError,
  type ResolveOptions,
  type Transaction,
  type TransactionIdentity,
  type TransactionOutcome,
} from '../../../src/index.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { IDENTITY_QUERY } from '../../../src/transaction/transaction-identity.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

const ROW = {
  xid: '4059',
  pid: 4711,
  lsn: '0/1BE6208',
  begun_at: '2026-01-02 00:00:00+00',
  wal_file: '0000000A0000000000000001',
}
const WARNING = {
  severity: 'WARNING',
  code: '01000',
  message: 'canceling wait for synchronous replication due to user request',
}

function server(replies: Record<string, FakeReply>): Harness {
  return harness(
    { max: 1 },
    {
      onStatement: ({ text }) =>
        replies[text] ?? (text.startsWith('BEGIN;') ? { rows: [ROW] } : undefined),
    },
  )
}

async function doubt(outcomes: (TransactionOutcome | Error)[]): Promise<InDoubtError> {
  const it = server({ COMMIT: { lose: 'reset' } })
  const resolver = async (): Promise<TransactionOutcome> => {
    const outcome = outcomes.shift()!
    if (outcome instanceof Error) throw outcome
    return outcome
  }
  const done = watch(it.pool.transaction(async () => {}, { resolver: () => resolver }))
  await it.clock.settle()
  expect(done.error).toBeInstanceOf(InDoubtError)
  return done.error as InDoubtError
}

test('reads the identity of a transaction in the same message as BEGIN and passes it to the resolver', async () => {
  const it = server({ COMMIT: { lose: 'reset' } })
  const statements: string[] = []
  it.driver.options.onAnswer = ({ text }) => statements.push(text)
  const seen: TransactionIdentity[] = []
  watch(
    it.pool.transaction(async () => {}, {
      resolver: (transaction) => {
        seen.push(transaction)
        return async () => 'committed'
      },
    }),
  )
  await it.clock.settle()
  expect(statements[0]).toBe(`BEGIN; ${IDENTITY_QUERY}`)
  expect(seen).toEqual([
    {
      xid: '4059',
      backendPid: 4711,
      startLsn: '0/1BE6208',
      timeline: 10,
      begunAt: '2026-01-02 00:00:00+00',
    },
  ])
})

test('does not ask for the identity of a transaction without a resolver, nor for one that is read-only', async () => {
  for (const options of [
    {},
    { readOnly: true, resolver: () => async () => 'committed' as const },
  ]) {
    const it = server({})
    watch(it.pool.transaction(async () => {}, options))
    await it.clock.settle()
    expect(it.session().statements[0]).toBe('readOnly' in options ? 'BEGIN READ ONLY' : 'BEGIN')
  }
})

test('a write transaction that begins on a standby is reported as not executed', async () => {
  const it = harness(
    { max: 1 },
    {
      onStatement: ({ text }) =>
        text.startsWith('BEGIN;') ? { error: sqlError('25006') } : undefined,
    },
  )
  let runs = 0
  const done = watch(
    it.pool.transaction(async () => runs++, { resolver: () => async () => 'unknown' }),
  )
  await it.clock.settle()
  expect(done.error).toMatchObject({ code: '25006', executed: 'no' })
  expect(runs).toBe(0)
})

test('resolve returns what the resolver found and does not ask it again once that is final', async () => {
  const error = await doubt(['unknown', 'committed', 'aborted'])
  expect(await error.resolve()).toBe('unknown')
  expect(await error.resolve({ timeoutMs: 10 })).toBe('committed')
  expect(await error.resolve()).toBe('committed')
})

test('resolve returns unknown without a resolver and when the resolver fails', async () => {
  expect(await new InDoubtError('sent').resolve()).toBe('unknown')
  expect(await (await doubt([new Error('broken')])).resolve()).toBe('unknown')
})

test('resolve rejects for wrong options and when its signal fires', async () => {
  const error = await doubt(['unknown'])
  await expect(error.resolve({ timeoutMs: 0 })).rejects.toBeInstanceOf(RangeError)
  await expect(error.resolve({ timeout: 1 } as ResolveOptions)).rejects.toThrow(/timeoutMs/)
  await expect(error.resolve({ signal: AbortSignal.abort('enough') })).rejects.toMatchObject({
    name: 'AbortError',
    executed: 'unknown',
    cause: 'enough',
  })
})

const inserts = async (tx: Transaction): Promise<Transaction> => {
  await tx.query('insert')
  return tx
}

test('S79: a COMMIT whose wait for standbys was cancelled succeeds, and the transaction and an event report it as local', async () => {
  for (const [routine, durability] of [
    ['SyncRepWaitForLSN', 'local'],
    [undefined, 'local'],
    ['exec_stmt_raise', 'configured'],
  ] as const) {
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }, connection) => {
          if (text === 'COMMIT') connection.warn({ ...WARNING, routine })
          return undefined
        },
      },
    )
    const heard: unknown[] = []
    it.pool.on('durability', (event) => heard.push(event))
    const done = watch(
      it.pool.transaction(async (tx) => {
        await tx.query('insert')
        expect(tx.durability).toBeUndefined()
        return tx
      }),
    )
    await it.clock.settle()
    expect(done.value?.durability).toBe(durability)
    expect(heard).toEqual(
      durability === 'local'
        ? [{ pool: 'test', connection: 1, durability: 'local', message: WARNING.message }]
        : [],
    )
  }
})

test('a transaction whose session is terminated while COMMIT waits for standbys is committed on the primary', async () => {
  const it = harness(
    { max: 1 },
    {
      onStatement: ({ text }, connection) => {
        if (text !== 'COMMIT') return undefined
        connection.warn({ ...WARNING, code: '57P01', routine: 'SyncRepWaitForLSN' })
        return { lose: 'terminated' }
      },
    },
  )
  const done = watch(it.pool.transaction(inserts))
  await it.clock.settle()
  expect(done.value?.durability).toBe('local')
})

test('a warning about one commit does not affect the next commit of the same connection', async () => {
  let warn = true
  const it = harness(
    { max: 1 },
    {
      onStatement: ({ text }, connection) => {
        if (text === 'COMMIT' && warn) connection.warn({ ...WARNING })
        return text === 'COMMIT' && !warn ? { lose: 'reset' } : undefined
      },
    },
  )
  const first = watch(it.pool.transaction(inserts))
  await it.clock.settle()
  warn = false
  const second = watch(it.pool.transaction(inserts))
  await it.clock.settle()
  expect(first.value?.durability).toBe('local')
  expect(second.error).toBeInstanceOf(InDoubtError)
})

test.each(['copyFrom', 'stream'])(
  'does not restart for a SET TRANSACTION after a %s, whose work would be undone',
  async (before) => {
    const texts: string[] = []
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) => {
          texts.push(text)
          return text.startsWith('BEGIN;') ? { rows: [ROW] } : undefined
        },
      },
    )
    const done = watch(
      it.pool.transaction(
        async (tx) => {
          if (before === 'copyFrom') await tx.copyFrom('copy t from stdin', ['1\n'])
          else await tx.stream('insert into t values (1) returning 1').next()
          await tx.query('set transaction read only')
        },
        { resolver: () => async () => 'committed' },
      ),
    )
    await it.clock.settle()
    expect(done.state).toBe('resolved')
    expect(texts.filter((text) => text.includes('ROLLBACK'))).toEqual([])
    expect(texts).toContain('set transaction read only')
  },
)

import { expect, test, vi } from 'vitest'
import type { DriverConnection } from '../../../src/api/driver.js'
import {
  ConnectionLostError,
  type InDoubtError,
  type TransactionOptions,
} from '../../../src/index.js'
import type { FakeDriverOptions, FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, type Outcome, sqlError, watch } from '../../harness.js'

/** `slow…` is never answered, `bad…` is refused, `lose…` ends the session, `fatal…` both. */
function byWord({ text }: { text: string }): FakeReply | undefined {
  if (text.startsWith('slow')) return { hang: true }
  if (text.startsWith('bad')) return { error: sqlError('23505') }
  if (text.startsWith('fatal')) return { error: sqlError('57P01', 'FATAL') }
  if (text.startsWith('lose')) return { lose: 'cut' }
  return undefined
}

function scripted(
  behaviour: Partial<FakeDriverOptions> = {},
  options: Parameters<typeof harness>[0] = {},
): Harness {
  return harness({ max: 1, ...options }, { onStatement: byWord, statementMs: 5, ...behaviour })
}

/** Runs the array to its end on a pool whose connection is open. */
async function run(
  it: Harness,
  statements: readonly (string | { text: string; values?: unknown[] })[],
  options?: TransactionOptions,
  ms = 100,
): Promise<Outcome<unknown> & { took?: number }> {
  await it.pool.warm()
  const since = it.clock.now()
  let took: number | undefined
  const call = it.pool.transaction(statements, options)
  const seen = (): void => {
    took = it.clock.now() - since
  }
  call.then(seen, seen)
  const outcome: Outcome<unknown> & { took?: number } = watch(call)
  await it.clock.advance(ms)
  if (took !== undefined) outcome.took = took
  return outcome
}

const BOTH: [string, Partial<FakeDriverOptions>][] = [
  ['in one step', {}],
  ['one by one', { sendsTogether: 'refused' }],
]

test.each(BOTH)('T95: an array of statements is one transaction, sent %s', async (_, behaviour) => {
  const onStatement = ({ text }: { text: string }): FakeReply | undefined =>
    text === 'b' ? { rows: [{ n: 1 }], command: 'SELECT' } : undefined
  const it = scripted({ ...behaviour, onStatement })
  const done = await run(it, ['a', { text: 'b', values: [1] }])
  expect(done.value).toMatchObject([{ command: 'A', node: 'test' }, { rows: [{ n: 1 }] }])
  expect(done.took).toBe(behaviour.sendsTogether === undefined ? 5 : 20)
  expect(it.session().statements).toEqual(['BEGIN', 'a', 'b', 'COMMIT'])
  expect(it.pool.stats()).toMatchObject({ idle: 1, leased: 0 })
  expect(it.driver.violations).toEqual([])
})

test('an array begins as its options say', async () => {
  const it = scripted()
  const options = { isolation: 'serializable', readOnly: true, deferrable: true } as const
  await run(it, ['a'], { ...options, openWith: { text: 'open' } })
  expect(it.session().statements).toEqual([
    'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE',
    'open',
    'a',
    'COMMIT',
  ])
})

test.each(BOTH)(
  'T95: the first error rolls an array back and says which statement it was, sent %s',
  async (_, behaviour) => {
    const it = scripted(behaviour)
    const done = await run(it, ['a', 'bad', 'c'])
    expect(done.error).toMatchObject({ code: '23505', executed: 'rolled-back', statementIndex: 1 })
    expect(it.session().statements).toEqual(['BEGIN', 'a', 'bad', 'ROLLBACK'])
    expect(it.pool.stats()).toMatchObject({ idle: 1, counters: { destroyed: 0 } })
  },
)

test('an error of what opens an array, and one of COMMIT, have no index', async () => {
  const it = scripted({
    onStatement: ({ text }) =>
      ['open', 'COMMIT'].includes(text) ? { error: sqlError('23503') } : undefined,
  })
  const atCommit = await run(it, ['a'])
  expect(atCommit.error).toMatchObject({ code: '23503', executed: 'rolled-back' })
  const atOpening = await run(it, ['a'], { openWith: { text: 'open' } })
  expect(atOpening.error).toMatchObject({ code: '23503', executed: 'rolled-back' })
  for (const { error } of [atCommit, atOpening]) expect(error).not.toHaveProperty('statementIndex')
})

test('T95: an array whose answer is lost is in doubt, and is not repeated', async () => {
  const it = scripted()
  const done = await run(it, ['a', 'lose'], { retry: { attempts: 3 } })
  expect(done.error).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
  expect(await (done.error as InDoubtError).resolve()).toBe('unknown')
  expect(it.driver.attempts).toBe(1)
})

test('an array that only reads leaves nothing in doubt, and is repeated if that was declared', async () => {
  let losses = 1
  const it = scripted({
    onStatement: ({ text }) => (text === 'a' && losses-- > 0 ? { lose: 'cut' } : undefined),
  })
  const once = await run(it, ['a'], { readOnly: true })
  expect(once.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
  losses = 1
  const again = await run(it, ['a'], { readOnly: true, retry: { attempts: 2 } })
  expect(again.state).toBe('resolved')
})

test('T95: a session that the server ends before COMMIT leaves nothing in doubt', async () => {
  const it = scripted()
  const done = await run(it, ['a', 'fatal', 'c'])
  expect(done.error).toMatchObject({ code: '57P01', executed: 'rolled-back', statementIndex: 1 })
})

test('T95: what the server had refused before the session was lost was rolled back', async () => {
  const it = scripted()
  await it.pool.warm()
  const session = it.session() as { runTogether?: DriverConnection['runTogether'] }
  session.runTogether = (statements) => {
    const lost = new ConnectionLostError('cut', { executed: 'unknown' })
    const errors = [lost, sqlError('23505'), lost, lost]
    queueMicrotask(() => {
      for (const [index, { done }] of statements.entries()) done(errors[index]!)
    })
    return true
  }
  const done = await run(it, ['a', 'b'])
  expect(done.error).toMatchObject({ code: '23505', executed: 'rolled-back', statementIndex: 0 })
})

test('T95: a large array that loses its connection before COMMIT was sent is rolled back', async () => {
  const it = scripted()
  const texts = Array.from({ length: 1_100 }, (_, index) => (index === 500 ? 'lose' : `s${index}`))
  const done = await run(it, texts)
  expect(done.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
})

test('a large array goes out in pieces, and commits with the last', async () => {
  const it = scripted()
  const texts = Array.from({ length: 2_500 }, (_, index) => `s${index}`)
  const done = await run(it, texts)
  expect(done.took).toBe(15)
  expect(done.value).toHaveLength(2_500)
  expect(it.session().statements.slice(-2)).toEqual(['s2499', 'COMMIT'])
})

test('T95: no later piece of a large array is sent after an error', async () => {
  const it = scripted()
  const texts = Array.from({ length: 1_100 }, (_, index) => (index === 500 ? 'bad' : `s${index}`))
  const done = await run(it, texts)
  expect(done.error).toMatchObject({ code: '23505', statementIndex: 500 })
  expect(it.session().statements.slice(-2)).toEqual(['bad', 'ROLLBACK'])
})

/** How a transaction of a failover pool is known. */
function identified(): { options: TransactionOptions; asked: string[]; reply: FakeReply } {
  const asked: string[] = []
  return {
    asked,
    options: {
      resolver: ({ xid }) => {
        asked.push(xid)
        return async () => 'committed'
      },
    },
    reply: {
      rows: [
        { xid: '77', pid: 1, lsn: '0/1', begun_at: 'now', wal_file: '000000010000000000000001' },
      ],
      command: 'SELECT',
    },
  }
}

test('T95: with a resolver BEGIN goes first, so that an array in doubt can be resolved', async () => {
  const { options, asked, reply } = identified()
  const it = scripted({
    onStatement: (statement) => (statement.text.startsWith('BEGIN;') ? reply : byWord(statement)),
  })
  const fine = await run(it, ['a', 'b'], options)
  expect(fine).toMatchObject({ state: 'resolved', took: 10 })
  const done = await run(it, ['a', 'lose'], options)
  expect(done.error).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
  expect(await (done.error as InDoubtError).resolve()).toBe('committed')
  expect(asked).toEqual(['77'])
})

test('with a resolver, an array that the driver cannot join begins anew', async () => {
  const { options, reply } = identified()
  const it = scripted({
    sendsTogether: 'refused',
    onStatement: (statement) => (statement.text.startsWith('BEGIN;') ? reply : byWord(statement)),
  })
  expect((await run(it, ['a'], options)).state).toBe('resolved')
  const words = it.session().statements.map((text) => text.split(/[ ;]/, 1)[0])
  expect(words).toEqual(['BEGIN', 'ROLLBACK', 'BEGIN', 'a', 'COMMIT'])
})

test('with a resolver, a SET TRANSACTION at the head of an array runs as in a callback', async () => {
  const { options, reply } = identified()
  const it = scripted({
    onStatement: (statement) => (/xid/.test(statement.text) ? reply : byWord(statement)),
  })
  const done = await run(it, ['set transaction isolation level serializable', 'a'], options)
  expect(done.state).toBe('resolved')
  expect(it.session().statements[1]).toBe(
    'ROLLBACK AND CHAIN; set transaction isolation level serializable',
  )
})

test('a text of several commands has the statements run one by one', async () => {
  const it = scripted()
  const done = await run(it, ['a; b', 'bad'])
  expect(done.error).toMatchObject({ code: '23505', statementIndex: 1 })
  expect(it.session().statements).toEqual(['BEGIN', 'a; b', 'bad', 'ROLLBACK'])
})

test('an empty array is a transaction without statements', async () => {
  const done = await run(scripted(), [])
  expect(done.value).toEqual([])
})

test('T95: an array is run again after a conflict, with the values of the call', async () => {
  let conflicts = 1
  const seen: unknown[] = []
  const it = scripted({
    onStatement: ({ text, values }) => {
      if (text !== 'a') return undefined
      seen.push(values?.[0])
      return conflicts-- > 0 ? { error: sqlError('40001') } : undefined
    },
  })
  const values = [1]
  await it.pool.warm()
  const done = watch(it.pool.transaction([{ text: 'a', values }], { retry: { attempts: 2 } }))
  values[0] = 2
  await it.clock.advance(100)
  expect(done.state).toBe('resolved')
  expect(seen).toEqual(['1', '1'])
})

test('T95: with an idempotency key the row of the key comes first, and the results are stored', async () => {
  const onStatement = ({ text }: { text: string }): FakeReply | undefined =>
    text.startsWith('insert into poolhouse_marker')
      ? { rows: [{ xid: '1', pid: '2', started_at: 'x' }], command: 'INSERT' }
      : byWord({ text })
  const it = scripted({ onStatement })
  const done = await run(it, ['a', 'b'], { idempotencyKey: 'k' })
  expect(done.value).toHaveLength(2)
  const words = it.session().statements.map((text) => text.split(' ', 2).join(' '))
  expect(words).toEqual(['BEGIN', 'insert into', 'a', 'b', 'update poolhouse_marker', 'COMMIT'])
})

test.each(BOTH)(
  'T95: timeoutMs ends an array, and what it did is rolled back, sent %s',
  async (_, behaviour) => {
    const it = scripted(behaviour)
    const done = await run(it, ['a', 'slow'], { timeoutMs: 50 })
    expect(done.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
    await it.clock.advance(3_000)
    expect(it.pool.stats()).toMatchObject({ idle: 1 })
    expect(it.session().sessionStatus).toBe('idle')
  },
)

test("the pool's limit holds for an array as a whole", async () => {
  const it = scripted({ statementMs: 80 }, { statementTimeoutMs: 100 })
  expect((await run(it, ['a', 'b', 'c'])).state).toBe('resolved')
  const late = await run(it, ['a', 'slow'], undefined, 200)
  expect(late.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
})

test('T95: an array that is given up without an answer is in doubt', async () => {
  const it = scripted({ onCancel: () => 10_000 })
  const done = await run(it, ['slow'], { timeoutMs: 50 }, 300)
  expect(done.error).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
  expect(done.error?.cause).toMatchObject({ name: 'StatementTimeoutError' })
})

test.each(BOTH)(
  'an abort ends an array, and what it did is rolled back, sent %s',
  async (_, behaviour) => {
    const it = scripted(behaviour)
    const abort = new AbortController()
    const reason = new Error('enough')
    it.clock.setTimer(() => abort.abort(reason), 20)
    const done = await run(it, ['a', 'slow'], { signal: abort.signal }, 200)
    expect(done.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
    expect(done.error?.cause).toBe(reason)
    await it.clock.advance(3_000)
    expect(it.session().sessionStatus).toBe('idle')
  },
)

test('an array whose signal has fired is not sent', async () => {
  const it = scripted()
  const done = await run(it, ['a'], { signal: AbortSignal.abort() })
  expect(done.error).toMatchObject({ name: 'AbortError', executed: 'no' })
  expect(it.session().statements).toEqual([])
})

test('an abort while COMMIT of an array waits for its standby is an error that says it was done', async () => {
  const it = scripted({
    onStatement: ({ text }) => (text === 'COMMIT' ? { waitsForStandby: true } : undefined),
  })
  const abort = new AbortController()
  it.clock.setTimer(() => abort.abort(), 20)
  const done = await run(it, ['a'], { signal: abort.signal }, 300)
  expect(done.error).toMatchObject({ name: 'AbortError', executed: 'yes', durability: 'local' })
})

test('a COMMIT of an array whose wait for its standby another client has ended is a success', async () => {
  const it = scripted({
    onStatement: ({ text }) => (text === 'COMMIT' ? { waitsForStandby: true } : undefined),
  })
  const told: unknown[] = []
  it.pool.on('durability', (event) => told.push(event))
  it.clock.setTimer(() => void it.session().cancel(), 20)
  const done = await run(it, ['a'])
  expect(done.state).toBe('resolved')
  expect(done.value).not.toMatchObject([{ durability: expect.anything() }])
  expect(told).toHaveLength(1)
})

test('T95: an array goes to another connection if the first one cannot be reset before it', async () => {
  let failures = 1
  const it = scripted(
    {
      onStatement: ({ text }) =>
        text === 'reset ahead' && failures-- > 0 ? { error: sqlError('25001') } : undefined,
    },
    { reset: 'always' },
  )
  await run(it, ['a'])
  const done = await run(it, ['b'])
  expect(done.state).toBe('resolved')
  expect(it.driver.attempts).toBe(2)
})

test.each([
  ['select 1', 'transaction: work must be a function or an array of statements, got a text'],
  [['a', null], 'transaction: statements[1] must be SQL text'],
  [
    ['a', { text: 'b', values: [Symbol('c')] }],
    'transaction: statements[1]: values[0] is a symbol',
  ],
  [['a', 'copy t from stdin'], 'transaction: statements[1] cannot carry the data of a COPY'],
  [['a', 'commit'], 'transaction: statements[1] cannot begin or end a transaction'],
  [['a', 'b; rollback'], 'transaction: statements[1] cannot begin or end a transaction'],
  [[String.raw`select '\', ' ; commit; --'`], 'transaction: statements[0] cannot begin or end'],
])('refuses the array %j, and sends nothing', async (statements, message) => {
  const it = scripted()
  const done = await run(it, statements as never)
  expect(done.error?.message).toContain(message)
  expect(it.session().statements).toEqual([])
})

test('behind a pooler, an array with a statement that changes the session is refused with its index', async () => {
  const it = scripted({}, { pooler: 'pgbouncer' })
  const done = await run(it, ['a', 'set search_path = x'])
  expect(done.error).toMatchObject({ name: 'SessionStateError', statementIndex: 1 })
  expect(it.session().statements).toEqual([])
})

test('a wrapper that is no kit wrapper of an array commits after its own work', async () => {
  const it = scripted()
  const array = vi.fn()
  await it.pool.warm()
  const { readWork } = await import('../../../src/statement/statement-list.js')
  const inner = readWork<unknown>(['a'])
  const done = watch(
    it.pool.transaction(async (tx) => {
      array(await inner(tx))
      await tx.query('audit')
    }),
  )
  await it.clock.advance(100)
  expect(done.state).toBe('resolved')
  expect(it.session().statements).toEqual(['BEGIN', 'a', 'audit', 'COMMIT'])
})

test('T95: an array whose ROLLBACK is not answered fails within its time-out', async () => {
  const onStatement = (statement: { text: string }): FakeReply | undefined =>
    statement.text === 'ROLLBACK' ? { hang: true } : byWord(statement)
  const it = scripted({ onStatement, onCancel: () => new Error('refused') })
  const done = await run(it, ['bad'], { timeoutMs: 100 }, 400)
  expect(done.error).toMatchObject({ code: '23505', executed: 'rolled-back' })
})

test('T95: what fails at BEGIN is no error of the first statement, also where they run one by one', async () => {
  const onStatement = (statement: { text: string }): FakeReply | undefined =>
    statement.text === 'BEGIN' ? { error: sqlError('40001') } : byWord(statement)
  for (const sendsTogether of [undefined, 'refused', 'never'] as const) {
    for (const first of ['a', 'a; b']) {
      const it = scripted({ onStatement, ...(sendsTogether && { sendsTogether }) })
      const done = await run(it, [first, 'c'])
      expect(done.error).toMatchObject({ code: '40001' })
      expect(done.error).not.toHaveProperty('statementIndex')
    }
  }
})

test('an array that begins anew one by one has the time and the signal of the call', async () => {
  for (const by of ['timeoutMs', 'signal'] as const) {
    const { options, reply } = identified()
    const it = scripted({
      sendsTogether: 'refused',
      onStatement: (statement) => (statement.text.startsWith('BEGIN;') ? reply : byWord(statement)),
      statementMs: 60,
    })
    const abort = new AbortController()
    const limit = by === 'signal' ? { signal: abort.signal } : { timeoutMs: 150 }
    await it.pool.warm()
    const done = watch(it.pool.transaction(['slow'], { ...options, ...limit }))
    // While ROLLBACK is under way, with which the first attempt ends.
    await it.clock.advance(90)
    abort.abort('enough')
    await it.clock.advance(270)
    expect(done.error?.name, by).toBe(by === 'signal' ? 'AbortError' : 'StatementTimeoutError')
  }
})

import { expect, test } from 'vitest'
import { type Lease, tracing } from '../../../src/index.js'
import type { FakeDriverOptions, FakeReply } from '../../../src/testing/index.js'
import { acquireOne, type Harness, harness, sqlError, watch } from '../../harness.js'

type Settled = PromiseSettledResult<{ rows: unknown[]; command: string; durability?: string }>

/** `slow…` is never answered, `bad…` is refused, `lose…` ends the session. */
function byWord({ text }: { text: string }): FakeReply | undefined {
  if (text.startsWith('slow')) return { hang: true }
  if (text.startsWith('bad')) return { error: sqlError('23505') }
  if (text.startsWith('lose')) return { lose: 'cut' }
  return undefined
}

async function leased(
  behaviour: Partial<FakeDriverOptions> = {},
  options: Parameters<typeof harness>[0] = {},
): Promise<Harness & { lease: Lease }> {
  const it = harness({ max: 1, ...options }, { onStatement: byWord, ...behaviour })
  return { ...it, lease: await acquireOne(it) }
}

/** What became of each: `done`, or the name and `executed` of its error. */
function told(outcomes: readonly Settled[] | undefined): string[] {
  return (outcomes ?? []).map((outcome) => {
    if (outcome.status === 'fulfilled') return 'done'
    const { name, code, executed } = outcome.reason
    return `${name === 'DatabaseError' ? code : name} ${executed}`
  })
}

const BOTH: [string, Partial<FakeDriverOptions>][] = [
  ['in one piece', {}],
  ['one by one', { sendsTogether: 'refused' }],
]

test.each(BOTH)(
  'T94: a batch gives one outcome for each statement, in order, sent %s',
  async (_, behaviour) => {
    const it = await leased({ statementMs: 5, ...behaviour })
    const batch = watch(it.lease.batch(['a', { text: 'bad' }, 'c']))
    await it.clock.advance(14)
    expect(batch.state).toBe('pending')
    await it.clock.advance(1)
    expect(told(batch.value)).toEqual(['done', '23505 rolled-back', 'done'])
    expect(it.session().statements).toEqual(['a', 'bad', 'c'])
    expect(it.driver.violations).toEqual([])
  },
)

test('T94: a batch is sent in one piece, and takes its turn as one call', async () => {
  const it = await leased({ statementMs: 5 })
  const before = watch(it.lease.query('before'))
  const batch = watch(it.lease.batch(['a', 'b']))
  const after = watch(it.lease.query('after'))
  await it.clock.advance(6)
  expect([before.state, batch.state, it.session().inFlight]).toEqual(['resolved', 'pending', 2])
  await it.clock.advance(20)
  expect(told(batch.value)).toEqual(['done', 'done'])
  expect(after.state).toBe('resolved')
  expect(it.session().statements).toEqual(['before', 'a', 'b', 'after'])
  expect(it.driver.violations).toEqual([])
})

test('an empty batch gives no outcomes and sends nothing', async () => {
  const it = await leased()
  expect(await it.lease.batch([])).toEqual([])
  expect(it.session().statements).toEqual([])
})

test.each(BOTH)(
  'T94: inside a transaction what follows a failed statement is refused by the server, sent %s',
  async (_, behaviour) => {
    const it = await leased(behaviour)
    const batch = watch(it.lease.batch(['begin', 'bad', 'c', 'rollback', 'e']))
    await it.clock.settle()
    expect(told(batch.value)).toEqual([
      'done',
      '23505 rolled-back',
      '25P02 rolled-back',
      'done',
      'done',
    ])
  },
)

test('results of a batch say how safe they are where that is known', async () => {
  const it = await leased()
  const alone = await it.lease.batch(['a', 'b'])
  const inside = await it.lease.batch(['begin', 'a', 'commit', 'b'])
  const durabilities = (outcomes: Settled[]): unknown[] =>
    outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value.durability)
  expect(durabilities(alone)).toEqual(['configured', 'configured'])
  expect(durabilities(inside)).toEqual([undefined, undefined, undefined, 'configured'])
  expect(alone[0]).toMatchObject({ value: { node: 'test' } })
})

test.each(BOTH)(
  'T94: the loss of the connection leaves known what was answered, sent %s',
  async (_, behaviour) => {
    const it = await leased({ statementMs: 5, ...behaviour })
    const batch = watch(it.lease.batch(['a', 'lose', 'c']))
    await it.clock.advance(20)
    const third = behaviour.sendsTogether === 'refused' ? 'no' : 'unknown'
    expect(told(batch.value)).toEqual([
      'done',
      'ConnectionLostError unknown',
      `ConnectionLostError ${third}`,
    ])
  },
)

test('T94: of a large batch what was not sent when the connection was lost is "no"', async () => {
  const it = await leased({ statementMs: 0 })
  const texts = Array.from({ length: 1_005 }, (_, index) => (index === 998 ? 'lose' : `s${index}`))
  const batch = watch(it.lease.batch(texts))
  await it.clock.settle()
  const ends = told(batch.value)
  expect(ends).toHaveLength(1_005)
  expect(ends.slice(997, 1_002)).toEqual([
    'done',
    'ConnectionLostError unknown',
    'ConnectionLostError unknown',
    'ConnectionLostError no',
    'ConnectionLostError no',
  ])
})

test('a large batch goes out in pieces, each after the answer to the one before it', async () => {
  const it = await leased({ statementMs: 1 })
  const large = { text: 'insert', values: ['x'.repeat(600_000)] }
  const batch = watch(it.lease.batch([large, large, 'c']))
  await it.clock.settle()
  expect(it.session().inFlight).toBe(1)
  await it.clock.advance(1)
  expect(it.session().inFlight).toBe(2)
  await it.clock.advance(5)
  expect(told(batch.value)).toEqual(['done', 'done', 'done'])
})

test.each(BOTH)(
  'T94: an abort cancels what is outstanding, again and again, and every outcome is true, sent %s',
  async (_, behaviour) => {
    const it = await leased({ statementMs: 5, ...behaviour })
    const abort = new AbortController()
    const batch = watch(it.lease.batch(['a', 'slow b', 'slow c', 'd'], { signal: abort.signal }))
    await it.clock.advance(6)
    abort.abort(new Error('enough'))
    await it.clock.advance(50)
    const sent = behaviour.sendsTogether !== 'refused'
    expect(told(batch.value)).toEqual([
      'done',
      'AbortError rolled-back',
      sent ? 'AbortError rolled-back' : 'AbortError no',
      sent ? 'AbortError rolled-back' : 'AbortError no',
    ])
    expect(it.driver.violations).toEqual([])
    const next = watch(it.lease.query('next'))
    await it.clock.advance(10)
    expect(next.state).toBe('resolved')
  },
)

test.each([0, 3, 8])(
  'X15, T94: what follows a batch that is cancelled is not hit, with requests that take %i ms',
  async (ms) => {
    const it = await leased({ statementMs: 5, onCancel: () => ms })
    const abort = new AbortController()
    const batch = watch(it.lease.batch(['a', 'slow b', 'c', 'slow d'], { signal: abort.signal }))
    const others = ['e', 'f', 'g'].map((text) => watch(it.lease.query(text)))
    await it.clock.advance(6)
    abort.abort()
    await it.clock.advance(150)
    expect(batch.value).toHaveLength(4)
    expect(others.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved'])
    expect(it.driver.violations).toEqual([])
  },
)

test('T94: a statement that was faster than the cancel is a success', async () => {
  const it = await leased({ statementMs: 5, onCancel: () => 12 })
  const abort = new AbortController()
  const batch = watch(it.lease.batch(['a', 'b', 'slow c'], { signal: abort.signal }))
  await it.clock.advance(1)
  abort.abort()
  await it.clock.advance(50)
  expect(told(batch.value)).toEqual(['done', 'done', 'AbortError rolled-back'])
})

test('T94: a batch that ends without an answer leaves open what was sent, and its connection is not lent', async () => {
  const it = await leased({ statementMs: 5, onCancel: () => 10_000 })
  const batch = watch(it.lease.batch(['a', 'slow b', 'c'], { timeoutMs: 100 }))
  await it.clock.advance(310)
  expect(told(batch.value)).toEqual([
    'done',
    'StatementTimeoutError unknown',
    'StatementTimeoutError unknown',
  ])
  const next = watch(it.lease.query('next'))
  await it.clock.advance(100)
  expect(next.state).toBe('pending')
  expect(it.session().statements).not.toContain('next')
})

test("the pool's limit counts for each statement of a batch anew, and ends the batch", async () => {
  const it = await leased({ statementMs: 60 }, { statementTimeoutMs: 100 })
  const fine = watch(it.lease.batch(['a', 'b', 'c', 'd']))
  await it.clock.advance(250)
  expect(told(fine.value)).toEqual(['done', 'done', 'done', 'done'])
  const late = watch(it.lease.batch(['a', 'slow b', 'slow c']))
  await it.clock.advance(159)
  expect(late.state).toBe('pending')
  await it.clock.advance(50)
  expect(told(late.value)).toEqual([
    'done',
    'StatementTimeoutError rolled-back',
    'StatementTimeoutError rolled-back',
  ])
})

test('a batch of which nothing was sent rejects', async () => {
  const it = await leased({ statementMs: 50 })
  const abort = new AbortController()
  const before = watch(it.lease.query('before'))
  const aborted = watch(it.lease.batch(['a'], { signal: abort.signal }))
  const late = watch(it.lease.batch(['b'], { timeoutMs: 20 }))
  await it.clock.advance(10)
  abort.abort()
  await it.clock.advance(100)
  expect(before.state).toBe('resolved')
  expect(aborted.error).toMatchObject({ name: 'AbortError', executed: 'no' })
  expect(late.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'no' })
  const refused = watch(it.lease.batch(['c'], { signal: abort.signal }))
  await it.clock.settle()
  expect(refused.error).toMatchObject({ name: 'AbortError', executed: 'no' })
  it.lease.release()
  const over = watch(it.lease.batch(['d']))
  await it.clock.settle()
  expect(over.error).toMatchObject({ name: 'LeaseReleasedError', executed: 'no' })
  expect(it.session().statements).toEqual(['before'])
})

test('F53: a lease that is given back settles its batch, and nothing more of it is sent', async () => {
  const it = await leased({ statementMs: 5, sendsTogether: 'refused' })
  const batch = watch(it.lease.batch(['a', 'slow b', 'c']))
  await it.clock.advance(6)
  it.lease.release()
  await it.clock.advance(50)
  expect(told(batch.value)).toEqual(['done', '57014 rolled-back', 'LeaseReleasedError no'])
  expect(it.session().statements).toEqual(['a', 'slow b'])
  expect(it.pool.stats()).toMatchObject({ idle: 1 })
})

test('F53: a lease that is given back cancels everything that its batch has in flight', async () => {
  const it = await leased({ statementMs: 5 })
  const batch = watch(it.lease.batch(['slow a', 'slow b', 'slow c']))
  await it.clock.advance(6)
  it.lease.release()
  await it.clock.advance(50)
  expect(told(batch.value)).toEqual(Array(3).fill('57014 rolled-back'))
  expect(it.pool.stats()).toMatchObject({ idle: 1, counters: { destroyed: 0 } })
})

test('F53: a lease that is destroyed settles its batch', async () => {
  const it = await leased({ statementMs: 5 })
  const batch = watch(it.lease.batch(['a', 'slow b', 'c']))
  await it.clock.advance(6)
  it.lease.destroy()
  await it.clock.settle()
  expect(told(batch.value)).toEqual([
    'done',
    'ConnectionLostError unknown',
    'ConnectionLostError unknown',
  ])
})

test('T94: each text of a batch marks its session', async () => {
  const it = await leased()
  await it.lease.batch(['select 1', 'set search_path = x'])
  it.lease.release()
  await it.clock.settle()
  expect(it.session().statements.at(-1)).toBe('reset session')
})

test('a text of a batch counts by both readings, because one before it may change the reading', async () => {
  const it = await leased()
  await it.lease.batch(['select 1', String.raw`select '\', ' ; set search_path = x; --'`])
  it.lease.release()
  await it.clock.settle()
  expect(it.session().statements.at(-1)).toBe('reset session')
})

test.each([
  [undefined, 'batch: statements must be an array, got undefined'],
  ['select 1', 'batch: statements must be an array'],
  [['a', 7], 'batch: statements[1] must be SQL text or an object with a `text` property'],
  [['a', { sql: 'b' }], 'batch: statements[1] must be SQL text'],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  [['a', , 'c'], 'batch: statements[1] must be SQL text'],
  [[{ text: 'a', values: 'b' }], 'batch: statements[0]: values must be an array'],
  [['a', { text: 'b', values: [undefined] }], 'batch: statements[1]: values[0] is undefined'],
  [['a', 'copy t from stdin'], 'batch: statements[1] cannot carry the data of a COPY'],
])('refuses the batch %j, and sends nothing of it', async (statements, message) => {
  const it = await leased()
  const batch = watch(it.lease.batch(statements as never))
  await it.clock.settle()
  expect(batch.error).toBeInstanceOf(TypeError)
  expect(batch.error?.message).toContain(message)
  expect(it.session().statements).toEqual([])
  const next = watch(it.lease.query('next'))
  await it.clock.settle()
  expect(next.state).toBe('resolved')
})

test('refuses options that a batch does not have', async () => {
  const it = await leased()
  const batch = watch(it.lease.batch(['a'], { intent: 'read' } as never))
  await it.clock.settle()
  expect(batch.error?.message).toContain('batch: unknown option "intent"')
})

test('S25: values of a batch are taken when the call is made', async () => {
  const it = await leased({ onStatement: ({ values }) => ({ rows: [[...(values ?? [])]] }) })
  void it.lease.query('before')
  const values: unknown[] = [1]
  const batch = watch(it.lease.batch([{ text: 'a', values }]))
  values[0] = 2
  await it.clock.settle()
  expect(batch.value).toMatchObject([{ value: { rows: [['1']] } }])
})

test('behind a pooler, a batch with a statement that changes the session is refused as a whole', async () => {
  const it = await leased({}, { pooler: 'pgbouncer' })
  const batch = watch(it.lease.batch(['a', 'set search_path = x']))
  await it.clock.settle()
  expect(batch.error).toMatchObject({ name: 'SessionStateError', statementIndex: 1 })
  expect(it.session().statements).toEqual([])
})

test('an abort of statements that are one step sends one cancel request', async () => {
  let requests = 0
  const onCancel = (): number => {
    requests++
    return 1
  }
  const it = await leased({ statementMs: 5, onCancel })
  it.lease.release()
  const abort = new AbortController()
  const array = watch(it.pool.transaction(['a', 'slow b'], { signal: abort.signal }))
  await it.clock.advance(6)
  abort.abort()
  await it.clock.advance(300)
  expect(array.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
  expect(requests).toBe(1)
})

test('each statement of a batch is traced, from the call to its answer', async () => {
  const it = await leased({ statementMs: 5 })
  const seen: string[] = []
  const subscribers = {
    start: ({ statement }: { statement: string }) => seen.push(`start ${statement}`),
    error: ({ statement }: { statement: string }) => seen.push(`error ${statement}`),
    asyncStart: ({ statement }: { statement: string }) => seen.push(`end ${statement}`),
  }
  const own = subscribers as unknown as Parameters<typeof tracing.query.subscribe>[0]
  tracing.query.subscribe(own)
  try {
    const batch = watch(it.lease.batch(['a', 'bad']))
    expect(seen).toEqual(['start a', 'start bad'])
    await it.clock.advance(20)
    expect(batch.state).toBe('resolved')
    expect(seen.slice(2)).toEqual(['end a', 'error bad', 'end bad'])
    const refused = watch(it.lease.batch(['b', 'copy t from stdin']))
    await it.clock.settle()
    expect(refused.state).toBe('rejected')
    expect(seen.slice(5).filter((each) => each.startsWith('error'))).toHaveLength(2)
  } finally {
    tracing.query.unsubscribe(own)
  }
})

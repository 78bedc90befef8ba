import { describe, expect, it } from 'vitest'
import type { Statement } from '../../../src/index.js'
import { FOR_DRIVER, PIGGYBACK } from '../../../src/kit.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { type Harness, type Outcome, sqlError, watch } from '../../harness.js'
import { answered, call, inFlight, laneOf, TEXT, widen } from './lane-pool.js'

/** Values decide how the server treats a call; each answer says whose it is. */
function byValue({ values }: Statement): FakeReply | undefined {
  const [value] = values ?? []
  if (value === 'hang') return { hang: true }
  if (value === 'lose') return { lose: 'reset by peer' }
  if (value === 'fail') return { error: sqlError('22012') }
  return { rows: [{ v: value }], command: 'SELECT' }
}

/** What each call got: its rows, or the name of its error and what that says of the outcome. */
function outcomes(calls: readonly Outcome<unknown>[]): unknown[] {
  return calls.map(({ state, value, error }) => {
    if (state === 'pending') return state
    if (error !== undefined) return `${error.name} ${error.executed}`
    return (value as { rows: { v: unknown }[] }).rows[0]?.v
  })
}

describe('a call that shares its connection', () => {
  it('gets its own answer or its own error', async () => {
    const it = await laneOf({ max: 1 }, { onStatement: byValue })
    const calls = ['a', 'fail', 'b', 'c', 'fail', 'd'].map((value) => call(it, value))
    await it.clock.advance(20)
    const failed = 'DatabaseError rolled-back'
    expect(outcomes(calls)).toEqual(['a', failed, 'b', 'c', failed, 'd'])
  })

  it('is in doubt when the connection is lost, and others are not sent twice', async () => {
    const it = await laneOf({ max: 1 }, { onStatement: byValue })
    const calls = ['a', 'lose', 'b'].map((value) => call(it, value))
    await it.clock.advance(20)
    const lost = 'ConnectionLostError unknown'
    expect(outcomes(calls)).toEqual(['a', lost, lost])
    const { counters } = it.pool.stats()
    expect(counters.acquired).toBe(counters.released)
  })

  it('goes elsewhere if its connection is lost before it is sent', async () => {
    const it = await laneOf({ max: 1 }, { onStatement: byValue })
    const outcome = call(it, 'a')
    it.session().lose('gone')
    await it.clock.advance(100)
    expect(outcomes([outcome])).toEqual(['a'])
  })

  it('that is aborted before it is sent is never sent', async () => {
    const it = await laneOf({ max: 1 }, { onStatement: byValue })
    const abort = new AbortController()
    const aborted = watch(it.pool.query(TEXT, ['x'], { signal: abort.signal }))
    const other = call(it, 'a')
    abort.abort()
    await it.clock.advance(20)
    expect(outcomes([aborted, other])).toEqual(['AbortError no', 'a'])
    expect(it.session().statements.filter((text) => text === TEXT)).toHaveLength(2)
    const { counters } = it.pool.stats()
    expect(counters.acquired).toBe(counters.released)
  })

  it('that is aborted while it waits for a place is never sent', async () => {
    const it = await laneOf(
      { max: 1, multiplex: { connections: 1, maxInFlight: 1 } },
      { onStatement: byValue },
    )
    const abort = new AbortController()
    const first = call(it, 'a')
    const aborted = watch(it.pool.query(TEXT, ['x'], { signal: abort.signal }))
    const last = call(it, 'b')
    await it.clock.settle()
    expect(it.pool.stats().pending).toBe(2)
    abort.abort()
    await it.clock.advance(20)
    expect(outcomes([first, aborted, last])).toEqual(['a', 'AbortError no', 'b'])
  })

  it('that waits for a place has a limit for that', async () => {
    const it = await laneOf(
      { max: 1, acquireTimeoutMs: 100, multiplex: { connections: 1, maxInFlight: 1 } },
      { onStatement: byValue },
    )
    const first = call(it, 'hang')
    const second = call(it, 'b')
    await it.clock.advance(101)
    expect(outcomes([first, second])).toEqual(['pending', 'AcquireTimeoutError no'])
  })

  it('that is past its time at the head is cancelled, and those behind get their answers', async () => {
    const it = await laneOf({ max: 1 }, { onStatement: byValue })
    const calls = [call(it, 'hang', 30), call(it, 'a'), call(it, 'b')]
    await it.clock.advance(60)
    expect(outcomes(calls)).toEqual(['StatementTimeoutError rolled-back', 'a', 'b'])
    expect(it.driver.attempts).toBe(1)
  })

  it('that is past its time behind others is cancelled when it is its turn', async () => {
    const it = await laneOf({ max: 1, statementTimeoutMs: 400 }, { onStatement: byValue })
    const calls = [call(it, 'hang'), call(it, 'hang', 30), call(it, 'a', 5_000)]
    await it.clock.advance(240)
    // Its caller is kept for a moment only.
    expect(outcomes(calls)).toEqual(['pending', 'StatementTimeoutError unknown', 'pending'])
    await it.clock.advance(200)
    const [first] = outcomes(calls)
    expect([first, outcomes(calls)[2]]).toEqual(['StatementTimeoutError rolled-back', 'a'])
  })

  it('ends with many that are past their time at one moment, one after the other', async () => {
    const it = await laneOf({ max: 1 }, { onStatement: byValue, onCancel: () => 5 })
    const late = Array.from({ length: 5 }, () => call(it, 'hang', 30))
    const other = call(it, 'a')
    await it.clock.advance(150)
    expect(late.every(({ error }) => error?.name === 'StatementTimeoutError')).toBe(true)
    expect(outcomes([other])).toEqual(['a'])
    expect(it.driver.attempts).toBe(1)
  })

  it('that a cancel request hit in the place of another runs again, and knows nothing of it', async () => {
    let takesMs = 1
    const it = await laneOf(
      { max: 1 },
      { onStatement: byValue, statementMs: () => takesMs, onCancel: () => 20 },
    )
    takesMs = 40
    // The first one is answered at 40, and its cancel request, of 30, arrives at 50.
    const calls = [call(it, 'a', 30), call(it, 'b'), call(it, 'c')]
    await it.clock.advance(45)
    expect(outcomes(calls)).toEqual(['a', 'pending', 'pending'])
    await it.clock.advance(300)
    expect(outcomes(calls)).toEqual(['a', 'b', 'c'])
    // One of the three ran twice, beside the one that taught the pool the text.
    const [session] = [...it.driver.open]
    expect(session!.statements.filter((text) => text === TEXT)).toHaveLength(5)
    expect(it.driver.violations).toEqual([])
  })

  it('is not sent again when the server cancels it for a reason of its own', async () => {
    const it = await laneOf(
      { max: 1 },
      {
        onStatement: ({ values }) =>
          values?.[0] === 'x' ? { error: sqlError('57014') } : byValue({ text: TEXT, values }),
      },
    )
    const calls = [call(it, 'a'), call(it, 'x'), call(it, 'b')]
    await it.clock.advance(20)
    expect(outcomes(calls)).toEqual(['a', 'DatabaseError rolled-back', 'b'])
  })
})

describe('a call has a connection of its own', () => {
  /** Whether two such calls at one moment share the connection of a pool that has two. */
  async function shares(it: Harness, statement: Statement): Promise<boolean> {
    await widen(it, 2)
    const calls = [watch(it.pool.query(statement)), watch(it.pool.query(statement))]
    await it.clock.settle()
    const most = Math.max(...inFlight(it))
    await it.clock.advance(50)
    expect(answered(calls)).toBe(2)
    return most > 1
  }
  const one = { max: 2, multiplex: { connections: 1 } } as const

  it.each<[string, Statement, boolean]>([
    ['never, if its text is known and plain', { text: TEXT, values: [1] }, true],
    ['if it has a name', { text: TEXT, values: [1], name: 'n' }, false],
    ['if its values are large', { text: TEXT, values: ['x'.repeat(70_000)] }, false],
    [
      'if its values are large together',
      { text: TEXT, values: [Buffer.alloc(40_000), 'x'.repeat(40_000)] },
      false,
    ],
    [
      'if it carries something for its driver',
      Object.assign({ text: TEXT, values: [1] }, { [FOR_DRIVER]: {} }),
      false,
    ],
    [
      'if another one is piggybacked on it',
      Object.assign(
        { text: TEXT, values: [1] },
        { [PIGGYBACK]: { statement: { text: 'select 2' }, answered: () => undefined } },
      ),
      false,
    ],
    ['if it writes', { text: 'insert into t values ($1)', values: [1] }, false],
  ])('%s', async (_, statement, expected) => {
    expect(await shares(await laneOf(one), statement)).toBe(expected)
  })

  it('over a driver that cannot share', async () => {
    expect(await shares(await laneOf(one, { shares: false }), { text: TEXT, values: [1] })).toBe(
      false,
    )
  })

  it('once a pooler was noticed', async () => {
    const it = await laneOf(one)
    it.driver.options.answeringPid = () => 999
    const found = watch(new Promise((resolve) => it.pool.on('pooler', resolve)))
    await widen(it, 2)
    expect(found.state).toBe('resolved')
    expect(await shares(it, { text: TEXT, values: [1] })).toBe(false)
  })

  it('once sharing was switched off, also where it waits for a place', async () => {
    const it = await laneOf({ max: 2, multiplex: { connections: 1, maxInFlight: 1 } })
    await widen(it, 2)
    const calls = [call(it, 1), call(it, 2), call(it, 3)]
    await it.clock.settle()
    it.pool.reconfigure({ multiplex: false })
    await it.clock.advance(50)
    expect(answered(calls)).toBe(3)
    expect(await shares(it, { text: TEXT, values: [1] })).toBe(false)
    it.pool.reconfigure({ multiplex: { connections: 1 } })
    expect(await shares(it, { text: TEXT, values: [1] })).toBe(true)
  })
})

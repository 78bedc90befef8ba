import { describe, expect, test } from 'vitest'
import { HedgeBudget, raceReads, type StartRead } from '../../../src/read/read-race.js'
import { lost, sqlError } from '../failures.js'
import type { Asked, FakePool } from '../fake-pool.js'
import { settle } from '../manual-clock.js'
import { type Setting, startSetting, tally } from '../setting.js'

/** A read that a test settles by hand. */
function pending(): {
  start: StartRead<string>
  answer: (value: string) => void
  fail: (error: Error) => void
  signal: () => AbortSignal
} {
  let resolve: (value: string) => void = () => {}
  let reject: (error: Error) => void = () => {}
  let given: AbortSignal | undefined
  const promise = new Promise<string>((onAnswer, onError) => {
    resolve = onAnswer
    reject = onError
  })
  return {
    start: (signal) => {
      given = signal
      return promise
    },
    answer: resolve,
    fail: reject,
    signal: () => given!,
  }
}

describe('a race of two reads', () => {
  test('ends with the first answer, and stops the other read', async () => {
    const [one, two] = [pending(), pending()]
    const race = raceReads(one.start, async () => two.start)
    await settle()
    two.answer('two')
    expect(await race).toEqual({ value: 'two', second: true })
    expect([one.signal().aborted, one.signal().reason.message]).toEqual([
      true,
      'another node answered first',
    ])
  })

  test('begins no second read once the first has answered', async () => {
    const one = pending()
    let over: AbortSignal | undefined
    let begun = 0
    let go: () => void = () => {}
    const race = raceReads(one.start, async (signal) => {
      over = signal
      await new Promise<void>((resolve) => {
        go = resolve
      })
      return () => {
        begun++
        return Promise.resolve('two')
      }
    })
    one.answer('one')
    expect(await race).toEqual({ value: 'one', second: false })
    expect(over?.aborted).toBe(true)
    go()
    await settle()
    expect(begun).toBe(0)
  })

  test('goes on when one read fails, and rejects with the error of the first when both fail', async () => {
    const [one, two] = [pending(), pending()]
    const race = raceReads(one.start, async () => two.start)
    await settle()
    one.fail(new Error('one'))
    two.answer('two')
    expect(await race).toEqual({ value: 'two', second: true })
    const [three, four] = [pending(), pending()]
    const lostRace = raceReads(three.start, async () => four.start)
    await settle()
    four.fail(new Error('four'))
    three.fail(new Error('three'))
    await expect(lostRace).rejects.toThrow('three')
  })

  test('does not wait for a second read that never begins', async () => {
    const one = pending()
    const race = raceReads(one.start, () => new Promise(() => {}))
    one.fail(new Error('one'))
    await expect(race).rejects.toThrow('one')
  })
})

describe('the budget of second reads', () => {
  test('lets ten through, then one for every ten reads', () => {
    const budget = new HedgeBudget()
    const spend = (): number => {
      let spent = 0
      while (budget.spend()) spent++
      return spent
    }
    expect(spend()).toBe(10)
    // Tenths do not add up exactly.
    for (let read = 0; read < 31; read++) budget.earn()
    expect(spend()).toBe(3)
    for (let read = 0; read < 1_000; read++) budget.earn()
    expect(spend()).toBe(10)
  })
})

/** Lets the node answer no caller until that aborts. Returns the signals of the callers. */
function hang(pool: FakePool): AbortSignal[] {
  const signals: AbortSignal[] = []
  pool.answer = ({ options }: Asked) =>
    new Promise((_, reject) => {
      const signal = options!.signal!
      signals.push(signal)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  return signals
}

describe('a read with hedgeAfterMs', () => {
  const start = (): Promise<Setting> => startSetting({ strategy: 'roundRobin', hedgeAfterMs: 20 })

  test('F33: is sent to a second replica when the first is silent, and cancelled on the first', async () => {
    const { db, clock, b, c } = await start()
    const signals = hang(b)
    const read = db.reader().query('select 1')
    await clock.advance(19)
    expect(c.asked).toEqual([])
    await clock.advance(1)
    expect((await read).node).toBe('c')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    await settle()
    expect(db.stats().routing).toMatchObject({ hedged: 1, hedgesWon: 1, replica: 1 })
    // Neither replica counts as busy any more.
    expect(db.explainRoute('select 1', { intent: 'read' }).candidates).toHaveLength(2)
  })

  test('is sent once if the answer comes in time', async () => {
    const { db, clock, b, c } = await start()
    for (let read = 0; read < 10; read++) await db.reader().query('select 1')
    await clock.advance(100)
    expect(b.asked.length + c.asked.length).toBe(10)
    expect(db.stats().routing).toMatchObject({ hedged: 0, replica: 10 })
  })

  test('resolves with the answer of the first replica if that comes first after all', async () => {
    const { db, clock, b, c } = await start()
    let answer: () => void = () => {}
    b.answer = () =>
      new Promise<void>((resolve) => {
        answer = resolve
      })
    const signals = hang(c)
    const read = db.reader().query('select 1')
    await clock.advance(25)
    expect(signals).toHaveLength(1)
    answer()
    expect((await read).node).toBe('b')
    expect(signals[0]?.aborted).toBe(true)
    expect(db.stats().routing).toMatchObject({ hedged: 1, hedgesWon: 0 })
  })

  test('is sent twice for at most one read in ten, however slow all replicas are', async () => {
    const { db, clock, b, c } = await start()
    hang(b)
    hang(c)
    const stop = new AbortController()
    const reads = Array.from({ length: 100 }, () =>
      db
        .reader()
        .query('select 1', undefined, { signal: stop.signal })
        .catch((error: Error) => error),
    )
    await clock.advance(1_000)
    // Ten were saved up, and the hundred reads earned at most ten more.
    const { hedged = 0 } = db.stats().routing!
    expect(hedged).toBeGreaterThanOrEqual(10)
    expect(hedged).toBeLessThanOrEqual(20)
    stop.abort()
    await Promise.all(reads)
  })

  test('resolves with the answer of the second read when the first fails after the second has begun', async () => {
    const { db, clock, b, c } = await start()
    let fail: () => void = () => {}
    b.answer = () =>
      new Promise((_, reject) => {
        fail = () => reject(lost())
      })
    let answer: () => void = () => {}
    c.answer = () =>
      new Promise<void>((resolve) => {
        answer = resolve
      })
    const read = db.reader().query('select 1')
    await clock.advance(25)
    fail()
    await settle()
    answer()
    expect((await read).node).toBe('c')
  })

  test('is always a single statement: no lease or transaction runs twice', async () => {
    const { db, clock, b, c } = await start()
    b.answer = c.answer = ({ text }) =>
      text === '(acquire)'
        ? new Promise((resolve) => clock.setTimer(() => resolve(undefined), 100))
        : undefined
    const leases = [db.reader().acquire(), db.reader().use(async (lease) => lease.node)]
    await clock.advance(200)
    await Promise.all(leases)
    expect(b.acquired.length + c.acquired.length).toBe(2)
    expect(db.stats().routing).toMatchObject({ hedged: 0 })
  })

  test('rejects at once with errors of SQL', async () => {
    const { db, b, c } = await start()
    b.answer = c.answer = () => Promise.reject(sqlError('42703'))
    await expect(db.reader().query('select x')).rejects.toMatchObject({ code: '42703' })
  })

  test('is not sent to a second replica that may show a session less', async () => {
    const { db, clock, primary, b, c } = await start()
    const session = db.session()
    primary.position = b.position = 5_000
    expect((await session.reader().query('select 1')).node).toBe('b')
    const signals = hang(b)
    const read = session.reader().query('select 1', undefined, { timeoutMs: 1_000 })
    await clock.advance(200)
    expect(signals).toHaveLength(1)
    expect(tally(c.asked.map(({ text }) => text))).toEqual(new Map())
    read.catch(() => {})
    await db.close()
  })
})

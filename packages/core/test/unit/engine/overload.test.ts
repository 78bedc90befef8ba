import { describe, expect, it } from 'vitest'
import { Overload } from '../../../src/engine/overload.js'
import { createPool } from '../../../src/index.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

describe('overload control', () => {
  it('serves every caller while the shortest wait of an interval is below the target', () => {
    const overload = new Overload({ targetMs: 50, intervalMs: 1_000 })
    for (let now = 0; now < 5_000; now += 100) {
      expect(overload.admit(now % 200 === 0 ? 10 : 5_000, now)).toBe(true)
    }
  })

  it('refuses long waits once even the shortest of a whole interval was above the target', () => {
    const overload = new Overload({ targetMs: 50, intervalMs: 1_000 })
    for (let now = 0; now < 1_000; now += 100) expect(overload.admit(60 + now, now)).toBe(true)
    expect(overload.admit(2_000, 1_000)).toBe(false)
    expect(overload.admit(101, 1_100)).toBe(false)
    expect(overload.admit(100, 1_200)).toBe(true)
  })

  it('serves long waits if one of the interval before was short, whichever of them it was', () => {
    const overload = new Overload({ targetMs: 50, intervalMs: 1_000 })
    overload.admit(10, 0)
    overload.admit(500, 500)
    expect(overload.admit(500, 1_000)).toBe(true)
  })

  it('ends as soon as a wait is below the target again', () => {
    const overload = new Overload({ targetMs: 50, intervalMs: 100 })
    for (let now = 0; now <= 300; now += 20) overload.admit(500, now)
    expect(overload.admit(500, 320)).toBe(false)
    expect(overload.admit(40, 330)).toBe(true)
    expect(overload.admit(500, 340)).toBe(true)
  })

  it('says which caller cannot make its deadline: one that has no more time than the last one served had to wait', () => {
    const overload = new Overload({ targetMs: 50, intervalMs: 100 })
    expect(overload.tooLongFor(1)).toBeUndefined()
    for (let now = 0; now <= 100; now += 20) overload.admit(80, now)
    expect(overload.tooLongFor(80)).toBe(80)
    expect(overload.tooLongFor(81)).toBeUndefined()
    // One that is refused had not waited for its turn but beyond it.
    expect(overload.admit(900, 110)).toBe(false)
    expect(overload.tooLongFor(81)).toBeUndefined()
    overload.admit(40, 120)
    expect(overload.tooLongFor(1)).toBeUndefined()
  })

  it('refuses at once what cannot make its deadline, and neither a higher priority nor the first in the queue', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({ clock, statementMs: 30 })
    const pool = createPool({
      driver,
      connection: 'postgres://u@localhost/d',
      max: 1,
      clock,
      overload: { targetMs: 20, intervalMs: 100 },
    })
    const calls: Promise<string>[] = []
    const outcome = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => 'served',
        (error: Error) => error.message,
      )
    for (let call = 0; call < 40; call++) {
      calls.push(outcome(pool.query('select 1')))
      await clock.advance(10)
    }
    expect(pool.stats().pending).toBeGreaterThan(0)
    const hopeless = outcome(pool.acquire({ timeoutMs: 5 }))
    const urgent = outcome(pool.acquire({ timeoutMs: 500, priority: 1 }).then((l) => l.release()))
    // Not after its five milliseconds: no time has passed.
    await clock.settle()
    expect(await hopeless).toContain('this call has 5 ms, and the last one served had waited')
    await clock.advance(5_000)
    expect(await urgent).toBe('served')
    await Promise.all(calls)
    expect(pool.stats().pending).toBe(0)
    await pool.close()
  })

  it('keeps the waits of served callers short when more calls come than can be served', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({ clock, statementMs: 10 })
    const pool = createPool({
      driver,
      connection: 'postgres://u@localhost/d',
      max: 1,
      clock,
      overload: { targetMs: 50, intervalMs: 200 },
    })
    const waits: number[] = []
    const outcomes: Promise<string>[] = []
    const overloads: number[] = []
    pool.on('overload', ({ pending }) => overloads.push(pending))
    // Three calls come in the time of two.
    for (let call = 0; call < 300; call++) {
      const begun = clock.now()
      outcomes.push(
        pool.query('select 1').then(
          () => {
            waits.push(clock.now() - begun)
            return 'served'
          },
          (error: Error) => error.name,
        ),
      )
      await clock.advance(7)
    }
    await clock.advance(5_000)
    const ends = await Promise.all(outcomes)
    const refused = ends.filter((end) => end === 'PoolOverloadedError').length
    expect(refused).toBeGreaterThan(50)
    expect(overloads.length).toBe(refused)
    expect(Math.max(...waits.slice(100))).toBeLessThanOrEqual(250)
    await pool.close()
  })

  it.each([
    [{ targetMs: 0, intervalMs: 100 }, 'overload.targetMs must be a number'],
    [{ targetMs: 5 }, 'overload.intervalMs must be a number'],
    [{ targetMs: 5, interval: 5 }, 'did you mean "intervalMs"?'],
    ['yes', 'overload must be false or an object'],
  ])('refuses wrong options: %j', (overload, message) => {
    const driver = fakeDriver({ clock: virtualClock() })
    expect(() =>
      createPool({ driver, connection: 'postgres://u@localhost/d', overload: overload as never }),
    ).toThrow(message)
  })
})

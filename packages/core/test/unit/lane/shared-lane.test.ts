import { describe, expect, it } from 'vitest'
import { watch } from '../../harness.js'
import { answered, call, inFlight, laneOf, TEXT, widen } from './lane-pool.js'

describe('the shared lane', () => {
  it('sends the calls of one turn on one connection', async () => {
    const it = await laneOf({ max: 10, multiplex: { connections: 1 } })
    const calls = Array.from({ length: 50 }, (_, at) => call(it, at))
    await it.clock.settle()
    expect(inFlight(it)).toEqual([50])
    await it.clock.advance(100)
    expect(answered(calls)).toBe(50)
    expect(it.driver.violations).toEqual([])
    const { counters, leased } = it.pool.stats()
    expect([counters.acquired, counters.released, leased]).toEqual([51, 51, 0])
  })

  it('runs a text alone until it has had an answer', async () => {
    const it = await laneOf({ max: 3 })
    await widen(it, 2)
    const calls = [1, 2].map((value) => watch(it.pool.query('select $1, 2', [value])))
    await it.clock.settle()
    expect(inFlight(it)).toEqual([1, 1])
    await it.clock.advance(20)
    expect(answered(calls)).toBe(2)
  })

  it('runs a text alone that takes its server 10 ms or more', async () => {
    const it = await laneOf({ max: 2, multiplex: { connections: 1 } }, { statementMs: 1 })
    await widen(it, 2)
    it.driver.options.statementMs = 15
    const first = watch(it.pool.query('select $1, 2', [1]))
    await it.clock.advance(30)
    expect(first.state).toBe('resolved')
    const calls = [1, 2].map((value) => watch(it.pool.query('select $1, 2', [value])))
    await it.clock.settle()
    expect(inFlight(it)).toEqual([1, 1])
    await it.clock.advance(30)
    expect(answered(calls)).toBe(2)
  })

  it('gives a call to the connection that has least to do', async () => {
    const it = await laneOf({ max: 2 }, {}, 1)
    await widen(it, 2)
    for (let at = 0; at < 6; at++) call(it, at)
    await it.clock.settle()
    expect(inFlight(it)).toEqual([3, 3])
  })

  it('sends no more at one time than it may, and the rest in order', async () => {
    const it = await laneOf({ max: 4, multiplex: { connections: 2, maxInFlight: 3 } })
    await widen(it, 4)
    const served: number[] = []
    const calls = Array.from({ length: 10 }, (_, at) => {
      const outcome = watch(it.pool.query(TEXT, [at]).then(() => served.push(at)))
      return outcome
    })
    await it.clock.settle()
    expect(inFlight(it).sort()).toEqual([0, 0, 3, 3])
    expect(it.pool.stats().pending).toBe(4)
    await it.clock.advance(50)
    expect(answered(calls)).toBe(10)
    expect(served.slice(6)).toEqual([6, 7, 8, 9])
  })

  it('sends what waits when it may share more', async () => {
    const it = await laneOf({ max: 4, multiplex: { connections: 1, maxInFlight: 2 } })
    await widen(it, 4)
    for (let at = 0; at < 8; at++) call(it, at)
    await it.clock.settle()
    expect(it.pool.stats().pending).toBe(6)
    it.pool.reconfigure({ multiplex: { connections: 4, maxInFlight: 2 } })
    await it.clock.settle()
    expect(inFlight(it)).toEqual([2, 2, 2, 2])
  })

  it('leaves a connection to a statement that is late, and sends the others elsewhere', async () => {
    let hangs = true
    const it = await laneOf(
      { max: 2, statementTimeoutMs: 0 },
      {
        onStatement: ({ values }) => (values?.[0] === 'hang' && hangs ? { hang: true } : undefined),
      },
    )
    await widen(it, 2)
    const late = call(it, 'hang')
    await it.clock.advance(15)
    call(it, 1)
    await it.clock.advance(1)
    const others = Array.from({ length: 5 }, (_, at) => call(it, at))
    await it.clock.advance(20)
    expect(answered(others)).toBe(5)
    expect([late.state, inFlight(it).filter((count) => count > 0).length]).toEqual(['pending', 1])
    hangs = false
  })

  it('frees the others after a second, and runs the late one again by itself', async () => {
    let runs = 0
    const it = await laneOf(
      { max: 1, statementTimeoutMs: 0 },
      {
        onStatement: ({ values }) => {
          if (values?.[0] !== 'hang') return undefined
          runs++
          return runs === 1 ? { hang: true } : { rows: [{ v: 'late' }] }
        },
      },
    )
    const late = call(it, 'hang')
    const others = Array.from({ length: 5 }, (_, at) => call(it, at))
    await it.clock.advance(900)
    expect(answered(others)).toBe(0)
    await it.clock.advance(200)
    expect([answered(others), runs]).toEqual([5, 2])
    expect(late.value).toMatchObject({ rows: [{ v: 'late' }] })
    expect(it.driver.violations).toEqual([])
  })

  it('does not end a statement that others waited for when it is alone', async () => {
    const it = await laneOf(
      { max: 1, statementTimeoutMs: 0 },
      { onStatement: ({ values }) => (values?.[0] === 'hang' ? { hang: true } : undefined) },
    )
    const alone = call(it, 'hang')
    await it.clock.advance(20_000)
    expect(alone.state).toBe('pending')
    expect(it.driver.attempts).toBe(1)
  })

  it('resets a connection that has been shared for ten seconds, and goes on', async () => {
    const it = await laneOf({ max: 2 })
    let isOver = false
    const loop = async (): Promise<void> => {
      while (!isOver) await it.pool.query(TEXT, [1])
    }
    const loops = Array.from({ length: 5 }, () => watch(loop()))
    await it.clock.advance(9_000)
    const resets = (): number =>
      [...it.driver.open].reduce(
        (sum, { statements }) => sum + statements.filter((text) => text === 'reset session').length,
        0,
      )
    expect(resets()).toBe(0)
    await it.clock.advance(3_000)
    expect(resets()).toBeGreaterThan(0)
    isOver = true
    await it.clock.advance(50)
    expect(answered(loops)).toBe(5)
    expect(it.driver.violations).toEqual([])
  }, 30_000)

  it('resets a connection that was shared when it has been idle for a second, once', async () => {
    const it = await laneOf({ max: 1, multiplex: { connections: 1 } })
    call(it)
    await it.clock.advance(5_000)
    const { statements } = it.session()
    expect(statements.filter((text) => text === 'reset session')).toHaveLength(1)
    await it.clock.advance(5_000)
    expect(statements.filter((text) => text === 'reset session')).toHaveLength(1)
  })
})

describe('the shared lane beside callers that want a connection of their own', () => {
  it('takes turns with them when there is only one', async () => {
    const it = await laneOf({ max: 1 })
    let shared = 0
    let isOver = false
    const loop = async (): Promise<void> => {
      while (!isOver) {
        await it.pool.query(TEXT, [1])
        shared++
      }
    }
    const loops = Array.from({ length: 20 }, () => watch(loop()))
    await it.clock.advance(50)
    const uses = Array.from({ length: 5 }, () =>
      watch(it.pool.use((lease) => lease.query('select now()'))),
    )
    await it.clock.advance(60)
    expect(answered(uses)).toBeGreaterThan(0)
    await it.clock.advance(200)
    expect(answered(uses)).toBe(5)
    const before = shared
    await it.clock.advance(50)
    expect(shared - before).toBeGreaterThan(30)
    isOver = true
    await it.clock.advance(50)
    expect(answered(loops)).toBe(20)
  })

  it('is not kept waiting by those that never end', async () => {
    const it = await laneOf({ max: 1, acquireTimeoutMs: 1_000 })
    let isOver = false
    const loop = async (): Promise<void> => {
      while (!isOver) await it.pool.use((lease) => lease.query('select now()'))
    }
    const loops = Array.from({ length: 20 }, () => watch(loop()))
    await it.clock.advance(20)
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 10 }, () => call(it))
      await it.clock.advance(40)
      expect(answered(calls)).toBe(10)
    }
    isOver = true
    await it.clock.advance(50)
    expect(answered(loops)).toBe(20)
  })

  it('gives up all its connections but one at once, and that one after some milliseconds', async () => {
    const it = await laneOf({ max: 2 }, {}, 1)
    await widen(it, 2)
    let isOver = false
    const loop = async (): Promise<void> => {
      while (!isOver) await it.pool.query(TEXT, [1])
    }
    const loops = Array.from({ length: 10 }, () => watch(loop()))
    await it.clock.advance(20)
    expect(it.pool.stats().idle).toBe(0)
    const first = watch(it.pool.acquire())
    await it.clock.advance(8)
    expect(first.state).toBe('resolved')
    const second = watch(it.pool.acquire())
    await it.clock.advance(25)
    expect(second.state).toBe('resolved')
    first.value!.release()
    second.value!.release()
    isOver = true
    await it.clock.advance(50)
    expect(answered(loops)).toBe(10)
  })

  it('opens no connection for calls that wait no more', async () => {
    const it = await laneOf({ max: 1, acquireTimeoutMs: 100 })
    const lease = await it.pool.acquire()
    const abort = new AbortController()
    const late = call(it)
    const given = watch(it.pool.query(TEXT, [1], { signal: abort.signal }))
    await it.clock.advance(50)
    expect(it.pool.stats().pending).toBe(2)
    abort.abort()
    await it.clock.advance(100)
    expect([late.error?.name, given.error?.name]).toEqual(['AcquireTimeoutError', 'AbortError'])
    expect(it.pool.stats().pending).toBe(0)
    lease.destroy('by the test')
    await it.clock.advance(1_000)
    expect(it.driver.attempts).toBe(1)
  })

  it('takes a connection that came back although the pool suspects those that are idle', async () => {
    const it = await laneOf({ max: 1 })
    const lease = await it.pool.acquire()
    const calls = [call(it, 1), call(it, 2)]
    it.pool.suspect('by the test')
    lease.release()
    await it.clock.advance(20)
    expect(answered(calls)).toBe(2)
  })

  it('is served again by an idle connection that must prove itself first', async () => {
    const it = await laneOf({ max: 2, multiplex: { connections: 2, maxInFlight: 1 } })
    await widen(it, 2)
    it.pool.suspect('by the test')
    const calls = [call(it, 1), call(it, 2), call(it, 3)]
    await it.clock.advance(20)
    expect(answered(calls)).toBe(3)
    expect(it.session(0).statements).toContain('')
  })
})

describe('a pool that closes', () => {
  it('takes no new call on a connection that is still shared', async () => {
    const it = await laneOf({ max: 1 }, { statementMs: 5 })
    const before = [call(it, 1), call(it, 2)]
    await it.clock.settle()
    const closed = watch(it.pool.close({ waiters: 'serve' }))
    const late = call(it, 3)
    await it.clock.advance(50)
    expect(late.error).toMatchObject({ code: 'POOLHOUSE_POOL_CLOSED', executed: 'no' })
    expect([answered(before), closed.state]).toEqual([2, 'resolved'])
  })

  it('serves the calls that wait for a place, if it is told to', async () => {
    const it = await laneOf({ max: 1, multiplex: { connections: 1, maxInFlight: 2 } })
    const calls = Array.from({ length: 7 }, (_, at) => call(it, at))
    await it.clock.settle()
    const closed = watch(it.pool.close({ waiters: 'serve' }))
    await it.clock.advance(100)
    expect([answered(calls), closed.state]).toEqual([7, 'resolved'])
    expect([it.driver.open.size, it.clock.pendingTimers]).toEqual([0, 0])
  })

  it('refuses them otherwise, and waits for what is in flight', async () => {
    const it = await laneOf({ max: 1, multiplex: { connections: 1, maxInFlight: 2 } })
    const calls = Array.from({ length: 5 }, (_, at) => call(it, at))
    await it.clock.settle()
    const closed = watch(it.pool.close())
    await it.clock.advance(100)
    expect([answered(calls), closed.state]).toEqual([2, 'resolved'])
    for (const { error } of calls.slice(2)) {
      expect(error).toMatchObject({ code: 'POOLHOUSE_POOL_CLOSED', executed: 'no' })
    }
  })
})

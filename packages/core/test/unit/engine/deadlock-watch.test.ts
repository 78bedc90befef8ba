import { describe, expect, it } from 'vitest'
import { ConnectError, createPool, PoolDeadlockError } from '../../../src/index.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

const setUp = (max: number) => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock, statementMs: 1 })
  const pool = createPool({ driver, connection: 'postgres://u@localhost/d', max, clock })
  return { clock, pool }
}

describe('deadlock detection', () => {
  it('refuses work that waits for the connection it holds itself, with both stacks', async () => {
    const { clock, pool } = setUp(1)
    const events: string[] = []
    pool.on('deadlock', ({ pool: name }) => events.push(name))
    const work = pool.use(async function holder() {
      return await pool.query('select 1')
    })
    const outcome = expect(work).rejects.toBeInstanceOf(PoolDeadlockError)
    const error = work.catch((caught: PoolDeadlockError) => caught)
    await clock.advance(3_000)
    await outcome
    expect(await error).toMatchObject({ executed: 'no', code: 'POOLHOUSE_POOL_DEADLOCK' })
    expect(((await error) as PoolDeadlockError).waitingAt).toContain('holder')
    expect(((await error) as PoolDeadlockError).heldAt).toMatch(/^ +at .*deadlock-watch\.test/)
    expect(events).toHaveLength(1)
    expect(pool.stats().leased).toBe(0)
  })

  it('says where the lease was taken without a stack of each, from the caller that waits', async () => {
    const { clock, pool } = setUp(1)
    const error = (work: () => Promise<unknown>) =>
      work().then(
        () => undefined,
        (caught: unknown) => caught as PoolDeadlockError,
      )
    const first = pool.use((lease) => lease.query('sampled by the leak watch'))
    await clock.advance(10)
    await first
    async function takesIt(): Promise<void> {
      await pool.transaction(async (tx) => {
        await tx.query('insert')
        await waits()
      })
    }
    async function usesIt(): Promise<void> {
      await pool.use(async (lease) => {
        await lease.query('select')
        await waits()
      })
    }
    async function waits(): Promise<void> {
      await pool.query('select 1')
    }
    // Of more than a hundred acquires at once, no place is remembered.
    const hurry = (): void => {
      for (let each = 0; each <= 100; each++) pool.tryAcquire()!.release()
    }
    for (const holder of [takesIt, usesIt]) {
      hurry()
      const failed = error(holder)
      await clock.advance(3_000)
      const { heldAt, waitingAt } = (await failed)!
      expect(heldAt).toContain(holder.name)
      expect(heldAt).not.toContain('waits')
      expect(waitingAt).toContain('waits')
    }
    hurry()
    const apart = error(() =>
      pool.transaction(async (tx) => {
        await tx.query('update')
        await new Promise((resolve, reject) => {
          // No chain of awaits leads from here to the holder.
          queueMicrotask(() => void pool.query('select 1').then(resolve, reject))
        })
      }),
    )
    await clock.advance(3_000)
    expect((await apart)?.heldAt).toBe('lease of connection 1, last statement: update')
  })

  it('finds work that waits for a place on a shared connection while it holds the last one', async () => {
    const { clock, pool } = setUp(2)
    pool.reconfigure({ multiplex: 'auto' })
    const known = pool.query('select $1', [1])
    await clock.advance(10)
    await known
    const events: string[] = []
    pool.on('deadlock', ({ pool: name }) => events.push(name))
    async function reads(): Promise<void> {
      await pool.query('select $1', [1])
    }
    async function holder(): Promise<void> {
      await pool.transaction(async (tx) => {
        await tx.query('insert')
        await reads()
      })
    }
    const works = [holder(), holder()]
    const outcomes = Promise.allSettled(works)
    await clock.advance(3_000)
    const [first, second] = await outcomes
    expect([first?.status, second?.status]).toEqual(['fulfilled', 'rejected'])
    const error = (second as PromiseRejectedResult).reason as PoolDeadlockError
    expect(error).toBeInstanceOf(PoolDeadlockError)
    expect(error.executed).toBe('no')
    expect(error.waitingAt).toContain('reads')
    expect(error.heldAt).toContain('holder')
    expect(events).toHaveLength(1)
    expect([pool.stats().leased, pool.stats().pending]).toEqual([0, 0])
  })

  it('refuses only the youngest of several transactions that wait for each other', async () => {
    const { clock, pool } = setUp(2)
    const nested = (text: string) =>
      pool.transaction(async (tx) => {
        await tx.query(`insert ${text}`)
        return (await pool.query('select 2')).command
      })
    const both = Promise.allSettled([nested('a'), nested('b')])
    await clock.advance(4_000)
    const outcomes = (await both).map((end) =>
      end.status === 'fulfilled' ? end.value : end.reason.name,
    )
    expect(outcomes).toEqual(['SELECT', 'PoolDeadlockError'])
  })

  it('leaves work alone that waits for a connection whose holder can give it back', async () => {
    const { clock, pool } = setUp(2)
    const outsider = pool.acquire()
    await clock.advance(10)
    const nested = pool.use(() => pool.query('select 1'))
    await clock.advance(5_000)
    ;(await outsider).release()
    await clock.advance(10)
    expect((await nested).command).toBe('SELECT')
  })

  it('leaves work alone whose statement is still running', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({ clock, statementMs: () => 4_000 })
    const pool = createPool({ driver, connection: 'postgres://u@localhost/d', max: 1, clock })
    const work = pool.use(async (lease) => {
      const slow = lease.query('select slow')
      const nested = pool.query('select 1')
      await slow
      lease.release()
      return (await nested).command
    })
    await clock.advance(9_000)
    expect(await work).toBe('SELECT')
  })

  it('does not count a released lease as held', async () => {
    const { clock, pool } = setUp(1)
    const work = pool.use(async (lease) => {
      lease.release()
      return await pool.use(async (inner) => (await inner.query('select 1')).command)
    })
    await clock.advance(3_000)
    expect(await work).toBe('SELECT')
  })

  it('still finds it after another pool was closed', async () => {
    const { clock, pool } = setUp(1)
    const other = setUp(1)
    const stuck = expect(pool.use(() => pool.query('select 1'))).rejects.toBeInstanceOf(
      PoolDeadlockError,
    )
    await clock.settle()
    await other.pool.close()
    await clock.advance(3_000)
    await stuck
  })

  it('refuses the youngest waiter only when it has waited for half a second itself', async () => {
    const { clock, pool } = setUp(2)
    const begun = clock.now()
    let refusedAfter = 0
    pool.on('deadlock', () => {
      refusedAfter = clock.now() - begun
    })
    const old = pool.use(() => pool.query('select 1'))
    const young = pool.use(async () => {
      await new Promise<void>((done) => clock.setTimer(done, 400))
      return pool.query('select 2')
    })
    const ends = Promise.allSettled([old, young])
    await clock.advance(3_000)
    expect((await ends).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(refusedAfter).toBeGreaterThanOrEqual(900)
    expect(refusedAfter).toBeLessThan(1_500)
  })

  it('leaves work alone whose pool may still open a connection', async () => {
    const clock = virtualClock()
    let refuse = false
    const driver = fakeDriver({
      clock,
      statementMs: 1,
      onConnect: () =>
        refuse ? new ConnectError('too many clients', { endpoint: 'localhost:5432' }) : undefined,
    })
    const connection = 'postgres://u@localhost/d'
    const pool = createPool({ driver, connection, max: 2, clock, acquireTimeoutMs: 60_000 })
    const work = pool.use(async () => {
      refuse = true
      return (await pool.query('select 1')).command
    })
    await clock.advance(5_000)
    refuse = false
    await clock.advance(30_000)
    expect(await work).toBe('SELECT')
  })
})

describe('deadlock detection across pools', () => {
  it('T20: finds two pools whose holders wait for each other, and three in a ring', async () => {
    for (const count of [2, 3]) {
      const clock = virtualClock()
      const driver = fakeDriver({ clock, statementMs: 1 })
      const connection = 'postgres://u@localhost/d'
      const pools = Array.from({ length: count }, (_, n) =>
        createPool({ driver, connection, max: 1, clock, name: `p${n}` }),
      )
      const work = pools.map((pool, n) =>
        pool.use(async () => (await pools[(n + 1) % count]!.query('select 1')).command),
      )
      const ends = Promise.allSettled(work)
      await clock.advance(1_000)
      const outcomes = (await ends).map((end) =>
        end.status === 'fulfilled' ? end.value : end.reason.name,
      )
      expect(outcomes.filter((outcome) => outcome === 'PoolDeadlockError')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'SELECT')).toHaveLength(count - 1)
    }
  })

  it('T20: leaves a ring alone that work outside of it can open', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({ clock, statementMs: 1 })
    const connection = 'postgres://u@localhost/d'
    const one = createPool({ driver, connection, max: 1, clock, name: 'one' })
    const two = createPool({ driver, connection, max: 2, clock, name: 'two' })
    const outsider = two.acquire()
    await clock.advance(10)
    const ends = Promise.allSettled([
      one.use(() => two.query('select 1')),
      two.use(() => one.query('select 1')),
    ])
    await clock.advance(5_000)
    ;(await outsider).release()
    await clock.advance(10)
    expect((await ends).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  })
})

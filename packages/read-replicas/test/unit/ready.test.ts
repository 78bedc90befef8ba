import { describe, expect, test, vi } from 'vitest'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '../../src/index.js'
import { refused } from './failures.js'
import { FakePool } from './fake-pool.js'
import { ManualClock, settle } from './manual-clock.js'
import { FakeTopology, nodeOf, sequence } from './setting.js'

interface Setting {
  readonly clock: ManualClock
  readonly primary: FakePool
  readonly b: FakePool
  readonly c: FakePool
  open(options?: ReplicasOptions): ReplicaPool
}

function setting(): Setting {
  const clock = new ManualClock()
  const [primary, b, c] = ['a', 'b', 'c'].map((name) => new FakePool(name)) as [
    FakePool,
    FakePool,
    FakePool,
  ]
  primary.inRecovery = false
  const open = (options?: ReplicasOptions): ReplicaPool =>
    withReplicas(primary, [b, c], { clock, random: sequence(), ...options })
  return { clock, primary, b, c, open }
}

function watch(promise: Promise<void>): { state: string; error?: unknown } {
  const seen: { state: string; error?: unknown } = { state: 'pending' }
  promise.then(
    () => Object.assign(seen, { state: 'resolved' }),
    (error: unknown) => Object.assign(seen, { state: 'rejected', error }),
  )
  return seen
}

const eligible = (db: ReplicaPool): string[] =>
  db
    .explainRoute('select 1', { intent: 'read' })
    .candidates.filter((candidate) => candidate.eligible)
    .map(({ node }) => node)

describe('T93: ready', () => {
  test('resolves when the primary is ready and it is known how far every replica is behind', async () => {
    const { open, clock, primary, b } = setting()
    const ready = [primary, b].map((pool) => vi.spyOn(pool, 'ready'))
    const db = open()
    const seen = watch(db.ready({ timeoutMs: 5_000 }))
    await clock.advance(0)
    expect(seen.state).toBe('resolved')
    expect(eligible(db)).toEqual(['b', 'c'])
    for (const spy of ready) expect(spy).toHaveBeenCalledTimes(1)
    expect(ready[0]).toHaveBeenCalledWith({ timeoutMs: 5_000 })
    await db.close()
  })

  test('of a reader or a session waits for the whole pool, and rejects once the view is closed', async () => {
    const { open, clock } = setting()
    const db = open()
    const views = [db.reader(), db.session(), db.session().reader()]
    const seen = views.map((view) => watch(view.ready()))
    await clock.advance(0)
    expect(seen.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved'])
    for (const view of views) {
      await view.close()
      await expect(view.ready()).rejects.toMatchObject({ name: 'PoolClosedError' })
    }
    await db.close()
  })

  test('rejects with the error of the primary', async () => {
    const { open, primary } = setting()
    primary.ready = () => Promise.reject(refused())
    const db = open()
    await expect(db.ready()).rejects.toMatchObject({ name: 'ConnectError' })
    await db.close()
  })

  test('soon asks a replica again that lacks what the primary said first', async () => {
    const { open, clock, primary, b } = setting()
    b.position = primary.position - 100
    const db = open()
    const seen = watch(db.ready())
    await clock.advance(5)
    expect(seen.state).toBe('pending')
    b.position = primary.position
    await clock.advance(15)
    expect(seen.state).toBe('resolved')
    expect(eligible(db)).toEqual(['b', 'c'])
    await db.close()
  })

  test('waits at most 2 s for replicas that stay behind, hang or refuse connections, and does not fail because of them', async () => {
    for (const trouble of ['behind', 'hanging', 'paused', 'down'] as const) {
      const { open, clock, primary, b } = setting()
      if (trouble === 'behind') b.position = primary.position - 100
      if (trouble === 'hanging') b.hangs = true
      if (trouble === 'paused') Object.assign(b, { position: 1, replayPaused: true })
      if (trouble === 'down') b.down = refused()
      const db = open()
      const seen = watch(db.ready())
      await clock.advance(0)
      const isWaiting = trouble === 'behind' || trouble === 'hanging'
      expect([trouble, seen.state]).toEqual([trouble, isWaiting ? 'pending' : 'resolved'])
      await clock.advance(2_000)
      expect(seen.state).toBe('resolved')
      expect(eligible(db)).toEqual(['c'])
      await db.close()
    }
  })

  test('ends at its time limit, at its signal and when the pool closes, and then keeps no process alive', async () => {
    const { open, clock, b } = setting()
    b.hangs = true
    const db = open()
    const abort = new AbortController()
    const limited = watch(db.ready({ timeoutMs: 500 }))
    const aborted = watch(db.ready({ signal: abort.signal }))
    const closed = watch(db.ready())
    await clock.advance(500)
    expect(limited.state).toBe('resolved')
    abort.abort('enough')
    await settle()
    expect(aborted.error).toMatchObject({ name: 'AbortError', cause: 'enough', executed: 'no' })
    expect(clock.keepsAlive).toBe(true)
    await db.close()
    await settle()
    expect(closed.error).toMatchObject({ name: 'PoolClosedError' })
    expect(clock.keepsAlive).toBe(false)
    await expect(db.ready()).rejects.toMatchObject({ name: 'PoolClosedError' })
  })

  test('waits for a topology that has not looked at a replica yet', async () => {
    const { clock, primary, b } = setting()
    const topology = new FakeTopology([nodeOf(primary, 'primary'), nodeOf(b, 'unknown')])
    const db = withReplicas(primary, topology, { clock, random: sequence() })
    const seen = watch(db.ready())
    await settle()
    expect(seen.state).toBe('pending')
    topology.show([nodeOf(primary, 'primary'), nodeOf(b, 'replica', 3)])
    await settle()
    expect(seen.state).toBe('resolved')
    await db.close()
  })

  test.each([{ timeoutMs: 0 }, { timeoutms: 1 }, null, 7])('refuses %j', async (options) => {
    const { open } = setting()
    const db = open()
    const call = db.ready(options as never)
    await expect(call).rejects.toThrow(/^ready: /)
    await db.close()
  })
})

import {
  AbortError,
  DatabaseError,
  type Gap,
  NoPrimaryError,
  PoolClosedError,
} from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { FailoverPool } from '../../../src/index.js'
import {
  a,
  b,
  c,
  clock,
  failover,
  listen,
  makeCluster,
  ready,
  watch,
} from '../support/fake-cluster.js'
import type { FakeServer } from '../support/fake-server.js'

const refusal = new DatabaseError('cannot execute LISTEN during recovery', {
  code: '25006',
  severity: 'ERROR',
})

let heard: string[]
let gaps: Gap[]

beforeEach(() => {
  makeCluster()
  heard = []
  gaps = []
  for (const server of [a, b, c]) {
    server.script = ({ text }) =>
      text.startsWith('LISTEN') && server.inRecovery ? { error: refusal } : undefined
  }
})

function subscribe(
  pool: FailoverPool,
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): ReturnType<typeof watch<Awaited<ReturnType<FailoverPool['listen']>>>> {
  const onGap = (gap: Gap): void => {
    gaps.push(gap)
    heard.push('gap')
  }
  return watch(pool.listen('jobs', (payload) => heard.push(payload), { onGap, ...options }))
}

/** Notifies every session that listens on the server, whatever its role. */
function notify(server: FakeServer, payload: string): void {
  for (const session of server.driver.open) session.notify('jobs', payload)
}

function listeners(server: FakeServer): number {
  return [...server.driver.open].filter(({ channels }) => channels.has('jobs')).length
}

describe('listening', () => {
  it('happens only on the primary, and ends with the pool', async () => {
    const pool = failover()
    await ready(pool)
    const subscription = subscribe(pool)
    await clock.settle()
    expect([a, b, c].map(listeners)).toEqual([1, 0, 0])
    notify(a, '1')
    await clock.settle()
    expect(heard).toEqual(['1'])
    await pool.close()
    expect(subscription.value).toMatchObject({ closed: true, listening: false })
    expect(a.driver.open.size).toBe(0)
    await expect(pool.listen('jobs', () => {})).rejects.toBeInstanceOf(PoolClosedError)
  })

  it('moves with the primary, and the gap names both servers', async () => {
    const pool = failover()
    await ready(pool)
    const errors = listen(pool, 'error')
    const subscription = subscribe(pool)
    await clock.advance(1_000)
    a.kill()
    await clock.advance(500)
    expect(subscription.value).toMatchObject({ closed: false, listening: false })
    b.promote()
    await clock.advance(500)
    expect(subscription.value).toMatchObject({ listening: true })
    notify(b, '1')
    await clock.settle()
    expect(heard).toEqual(['gap', '1'])
    expect(gaps).toMatchObject([
      {
        channel: 'jobs',
        reason: {
          name: 'ConnectionLostError',
          message: 'primary moved a:5432/app → b:5432/app; see POOLHOUSE_CONNECTION_LOST',
        },
      },
    ])
    expect(gaps[0]!.forMs).toBeGreaterThan(1_500)
    expect(gaps[0]!.forMs).toBeLessThanOrEqual(2_000)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.length).toBeLessThan(5)
    await pool.close()
  })

  it('ignores a primary that is fenced, frozen or unreachable, even if its session is open', async () => {
    const pool = failover()
    await ready(pool)
    const subscription = subscribe(pool)
    await clock.advance(500)
    // The old primary does not know of it: its session stays open and still sends notifications.
    b.promote()
    await clock.advance(2_000)
    expect(pool.topology.current.nodes[0]?.state).toBe('fenced')
    expect([a, b, c].map(listeners)).toEqual([0, 1, 0])
    notify(a, 'from the past')
    notify(b, '1')
    await clock.settle()
    expect(heard).toEqual(['gap', '1'])
    b.freeze()
    await clock.advance(4_000)
    expect(pool.topology.current.primary).toBeUndefined()
    expect(subscription.value).toMatchObject({ listening: false })
    expect(listeners(b)).toBe(0)
    await pool.close({ timeoutMs: 0 })
  })

  it('returns to a primary that was away as soon as it is primary again', async () => {
    const pool = failover()
    await ready(pool)
    subscribe(pool)
    await clock.advance(500)
    a.kill()
    await clock.advance(60_000)
    a.mood = 'up'
    await clock.advance(500)
    expect(listeners(a)).toBe(1)
    expect(gaps).toHaveLength(1)
    await pool.close()
  })

  it('waits for a primary as long as calls are held, or as long as its own limit', async () => {
    a.kill()
    const pool = failover({ hold: { timeoutMs: 3_000 } })
    const held = subscribe(pool)
    const short = subscribe(pool, { timeoutMs: 1_000 })
    const abort = new AbortController()
    const aborted = subscribe(pool, { signal: abort.signal })
    await clock.advance(500)
    expect(pool.stats().pending).toBe(3)
    abort.abort()
    await clock.advance(2_499)
    expect(short.error).toBeInstanceOf(NoPrimaryError)
    expect(aborted.error).toBeInstanceOf(AbortError)
    expect(held.settledAt).toBeUndefined()
    await clock.advance(2)
    expect(held.error).toBeInstanceOf(NoPrimaryError)
    const served = subscribe(pool)
    b.promote()
    await clock.advance(1_000)
    expect(served.value).toMatchObject({ listening: true })
    expect(listeners(b)).toBe(1)
    await pool.close()
  })

  it('is refused at once without a primary if calls are not held', async () => {
    a.kill()
    const pool = failover({ hold: false })
    await clock.advance(1_000)
    const refused = subscribe(pool)
    await clock.settle()
    expect(refused.error).toBeInstanceOf(NoPrimaryError)
    await pool.close()
  })

  it('begins on the new primary if the old one is demoted during the first LISTEN', async () => {
    const pool = failover()
    await ready(pool)
    a.inRecovery = true
    b.promote()
    const subscription = subscribe(pool)
    await clock.advance(2_000)
    expect(subscription.value).toMatchObject({ listening: true })
    expect(listeners(b)).toBe(1)
    expect(gaps).toEqual([])
    await pool.close()
  })

  it('goes to the new primary at once even if the old one never answers', async () => {
    const pool = failover()
    await ready(pool)
    a.freeze()
    const subscription = subscribe(pool)
    await clock.advance(100)
    b.promote()
    await clock.advance(1_900)
    expect(pool.topology.current.primary?.id).toBe('b')
    expect(subscription.value).toMatchObject({ listening: true })
    expect(gaps).toEqual([])
    await pool.close({ timeoutMs: 0 })
  })

  it('refuses wrong arguments before it waits', async () => {
    a.kill()
    const pool = failover()
    await expect(pool.listen('', () => {})).rejects.toBeInstanceOf(RangeError)
    await expect(pool.listen('jobs', () => {}, null as never)).rejects.toBeInstanceOf(TypeError)
    await pool.close()
  })
})

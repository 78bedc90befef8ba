import { AuthenticationError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  a,
  b,
  c,
  clock,
  failover,
  makeCluster,
  race,
  ready,
  watch,
} from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('refused credentials', () => {
  it('S10: rejects with a wrong password instead of holding, and declares no node dead', async () => {
    for (const server of [a, b, c]) server.mood = 'denying'
    const pool = failover()
    await expect(race(pool.query('insert 1'))).rejects.toBeInstanceOf(AuthenticationError)
    expect(pool.topology.current.nodes.map(({ state }) => state)).toEqual([
      'unknown',
      'unknown',
      'unknown',
    ])
    await pool.close()
  })

  it('rejects with the refusal of the node that was primary last', async () => {
    const pool = failover()
    await ready(pool)
    a.kill()
    a.mood = 'denying'
    await expect(race(pool.query('insert 1'))).rejects.toBeInstanceOf(AuthenticationError)
    await pool.close()
  })

  it('holds calls although a node refuses, if another node was primary last', async () => {
    c.mood = 'denying'
    const pool = failover()
    await ready(pool)
    a.kill()
    const call = watch(pool.query('insert 1'))
    await clock.advance(1_000)
    expect(call).toEqual({})
    b.promote()
    await clock.advance(300)
    expect(call.value).toMatchObject({ node: 'b' })
    await pool.close()
  })

  it('holds calls while another server, at the address of a primary that died, refuses', async () => {
    const pool = failover()
    await ready(pool)
    a.kill()
    await clock.advance(500)
    a.mood = 'denying'
    const calls: { error?: unknown; value?: unknown }[] = []
    for (let ms = 0; ms < 4_000; ms += 100) {
      calls.push(watch(pool.query('insert 1')))
      await clock.advance(100)
    }
    expect(calls.filter(({ error }) => error !== undefined)).toEqual([])
    b.promote()
    await clock.advance(1_000)
    expect(calls.map(({ value }) => value)).toEqual(
      calls.map(() => expect.objectContaining({ node: 'b' })),
    )
    await pool.close()
  })

  it('tells what refuses at the address of a primary that died, once calls were held in vain', async () => {
    const pool = failover({ hold: { timeoutMs: 2_000 } })
    await ready(pool)
    a.kill()
    await clock.advance(500)
    a.mood = 'denying'
    await expect(race(pool.query('insert 1'))).rejects.toMatchObject({
      name: 'NoPrimaryError',
      executed: 'no',
      message: expect.stringContaining('password authentication failed'),
    })
    await pool.close()
  })

  it('X11: tries a refused password less and less often', async () => {
    for (const server of [a, b, c]) server.mood = 'denying'
    const pool = failover()
    await clock.advance(60_000)
    expect(a.driver.attempts).toBeLessThan(12)
    await pool.close()
  })
})

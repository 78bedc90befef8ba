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

  it('X11: tries a refused password less and less often', async () => {
    for (const server of [a, b, c]) server.mood = 'denying'
    const pool = failover()
    await clock.advance(60_000)
    expect(a.driver.attempts).toBeLessThan(12)
    await pool.close()
  })
})

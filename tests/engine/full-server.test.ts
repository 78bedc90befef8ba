import { ConnectError } from '@poolhouse/core'
import { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { shiftedClock } from '../support/clocks/shifted-clock.js'
import { DRIVERS } from '../support/drivers.js'
import { tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
// Seven places for ordinary roles; three are kept for superusers.
const PLACES = 7
const server = testServer({
  settings: { max_connections: 10, superuser_reserved_connections: 3, reserved_connections: 0 },
})

/**
 * Another application takes all places and gives back all but some. Each place given back is free
 * when its client sees the socket close: the server's process is gone by then. A place that a
 * session of an earlier test still holds is waited for.
 */
async function occupy(places: number): Promise<() => Promise<void>> {
  const clients: Client[] = []
  const giveBack = async (count: number): Promise<void> => {
    await Promise.all(clients.splice(0, count).map((client) => client.end()))
  }
  onTestFinished(() => giveBack(clients.length))
  await until(async () => {
    const client = new Client(server.url)
    try {
      await client.connect()
      clients.push(client)
    } catch (error) {
      if ((error as { code?: string }).code !== '53300') throw error
    }
    return clients.length === PLACES
  }, 'every place')
  await giveBack(PLACES - places)
  return () => giveBack(clients.length)
}

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('a server that is full (53300)', () => {
    it('F24: makes the pool live with the connections it has; callers wait, none fails, and the pool grows again when there is room', async () => {
      const leave = await occupy(PLACES - 2)
      const clock = shiftedClock()
      const pool = openPool({ max: 10, clock })
      const refusals: unknown[] = []
      pool.on('error', ({ error }) => refusals.push(error))
      const burst = () =>
        tally(Array.from({ length: 40 }, () => pool.query('select pg_sleep(0.02)')))

      expect(await burst()).toEqual({ ok: 40 })
      // A connect that will be refused holds a place while the server looks, so that two at a time
      // may keep each other out.
      const { total } = pool.stats()
      expect([1, 2]).toContain(total)
      // The server was asked a few times, not once per caller, and the refusals were that of a full
      // server.
      expect(refusals.length).toBeGreaterThan(0)
      // Four come together; if they kept all of each other out, one more has come after them.
      expect(refusals.length).toBeLessThanOrEqual(5)
      for (const error of refusals) {
        expect(error).toBeInstanceOf(ConnectError)
        expect(error).toMatchObject({ sqlState: '53300', fatal: false })
      }
      await until(() => pool.stats().connecting === 0, 'the last answer of the server')
      const asked = refusals.length
      expect(await burst()).toEqual({ ok: 40 })
      expect(refusals.length).toBe(asked)

      await leave()
      // It grows when a caller needs it; and those that come together for the last place may keep
      // each other out until the next time.
      await until(async () => {
        clock.skip(11_000)
        expect(await burst()).toEqual({ ok: 40 })
        return pool.stats().total === PLACES
      }, 'the pool to take every free place')
    })

    it('F24: does not mean that the node is down: with no place at all callers wait and are served when one is free', async () => {
      const leave = await occupy(PLACES)
      const pool = openPool({ max: 10 })
      let refused = 0
      pool.on('error', () => {
        refused++
      })
      const served = tally(Array.from({ length: 20 }, () => pool.query('select 1')))
      await until(() => refused >= 3, 'three refusals')
      expect(pool.stats().pending).toBe(20)
      await leave()
      expect(await served).toEqual({ ok: 20 })
    })
  })
})

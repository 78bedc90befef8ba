import { connect, createServer, type Socket } from 'node:net'
import { startWireServer } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('a server that dies under a pool without listeners', () => {
    it.each(['immediate', 'fast', 'kill'] as const)(
      'F56: raises no uncaught error, whatever its connections were doing, and the pool works when it is back (%s)',
      async (mode) => {
        const { primary } = server.cluster
        const pool = openPool({ max: 8, acquireTimeoutMs: 15_000 })
        await pool.warm(6)
        const session = await pool.openSession()
        const lease = await pool.acquire()
        const inTransaction = await pool.acquire()
        await inTransaction.query('begin')
        // These are not awaited until later; a rejection of theirs that the pool made on its own
        // would have no handler.
        const calls = tally([
          pool.query('select pg_sleep(30)'),
          lease.query('select pg_sleep(30)'),
          pool.transaction((tx) => tx.query('select pg_sleep(30)')),
        ])
        // A listener that is added and never looked at, as an application would.
        const aborted = [lease.signal, inTransaction.signal, session.signal]
        if (mode === 'kill') await primary.kill()
        else await primary.stop(mode)
        const outcome = await calls
        expect(Object.keys(outcome)).not.toContain('ok')
        await until(() => aborted.every((signal) => signal.aborted), 'the leases to be told')
        // What is lost is refused, and giving it back is no error.
        expect(await failureOf(inTransaction.query('commit'))).toMatchObject({ executed: 'no' })
        lease.release()
        inTransaction.release()
        expect(session.closed).toBe(true)
        const during = tally(Array.from({ length: 10 }, () => pool.query('select 1')))
        await primary.start()
        expect(await during).toEqual({ ok: 10 })
        expect(pool.stats().counters.errors).toBeGreaterThan(0)
      },
    )

    it('F56: survives listeners that throw and abort handlers that throw', async () => {
      await using wire = await startWireServer()
      const pool = openPool({ connection: wire.url, max: 1 })
      const told: unknown[] = []
      pool.on('error', ({ error }) => told.push(error))
      const fault = new Error('a listener of the application')
      pool.on('acquire', () => {
        throw fault
      })
      expect((await pool.query('select 1')).rowCount).toBe(1)
      await until(() => told.length > 0, 'the error event')
      expect(told).toEqual([fault])
      expect((await pool.query('select 1')).rowCount).toBe(1)
    })
  })

  describe('a session that is ended while it is idle', () => {
    it('F56: fails no call: the next one gets another connection', async () => {
      const pool = openPool({ max: 3 })
      await pool.warm(3)
      await server.sql(
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'test'`,
      )
      expect(await tally(Array.from({ length: 10 }, () => pool.query('select 1')))).toEqual({
        ok: 10,
      })
    })

    it('F56: is not lent any more once the server has said its last words, even while the socket stays open', async () => {
      const clients: Socket[] = []
      const line = createServer((client) => {
        clients.push(client)
        const upstream = connect(server.cluster.primary.port, '127.0.0.1')
        client.pipe(upstream).pipe(client)
        for (const socket of [client, upstream]) socket.on('error', () => socket.destroy())
      })
      await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void line.close())
      const url = new URL(server.url)
      url.port = String((line.address() as { port: number }).port)
      const pool = openPool({ connection: url.href, max: 1 })
      await pool.query('select 1')
      const reasons: string[] = []
      pool.on('destroy', ({ reason }) => reasons.push(reason))
      const fields =
        'SFATAL\0VFATAL\0C57P05\0Mterminating connection due to idle-session timeout\0\0'
      const words = Buffer.from(`E....${fields}`)
      words.writeUInt32BE(words.length - 1, 1)
      clients[0]!.write(words)
      await until(() => reasons.length === 1, 'the destroy event')
      expect(reasons[0]).toContain('idle-session timeout')
      expect((await pool.query('select 1')).rowCount).toBe(1)
      expect(clients).toHaveLength(2)
    })
  })
})

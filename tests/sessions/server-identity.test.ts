import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import { isSameServer } from '@poolhouse/core/kit'
import { startPgBouncer } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'

describe.each(everyServer({ replicas: 1 }))(
  'the server that a connection leads to, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const poolOf = (connection: string, options: Partial<PoolOptions> = {}): ConnectionPool => {
      const pool = createPool({ driver: make(), connection, max: 4, ...options })
      onTestFinished(() => pool.close({ timeoutMs: 0 }))
      return pool
    }

    it('T53: is told when the connection is opened, to a role without rights, by a primary and by a standby', async () => {
      const { primary, nodes } = await cluster()
      const seen = await Promise.all(
        nodes.map(async ({ url }) => {
          const pool = poolOf(url)
          await using lease = await pool.acquire()
          expect(pool.servers!()).toEqual([{ server: lease.server, connections: 1 }])
          expect(Object.isFrozen(lease.server)).toBe(true)
          const { rows } = await lease.query(
            `select pg_is_in_recovery() as "inRecovery", 1 as timeline, host(inet_server_addr()) as address, inet_server_port() as port,
              (select system_identifier from pg_control_system())::text as "systemId", extract(epoch from pg_postmaster_start_time())::text as "startedAt",
              pg_has_role('pg_monitor', 'member') as monitor`,
          )
          expect(rows).toEqual([{ ...lease.server, monitor: false }])
          return lease.server!
        }),
      )
      const [first, second] = seen
      expect(nodes[0]).toBe(primary)
      expect(seen.map(({ inRecovery }) => inRecovery)).toEqual([false, true])
      expect(first!.systemId).toBe(second!.systemId)
      expect(isSameServer(first, second)).toBe(false)
      expect(first!.startedAt).toMatch(/^\d{10}\.\d{6}$/)
    })

    it('T53: is the same under each of its names, whatever time zone and format of dates a role has', async () => {
      const { primary } = await cluster()
      const byName = new URL(primary.url)
      byName.hostname = 'localhost'
      const parameters = '?options=-c%20TimeZone%3DAsia%2FTokyo%20-c%20DateStyle%3DGerman'
      const [one, other, session] = await Promise.all([
        poolOf(primary.url).use(async ({ server }) => server),
        poolOf(byName.href + parameters).use(async ({ server }) => server),
        poolOf(byName.href)
          .openSession()
          .then(async (opened) => {
            await opened.close()
            return opened.server
          }),
      ])
      expect(isSameServer(one, other)).toBe(true)
      expect(isSameServer(one, session)).toBe(true)
    })

    it('T53: is known but for its system where a function is refused, and neither a call nor a transaction notices', async () => {
      const { primary } = await cluster()
      const all = await poolOf(primary.url).use(async ({ server }) => server)
      await primary.sql('revoke execute on function pg_control_system() from public')
      try {
        const pool = poolOf(primary.url, { max: 2 })
        const leases = await Promise.all([pool.acquire(), pool.acquire()])
        for (const lease of leases) {
          expect(lease.server).toEqual({ ...all, systemId: undefined, timeline: undefined })
          lease.release()
        }
        await pool.transaction(async (tx) => {
          await expect(tx.query('select 1 as one')).resolves.toMatchObject({ rows: [{ one: 1 }] })
        })
        expect(pool.stats().counters).toMatchObject({ created: 2, errors: 0 })
        await primary.sql('revoke execute on function pg_postmaster_start_time() from public')
        const silent = poolOf(primary.url)
        await silent.use(async (lease) => expect(lease.server).toBeUndefined())
        expect(silent.servers!()).toEqual([])
        expect(silent.pooler).toBeUndefined()
      } finally {
        await primary.sql('grant execute on function pg_control_system() to public')
        await primary.sql('grant execute on function pg_postmaster_start_time() to public')
      }
    })

    it('T53: is unknown behind a pooler, declared or noticed', async () => {
      const { primary } = await cluster()
      await using bouncer = await startPgBouncer({
        target: primary.url,
        auth: 'scram-sha-256',
        poolSize: 2,
      })
      for (const pooler of [undefined, 'pgbouncer'] as const) {
        const pool = poolOf(bouncer.url, { pooler })
        await pool.use(async (lease) => expect(lease.server).toBeUndefined())
        expect(pool.servers!()).toEqual([])
      }
      // In session mode a connection keeps its server, which the user says.
      const pool = poolOf(bouncer.url, { pooler: 'none', max: 1 })
      await pool.use(async (lease) => expect(lease.server).toMatchObject({ inRecovery: false }))
    }, 180_000)
  },
)

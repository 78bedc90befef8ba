import { inspect } from 'node:util'
import { createPool, type Transaction } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { withReplicas } from '@poolhouse/read-replicas'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer({ auth: 'scram-sha-256' })

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  function expectShort(name: string, what: object, state: object): void {
    const shown = inspect(what)
    expect(shown.startsWith(`${name} {`), shown).toBe(true)
    expect(shown.length).toBeLessThan(400)
    const text = JSON.stringify(what)
    expect(JSON.parse(text)).toMatchObject(state)
    expect(inspect({ what }, { depth: 9, showHidden: true }) + text).not.toContain(
      new URL(server.url).password,
    )
    // Loggers copy what is enumerable.
    expect(Object.keys(what)).not.toContain('toJSON')
  }

  it('T83: pools, leases, transactions and sessions print a short state without secrets', async () => {
    const pool = openPool({ name: 'one', max: 3 })
    expectShort('ConnectionPool', pool, { name: 'one', total: 0, idle: 0, pending: 0, max: 3 })
    const lease = await pool.acquire()
    expectShort('ConnectionPool', pool, {
      total: 1,
      leased: 1,
      endpoint: expect.stringMatching(/app$/),
    })
    expectShort('Lease', lease, { pool: 'one', connection: 1, released: false })
    lease.release()
    expectShort('Lease', lease, { released: true })
    let ended: Transaction | undefined
    await pool.transaction(async (tx) => {
      ended = tx
      expectShort('Transaction', tx, { node: 'one', open: true })
      await tx.savepoint(async (inner) => expectShort('Savepoint', inner, { open: true }))
    })
    expectShort('Transaction', ended!, { open: false })
    const session = await pool.openSession()
    expectShort('Session', session, { closed: false })
    await session.close()
    expectShort('Session', session, { closed: true })
  })

  it('T83: pools over pools, their views and the manager print a short state too', async () => {
    const node = (name: string) => createPool({ driver: make(), connection: server.url, name })
    const primary = withFailover([node('a')])
    await primary.ready()
    expectShort('FailoverPool', primary, { primary: 'a', nodes: { a: 'primary' } })
    const routed = withReplicas(primary, primary.topology)
    const session = routed.session()
    await session.query('select 1')
    for (const pool of [routed, routed.reader(), session, session.reader()]) {
      expectShort('Pool', pool, { total: expect.any(Number), max: expect.any(Number) })
    }
    const lease = await session.acquire()
    expectShort('Lease', lease, { pool: 'a', released: false })
    lease.release()
    await routed.close()

    await using manager = createManager({
      drivers: { own: make() },
      databases: { app: server.url },
      tenants: { resolve: (id) => ({ on: 'app', schema: id }) },
    })
    expectShort('Manager', manager, { databases: ['app'], tenantPools: 0, leaving: false })
    expectShort('Pool', manager.database('app'), { name: 'app' })
    const tenant = manager.tenant('acme')
    await tenant.query('select 1')
    expectShort('Pool', tenant, { name: 'acme', pending: 0 })
    expectShort('Manager', manager, { tenantPools: 1 })
  })
})

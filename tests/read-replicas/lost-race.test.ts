import { createPool, type Queryable } from '@poolhouse/core'
import { withReplicas } from '@poolhouse/read-replicas'
import { startWireServer, startWorkload, verifyHistory } from '@poolhouse/testkit'
import { expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { pause } from './readers.js'
import { untilFitting } from './replica-cluster.js'

it.each(DRIVERS)(
  'S47: a read that a replica answers before the primary does leaves no connection of the primary behind over $driver',
  async ({ make }) => {
    await using a = await startWireServer()
    await using b = await startWireServer()
    b.setRole('replica')
    a.onStatement = (text) => (text === 'select 7' ? { delayMs: 60_000 } : undefined)
    const driver = make()
    const primary = createPool({ driver, connection: a.url, name: 'a', max: 4 })
    const replica = createPool({ driver, connection: b.url, name: 'b', max: 4 })
    await using db = withReplicas(primary, [replica], {
      maxStalenessMs: Number.POSITIVE_INFINITY,
      waitForTokenMs: 0,
    })
    await untilFitting(db, ['b'])
    const session = db.session()
    a.state.lsn = '0/4000000'
    await session.query('insert into t values (1)')
    const read = session.query('select 7', undefined, { intent: 'read' })
    while (!a.statements.some(({ text }) => text === 'select 7')) await pause(1)
    expect(primary.stats().leased).toBe(1)
    b.state.lsn = '0/4000000'
    expect((await read).node).toBe('b')
    // The server has to confirm that the read is cancelled before its connection is lent again.
    expect(primary.stats().leased).toBe(1)
    const nothing = { query: async () => ({ rows: [] }) } as unknown as Queryable
    const history = await startWorkload({ writes: db, writers: 0 }).stop()
    const report = await verifyHistory(history, { db: nothing, pools: [primary, db] })
    expect(report.violations).toEqual([])
    expect(a.cancels).toHaveLength(1)
    expect(db.stats()).toMatchObject({ leased: 0, pending: 0, routing: { racesWon: 1 } })
    // It was brought back, and is not thrown away.
    expect(primary.stats()).toMatchObject({ idle: 1, counters: { destroyed: 0 } })
  },
)

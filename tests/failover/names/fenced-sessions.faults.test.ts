import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { startCluster } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startBalancingRelay } from '../../support/balancing-relay.js'
import { DRIVERS } from '../../support/drivers.js'
import { failureOf } from '../../support/failure-of.js'
import { until } from '../../support/until.js'

describe.each(DRIVERS)('a name that has moved to a promoted server, over $driver', ({ make }) => {
  it('T53: leaves no transaction open on the fenced server that it led to before', async () => {
    await using cluster = await startCluster({ replicas: 1 })
    const [a, b] = cluster.nodes
    await using address = await startBalancingRelay(a!.url)
    const node = createPool({ driver: make(), connection: address.through(a!.url), name: 'name' })
    const db = withFailover([node], { probe: { intervalMs: 100 } })
    onTestFinished(() => db.close({ timeoutMs: 0 }))
    await db.query('create table kept(id int)')
    const error = await failureOf(
      db.transaction(async (tx) => {
        await tx.query('insert into kept values (1)')
        const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
        await b!.promote()
        address.leadTo(b!.url)
        // The session that probes goes to the promoted server; that of the transaction stays.
        await a!.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where usename is not null and pid not in (pg_backend_pid(), ${rows[0]!.pid})`,
        )
        await until(async () => db.topology.current.timeline === 2)
      }),
    )
    expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
    expect(await a!.sql('select * from kept')).toEqual([])
    expect(await db.query('select 1 as one')).toMatchObject({ node: 'name', rows: [{ one: 1 }] })
  }, 30_000)
})

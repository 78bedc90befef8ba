import { createPool } from '@poolhouse/core'
import { hosts, withFailover } from '@poolhouse/failover'
import { startCluster } from '@poolhouse/testkit'
import { expect, it } from 'vitest'
import { PG } from '../../support/drivers.js'

it('S04, S06: takes every host of one URL, standby first', async () => {
  await using cluster = await startCluster({ replicas: 1 })
  const [a, b] = cluster.nodes
  const credentials = a!.url.slice('postgres://'.length, a!.url.indexOf('@') + 1)
  const url = `postgres://${credentials}127.0.0.1:1,127.0.0.1:${b!.port},127.0.0.1:${a!.port}/${cluster.database}?target_session_attrs=read-write`
  const driver = PG.make()
  await using pool = withFailover({
    discover: hosts(url),
    pool: ({ connection }) => createPool({ driver, connection, max: 4 }),
  })
  await pool.query('create table t(id int)')
  expect(pool.topology.current.primary?.endpoint.port).toBe(a!.port)
  expect(pool.topology.current.nodes.map(({ state }) => state)).toEqual([
    'unreachable',
    'replica',
    'primary',
  ])
})

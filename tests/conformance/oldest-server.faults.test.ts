import { type ConnectionPool, createPool } from '@poolhouse/core'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { describeDriver } from '@poolhouse/testkit/conformance'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { oldestBinaries } from '../support/every-server.js'

// The oldest major version that Poolhouse supports.
const OLDEST = 14

let cluster: Promise<Cluster> | undefined

function oldest(): Promise<Cluster> {
  cluster ??= oldestBinaries().then((folder) =>
    startCluster({ replicas: 1, auth: 'scram-sha-256', binaries: folder }),
  )
  return cluster
}

beforeAll(oldest, 60_000)
afterAll(async () => {
  // A start that failed has been reported by every test.
  await cluster?.then(
    (started) => started.stop(),
    () => undefined,
  )
}, 60_000)

// The whole suite once more, so not in the quick tier.
describe.each(DRIVERS)('PostgreSQL 14 over $driver', ({ make }) => {
  const driver = make()

  async function pool(): Promise<ConnectionPool> {
    const { primary } = await oldest()
    const made = createPool({ driver, connection: primary.url, max: 3 })
    onTestFinished(() => made.close({ timeoutMs: 0 }))
    return made
  }

  it('is what these tests run on', async () => {
    const { rows } = await (await pool()).query<{ server_version_num: string }>(
      'show server_version_num',
    )
    expect(Math.floor(Number(rows[0]!.server_version_num) / 10_000)).toBe(OLDEST)
  })

  it('reports whether it is a standby by itself, which version 13 did not', async () => {
    const { primary, replicas } = await oldest()
    const reported = await Promise.all(
      [primary, ...replicas].map(async ({ url }) => {
        await using one = createPool({ driver, connection: url, max: 1 })
        await using session = await one.openSession()
        return session.info.parameters.get('in_hot_standby')
      }),
    )
    expect(reported).toEqual(['off', 'on'])
  })

  it('clones and follows its primary, for which version 14 has other functions than 15', async () => {
    const { primary, replicas } = await oldest()
    await replicas[0]!.rejoinAs(primary)
    await using one = createPool({ driver, connection: replicas[0]!.url, max: 1 })
    const { rows } = await one.query('select pg_is_in_recovery() as standby')
    expect(rows).toEqual([{ standby: true }])
  })

  it('has multirange types, whose values come as texts', async () => {
    const { rows } = await (await pool()).query(`select '{[1,3),[5,7)}'::int4multirange as m`)
    expect(rows).toEqual([{ m: '{[1,3),[5,7)}' }])
  })

  it('bounds a transaction by its timeoutMs without the setting transaction_timeout, which version 17 brought', async () => {
    const it14 = await pool()
    await expect(it14.query('set transaction_timeout = 100')).rejects.toMatchObject({
      code: '42704',
      executed: 'rolled-back',
    })
    const late = it14.transaction(async (tx) => tx.query('select pg_sleep(10)'), { timeoutMs: 100 })
    await expect(late).rejects.toMatchObject({
      name: 'StatementTimeoutError',
      executed: 'rolled-back',
    })
  })

  it('refuses MERGE, which version 15 brought, as an error of the statement and not of the session', async () => {
    const it14 = await pool()
    const merge = it14.query(
      'merge into pg_class using pg_class c on false when matched then do nothing',
    )
    await expect(merge).rejects.toMatchObject({ code: '42601', executed: 'rolled-back' })
    expect(it14.stats().counters).toMatchObject({ destroyed: 0 })
  })
})

// What chance decides, it decides on the newest version.
for (const { driver, make } of DRIVERS) {
  describeDriver(make(), {
    name: `${driver} on PostgreSQL ${OLDEST}`,
    cluster: oldest,
    effort: 0.2,
  })
}

import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { describeDriver } from '@poolhouse/testkit/conformance'
import { expect, test } from 'vitest'
import { sharedCluster } from '../support/servers/shared-cluster.js'
import { type AuditEntry, auditedDriver } from './audited-driver.js'
import { bareDriver } from './bare-driver.js'
import { expectGuideToShow } from './guide.js'

const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })

test('the guide shows the drivers as they are compiled and tested here', async () => {
  await expectGuideToShow('add-a-driver', './bare-driver.ts')
  await expectGuideToShow('add-a-driver', './audited-driver.ts')
})

// A third of the suite, for the time that it takes. All of it passes: leave out `share` to see it.
describeDriver(
  auditedDriver(nodePostgres(), () => {}),
  {
    cluster,
    effort: 0.1,
    share: { of: 3, number: 0 },
  },
)

// A sixth.
describeDriver(bareDriver(), { cluster, effort: 0.1, share: { of: 6, number: 1 } })

test('the driver of the guide records what is sent on every way to the server, and no values', async () => {
  const { primary, user, password, database } = await cluster()
  const { host, port } = primary
  const entries: AuditEntry[] = []
  const driver = auditedDriver(nodePostgres(), (entry) => entries.push(entry))
  const connection = { host, port, user, password, database }
  const pool = createPool({ driver, connection, max: 1 })
  await pool.query('select $1::text', ['a secret'])
  const rows = await collect(pool.stream('select generate_series(1, 2) as n'))
  expect(rows).toEqual([{ n: 1 }, { n: 2 }])
  const pieces = await collect(pool.copyTo('copy (select 3) to stdout'))
  expect(Buffer.concat(pieces).toString()).toBe('3\n')
  await pool.use(async (lease) => {
    const client = lease.raw as { query(text: string): Promise<unknown> }
    await client.query('select 4')
  })
  await pool.close()
  const texts = entries.map(({ text }) => text)
  for (const text of ['select $1::text', 'select generate_series(1, 2) as n', 'select 4']) {
    expect(texts).toContain(text)
  }
  expect(texts).toContain('copy (select 3) to stdout')
  expect(JSON.stringify(entries)).not.toContain('a secret')
  expect(new Set(entries.map((entry) => entry.user))).toEqual(new Set([user]))
})

test('the driver of the guide sends nothing that could not be recorded', async () => {
  const { primary, user, password, database } = await cluster()
  const driver = auditedDriver(nodePostgres(), ({ text }) => {
    if (text.includes('audited')) throw new Error('the disk of the log is full')
  })
  const connection = { host: primary.host, port: primary.port, user, password, database }
  const pool = createPool({ driver, connection })
  await expect(pool.query('create table audited ()')).rejects.toThrow('the disk of the log is full')
  const { rows } = await pool.query<{ n: number }>(
    "select count(*)::int as n from pg_class where relname = 'audi' || 'ted'",
  )
  expect(rows).toEqual([{ n: 0 }])
  await pool.close()
})

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

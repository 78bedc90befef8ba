import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Cluster, shareServerFiles, startCluster } from '../../src/index.js'

const identifier = async ({ primary }: Cluster): Promise<string> => {
  const rows = await primary.sql<{ id: string }>(
    'select system_identifier::text as id from pg_control_system()',
  )
  return rows[0]!.id
}

test('clusters made from shared files have what others have, and an identity of their own', async () => {
  const before = { ...process.env }
  const shared = await shareServerFiles()
  const folder = process.env['POOLHOUSE_TEST_SHARED']!
  expect(folder).not.toBe(before['POOLHOUSE_TEST_SHARED'])
  {
    await using one = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
    await using two = await startCluster({ replicas: 0 })
    expect(await identifier(one)).not.toBe(await identifier(two))
    // The password is that of the role, the replica follows, and what was copied survives a crash.
    await one.primary.sql('create table t as select 1 as n')
    await one.primary.kill()
    const primary = await one.failover()
    expect(await primary.sql('select n from t')).toEqual([{ n: 1 }])
    // Made by initdb, since nothing shared fits.
    await using other = await startCluster({ replicas: 0, database: 'another', auth: 'md5' })
    expect(await other.primary.sql('select current_database() as name')).toEqual([
      { name: 'another' },
    ])
  }
  await shared[Symbol.asyncDispose]()
  expect(existsSync(folder)).toBe(false)
  expect(process.env).toEqual(before)
})

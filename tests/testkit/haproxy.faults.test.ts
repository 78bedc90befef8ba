import { existsSync } from 'node:fs'
import { type Cluster, startCluster, startHaproxy } from '@poolhouse/testkit'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 })
})
afterAll(() => cluster?.stop())

const isReplica = async (url: string): Promise<boolean> => {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query('select pg_is_in_recovery() as it')).rows[0].it
  } finally {
    await client.end()
  }
}

describe('a HAProxy', () => {
  // The first test may have to fetch the package.
  it('passes connections on to the target it points to, and breaks those to the others', async () => {
    await using haproxy = await startHaproxy({ targets: cluster.nodes.map(({ url }) => url) })
    expect(await isReplica(haproxy.url)).toBe(false)
    const client = new Client({ connectionString: haproxy.url })
    const lost = new Promise((resolve) => client.on('error', resolve))
    await client.connect()
    await haproxy.pointTo(1)
    await lost
    expect(await isReplica(haproxy.url)).toBe(true)
    await haproxy.pointTo(undefined)
    await expect(isReplica(haproxy.url)).rejects.toThrow()
    await expect(haproxy.pointTo(2)).rejects.toThrow(/pointTo: target must be from 0 to 1, got 2/)
    expect(await haproxy.admin('show servers state')).toContain('s2')
  }, 180_000)

  it('is gone with its files when it was stopped, twice if need be', async () => {
    const haproxy = await startHaproxy({ targets: [cluster.primary.url] })
    const [pid] = /Pid: (\d+)/.exec(await haproxy.admin('show info'))!.slice(1)
    await haproxy.stop()
    await haproxy.stop()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
  })

  it('that cannot start gives an error with the end of its log', async () => {
    const start = startHaproxy({ targets: [cluster.primary.url], lines: ['nonsense'] })
    await expect(start).rejects.toThrow(/haproxy did not start; end of its log:.*nonsense/s)
  })
})

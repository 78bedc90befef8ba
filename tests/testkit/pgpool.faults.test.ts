import { type Cluster, startCluster, startPgpool } from '@poolhouse/testkit'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
})
afterAll(() => cluster?.stop())

async function ask(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

describe('a Pgpool-II', () => {
  // The first test may have to fetch the package.
  it('knows the primary and the replica behind it, and sends writes to the primary', async () => {
    const targets = cluster.nodes.map(({ url }) => url)
    await using pgpool = await startPgpool({ targets })
    const nodes = (await ask(pgpool.url, 'show pool_nodes')) as { role: string; status: string }[]
    expect(nodes.map(({ role, status }) => [role, status])).toEqual([
      ['primary', 'up'],
      ['standby', 'up'],
    ])
    await ask(pgpool.url, 'create table written (n int)')
    const [row] = await cluster.primary.sql("select to_regclass('written') is not null as there")
    expect(row).toEqual({ there: true })
    const wrong = new URL(pgpool.url)
    wrong.password = 'wrong'
    await expect(ask(wrong.href, 'select 1')).rejects.toThrow(/authentication failed/)
  }, 180_000)

  it('leaves no process behind when it stops, also none that does not end by itself', async () => {
    const pgpool = await startPgpool({ targets: [cluster.primary.url] })
    const rows = (await ask(pgpool.url, 'show pool_processes')) as { pool_pid: string }[]
    const pids = rows.map((row) => Number(row.pool_pid))
    expect(pids.filter(isThere)).toEqual(pids)
    process.kill(pids[0]!, 'SIGSTOP')
    await pgpool.stop()
    // The system may take a moment to clear away what was killed.
    await expect.poll(() => pids.filter(isThere)).toEqual([])
  })

  it('that cannot start gives an error with the end of its log', async () => {
    const settings = { backend_clustering_mode: 'nonsense' }
    await expect(startPgpool({ targets: [cluster.primary.url], settings })).rejects.toThrow(
      /pgpool did not start; end of its log:.*backend_clustering_mode/s,
    )
  })
})

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

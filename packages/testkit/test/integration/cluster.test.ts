import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cluster } from '../../src/cluster/cluster.js'
import type { ClusterNode } from '../../src/cluster/cluster-node.js'
import { startCluster } from '../../src/cluster/start-cluster.js'

async function connect(node: ClusterNode, options: object = {}): Promise<Client> {
  const client = new Client({ connectionString: node.url, ...options })
  client.on('error', () => undefined) // the tests end servers; statements report it
  await client.connect()
  return client
}

/** Connects, asks who we are and closes. */
async function whoAmI(node: ClusterNode, options: object = {}): Promise<string> {
  const client = await connect(node, options)
  const { rows } = await client.query<{ who: string }>('select current_user as who')
  await client.end()
  return rows[0]!.who
}

async function countOf(node: ClusterNode, table: string): Promise<number> {
  const [row] = await node.sql<{ count: number }>(`select count(*)::int as count from ${table}`)
  return row!.count
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (const start = performance.now(); !(await check()); await sleep(5)) {
    if (performance.now() - start > 10_000) throw new Error(`waited in vain for ${what}`)
  }
}

function writtenPosition(node: ClusterNode): Promise<{ lsn: string }[]> {
  return node.sql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
}

async function untilReplayed(replica: ClusterNode, primary: ClusterNode): Promise<void> {
  const [written] = await writtenPosition(primary)
  await until(`node ${replica.name} to replay`, async () => {
    const rows = await replica.sql('select where pg_last_wal_replay_lsn() >= $1', [written!.lsn])
    return rows.length > 0
  })
}

describe('an asynchronous cluster', () => {
  let cluster: Cluster

  beforeAll(async () => {
    const start = performance.now()
    cluster = await startCluster()
    // About 1.5 s alone on two cores; the rest is for the neighbours of this test.
    expect(performance.now() - start).toBeLessThan(15_000)
    await cluster.primary.sql('create table item (id int primary key)')
    await cluster.primary.sql('grant all on item to app')
  })
  afterAll(() => cluster.stop())

  it('has two replicas that stream from the primary and an application role that owns the database', async () => {
    const { primary, replicas } = cluster
    expect(cluster.nodes.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(primary.name).toBe('a')
    const streaming = await primary.sql(
      "select application_name from pg_stat_replication where state = 'streaming' order by 1",
    )
    expect(streaming).toEqual(replicas.map(({ name }) => ({ application_name: name })))
    for (const node of cluster.nodes) expect(await whoAmI(node)).toBe('app')
    const [owner] = await primary.sql(
      "select pg_get_userbyid(datdba) as owner, rolsuper from pg_database, pg_roles where datname = 'app' and rolname = 'app'",
    )
    expect(owner).toEqual({ owner: 'app', rolsuper: false })
  })

  it('lets only the kit in as superuser', async () => {
    const { port } = cluster.primary
    const intruder = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'app' })
    await expect(intruder.connect()).rejects.toThrow(/pg_hba.conf rejects/)
  })

  it('keeps the connections of a frozen node open and silent, and answers after the thaw', async () => {
    const client = await connect(cluster.primary)
    await cluster.primary.freeze()
    let settled = false
    const answer = client.query<{ n: number }>('select 1 as n').finally(() => {
      settled = true
    })
    await sleep(300)
    expect(settled).toBe(false)
    expect(cluster.primary.running).toBe(true)
    await cluster.primary.thaw()
    expect((await answer).rows).toEqual([{ n: 1 }])
    await client.end()
  })

  it('kills a frozen node, which recovers what was committed when it is started again', async () => {
    const { primary } = cluster
    const client = await connect(primary)
    await client.query('insert into item values (-1)')
    await primary.freeze()
    const lost = expect(client.query('select 1')).rejects.toThrow()
    await primary.kill()
    await lost
    expect(primary.running).toBe(false)
    expect(() => cluster.primary).toThrow(/no node of this cluster is a running primary/)
    await primary.start()
    expect(cluster.primary).toBe(primary)
    expect(await primary.sql('select id from item where id = -1')).toHaveLength(1)
  })

  it('hides writes from a replica whose replay is paused, although it has received them', async () => {
    const { primary } = cluster
    const replica = cluster.replicas[0]!
    await replica.follow(primary) // the primary has just been away
    await untilReplayed(replica, primary)
    await replica.pauseReplay()
    await primary.sql('insert into item values (1)')
    const [written] = await writtenPosition(primary)
    await until('the replica to receive the row', async () => {
      const text = 'select where pg_last_wal_receive_lsn() >= $1'
      return (await replica.sql(text, [written!.lsn])).length > 0
    })
    const row = 'select id from item where id = 1'
    expect(await replica.sql(row)).toEqual([])
    await replica.resumeReplay()
    await untilReplayed(replica, primary)
    expect(await replica.sql(row)).toEqual([{ id: 1 }])
  })

  it('replays commits late by the apply delay, until it is set to zero', async () => {
    const { primary } = cluster
    const replica = cluster.replicas[0]!
    await replica.setApplyDelay(700)
    const start = performance.now()
    await primary.sql('insert into item values (2)')
    await until('the delayed row', async () => {
      return (await replica.sql('select from item where id = 2')).length > 0
    })
    expect(performance.now() - start).toBeGreaterThanOrEqual(650) // clocks tick in different steps
    await replica.setApplyDelay(60_000)
    await primary.sql('insert into item values (3)')
    await replica.setApplyDelay(0)
    await untilReplayed(replica, primary)
    expect(await replica.sql('select from item where id = 3')).toHaveLength(1)
  })

  it('hands the role over in a switchover and keeps the old primary as a replica', async () => {
    const old = cluster.primary
    const [next, other] = [cluster.replicas[1]!, cluster.replicas[0]!]
    expect(await cluster.switchover(next)).toBe(next)
    expect(cluster.primary).toBe(next)
    expect(cluster.replicas).toEqual([old, other])
    await next.sql('insert into item values (4)')
    await other.follow(next)
    for (const replica of cluster.replicas) {
      await untilReplayed(replica, next)
      expect(await countOf(replica, 'item')).toBe(await countOf(next, 'item'))
    }
    await expect(cluster.switchover(next)).rejects.toThrow(TypeError)
  })

  it('lets a stale primary come back as a second one and names the newer timeline the primary', async () => {
    const stale = cluster.primary
    await stale.kill()
    const promoted = await cluster.failover()
    expect(promoted.promotedAt).toBeTypeOf('number')
    await stale.start()
    const role = 'select pg_is_in_recovery() as standby'
    expect(await stale.sql(role)).toEqual([{ standby: false }])
    expect(cluster.primary).toBe(promoted)
    await expect(stale.follow(promoted)).rejects.toThrow(/use rejoinAs/)
    await stale.rejoinAs(promoted)
    expect(await stale.sql(role)).toEqual([{ standby: true }])
  })
})

it('loses no acknowledged row of a synchronous cluster when its primary is killed, replaced and rejoins under load', async () => {
  await using cluster = await startCluster({ synchronous: true })
  await cluster.primary.sql('create table item (id int primary key)')
  await cluster.primary.sql('grant all on item to app')
  const acknowledged: number[] = []
  let target: ClusterNode = cluster.primary
  let writing = true
  let nextId = 0

  async function write(): Promise<void> {
    while (writing) {
      const client = await connect(target).catch(() => undefined)
      try {
        while (writing && client) {
          nextId += 1
          const id = nextId
          await client.query('insert into item values ($1)', [id])
          acknowledged.push(id)
        }
      } catch {
        // The primary is gone: once more, on the new primary.
      }
      await client?.end().catch(() => undefined)
      await sleep(2)
    }
  }

  const writers = [write(), write(), write(), write()]
  const old = cluster.primary
  await until('some load', async () => acknowledged.length > 200)
  await old.kill()
  const beforeFailover = acknowledged.length
  target = await cluster.failover()
  await until('writes on the new primary', async () => acknowledged.length > beforeFailover + 200)
  const start = performance.now()
  await old.rejoinAs(target)
  const rejoinMs = performance.now() - start
  const beforeEnd = acknowledged.length
  await until('writes after the rejoin', async () => acknowledged.length > beforeEnd + 100)
  writing = false
  await Promise.all(writers)

  expect(rejoinMs).toBeLessThan(5_000) // about 0.3 s alone
  expect(cluster.replicas).toContain(old)
  for (const node of cluster.nodes) {
    if (node !== target) await untilReplayed(node, target)
    const rows = await node.sql<{ id: number }>('select id from item')
    const stored = new Set(rows.map(({ id }) => id))
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
  }
})

it('asks for the password and for TLS that its own authority vouches for', async () => {
  await using cluster = await startCluster({ replicas: 1, tls: true, auth: 'scram-sha-256' })
  await using stranger = await startCluster({ replicas: 0, tls: true })
  for (const node of cluster.nodes) {
    expect(await whoAmI(node, { ssl: { ca: cluster.ca } })).toBe('app')
    await expect(whoAmI(node)).rejects.toThrow(/no pg_hba.conf entry .* no encryption/)
    await expect(whoAmI(node, { ssl: { ca: stranger.ca } })).rejects.toThrow(/certificate/)
    const wrong = node.url.replace(/:[^:@]+@/, ':wrong@')
    const ssl = { ca: cluster.ca }
    await expect(whoAmI(node, { connectionString: wrong, ssl })).rejects.toMatchObject({
      code: '28P01',
    })
  }
})

it.each(['md5', 'password'] as const)('asks for the password by the method %s', async (auth) => {
  await using cluster = await startCluster({ replicas: 0, auth, database: 'my "own" base%' })
  const { primary } = cluster
  expect(await whoAmI(primary)).toBe('app')
  const wrong = primary.url.replace(/:[^:@]+@/, ':wrong@')
  await expect(whoAmI(primary, { connectionString: wrong })).rejects.toMatchObject({
    code: '28P01',
  })
  const [rule] = await primary.sql(
    "select auth_method from pg_hba_file_rules where 'all' = any(user_name) and address = '127.0.0.1'",
  )
  expect(rule).toEqual({ auth_method: auth })
  const [role] = await primary.sql<{ md5: boolean }>(
    "select rolpassword like 'md5%' as md5 from pg_authid where rolname = 'app'",
  )
  expect(role).toEqual({ md5: auth === 'md5' })
})

it('passes settings on and reports a refused one with the words of the server', async () => {
  await using cluster = await startCluster({
    replicas: 0,
    settings: { work_mem: '5MB', max_connections: 20, log_statement: 'all', autovacuum: false },
  })
  const names = ['work_mem', 'max_connections', 'log_statement', 'autovacuum']
  const rows = await cluster.primary.sql<{ value: string }>(
    'select current_setting(name) as value from unnest($1::text[]) with ordinality as t(name, n) order by n',
    [names],
  )
  expect(rows.map(({ value }) => value)).toEqual(['5MB', '20', 'all', 'off'])
  await expect(startCluster({ replicas: 0, settings: { work_mem: 'plenty' } })).rejects.toThrow(
    /invalid value for parameter "work_mem": "plenty"/,
  )
})

const DEBIAN = '/usr/lib/postgresql/15/bin'

it.skipIf(!existsSync(DEBIAN))('runs the PostgreSQL 15 of a distribution', async () => {
  await using cluster = await startCluster({ replicas: 2, binaries: DEBIAN, synchronous: true })
  const [old] = cluster.nodes
  const [version] = await cluster.primary.sql<{ major: number }>(
    "select current_setting('server_version_num')::int / 10000 as major",
  )
  expect(version).toEqual({ major: 15 })
  await cluster.primary.sql('create table item (id int)')
  await cluster.primary.kill()
  const promoted = await cluster.failover()
  await promoted.sql('insert into item values (1)')
  await old!.rejoinAs(promoted)
  expect(await cluster.switchover(old)).toBe(old)
  expect(await countOf(old!, 'item')).toBe(1)
})

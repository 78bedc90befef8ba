import { createPool } from '@poolhouse/core'
import { systemClock } from '@poolhouse/core/kit'
import { pgAutoFailover, withFailover } from '@poolhouse/failover'
import { type Cluster, startCluster, startFaultProxy } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PG } from '../../support/drivers.js'

/**
 * What the monitor's own extension has, as far as it is asked: the real one is in `tests/managers`.
 */
const MONITOR = [
  'create schema pgautofailover',
  `create table pgautofailover.node (formation text, grp int, nodename text, nodehost text,
     nodeport int, current_group_state text, assigned_group_state text)`,
  `create function pgautofailover.current_state(text, int) returns setof pgautofailover.node
     language sql security definer begin atomic
     select * from pgautofailover.node where formation = $1 and grp = $2 order by nodename; end`,
  'grant usage on schema pgautofailover to app',
]

let cluster: Cluster
let url: string

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
  for (const text of MONITOR) await cluster.primary.sql(text)
  url = cluster.primary.url
})

afterAll(() => cluster?.stop())

async function list(
  ...nodes: readonly (readonly [string, string, string, (number | undefined)?])[]
) {
  await cluster.primary.sql('truncate pgautofailover.node')
  for (const [name, reported, assigned, port = 5432] of nodes) {
    await cluster.primary.sql(
      `insert into pgautofailover.node values ('default', 0, $1, $1 || '.example', $2, $3, $4)`,
      [name, port, reported, assigned],
    )
  }
}

const context = (signal = new AbortController().signal) => ({ signal, clock: systemClock })
const sessions = async () => {
  const rows = await cluster.primary.sql<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = 'poolhouse-discovery'`,
  )
  return rows.map(({ pid }) => pid)
}

describe('the nodes that a monitor lists', () => {
  it.each([
    ['primary', 'primary', 'primary', undefined],
    ['wait_primary', 'primary', 'primary', undefined],
    ['single', 'single', 'primary', undefined],
    ['secondary', 'secondary', 'replica', undefined],
    ['catchingup', 'secondary', 'replica', undefined],
    ['secondary', 'prepare_promotion', undefined, undefined],
    ['primary', 'demote_timeout', undefined, undefined],
    ['something_new', 'primary', undefined, undefined],
    ['secondary', 'wait_maintenance', undefined, 'in maintenance'],
    ['maintenance', 'maintenance', undefined, 'in maintenance'],
    ['maintenance', 'catchingup', undefined, 'in maintenance'],
  ])(
    'on their way from %s to %s are hinted to be %s',
    async (reported, assigned, role, noReads) => {
      await list(['a', reported, assigned, 6543])
      const abort = new AbortController()
      const { nodes } = await pgAutoFailover({ monitor: url }).next(context(abort.signal))
      expect(nodes).toEqual([{ host: 'a.example', port: 6543, name: 'a', role, noReads }])
      abort.abort()
    },
  )

  it('are those of the formation and group asked for, without any that are being dropped', async () => {
    await list(['a', 'primary', 'primary'], ['b', 'secondary', 'dropped'])
    await cluster.primary.sql(
      `insert into pgautofailover.node values ('blue', 2, 'c', 'c.example', 5432, 'single', 'single')`,
    )
    const namesOf = async (more: object) => {
      const abort = new AbortController()
      const source = pgAutoFailover({ monitor: url, ...more })
      const { nodes } = await source.next(context(abort.signal))
      abort.abort()
      return nodes.map(({ name }) => name)
    }
    expect(await namesOf({})).toEqual(['a'])
    expect(await namesOf({ formation: 'blue', group: 2 })).toEqual(['c'])
    expect(await namesOf({ group: 1 })).toEqual([])
  })
})

describe('the session to the monitor', () => {
  it('is one, stays open, and ends with the signal', async () => {
    await list(['a', 'primary', 'primary'])
    const source = pgAutoFailover({ monitor: url })
    const abort = new AbortController()
    await source.next(context(abort.signal))
    await source.next(context(abort.signal))
    await expect.poll(sessions).toHaveLength(1)
    abort.abort()
    await expect.poll(sessions).toHaveLength(0)
    // A discovery may be asked again by another pool.
    const again = new AbortController()
    expect((await source.next(context(again.signal))).nodes).toHaveLength(1)
    again.abort()
  })

  it('is replaced when it is lost, and when the monitor is silent for too long', async () => {
    await list(['a', 'primary', 'primary'])
    await using proxy = await startFaultProxy(url)
    const source = pgAutoFailover({ monitor: proxy.url(), timeoutMs: 300 })
    const abort = new AbortController()
    await source.next(context(abort.signal))
    proxy.blackHole()
    await expect(source.next(context(abort.signal))).rejects.toThrow(/no answer within 300 ms/)
    await proxy.heal()
    expect((await source.next(context(abort.signal))).nodes).toHaveLength(1)
    await cluster.primary.sql('select pg_terminate_backend($1)', [(await sessions())[0]])
    await expect
      .poll(() =>
        source.next(context(abort.signal)).then(
          ({ nodes }) => nodes.length,
          () => 0,
        ),
      )
      .toBe(1)
    abort.abort()
  })

  it('comes from a pool of the application, outside of its max', async () => {
    await list(['a', 'primary', 'primary'])
    await using monitor = createPool({ driver: PG.make(), connection: url, max: 1 })
    const source = pgAutoFailover({ monitor })
    expect((await source.next(context())).nodes).toHaveLength(1)
    expect(monitor.stats()).toMatchObject({ leased: 0 })
  })
})

it('withFailover takes its nodes, and closes the session with the pool', async () => {
  await cluster.primary.sql('truncate pgautofailover.node')
  await cluster.primary.sql(
    `insert into pgautofailover.node values ('default', 0, 'a', '127.0.0.1', $1, 'primary', 'primary')`,
    [cluster.primary.port],
  )
  const driver = PG.make()
  const pool = withFailover({
    discover: pgAutoFailover({ monitor: `${url}?sslmode=prefer` }),
    pool: ({ host, port, name }) =>
      createPool({
        driver,
        connection: { host, port, user: 'app', database: cluster.database },
        name: name!,
      }),
  })
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  expect(pool.name).toMatch(/^failover\(pgAutoFailover\(127\.0\.0\.1:\d+\/app, default\)\)$/)
  await pool.close()
  await expect.poll(sessions).toHaveLength(0)
})

it.each<[unknown, RegExp]>([
  [{}, /monitor must be the monitor's connection URL or a pool made by createPool, got undefined/],
  [{ monitor: 'http://monitor' }, /monitor/],
  [{ monitor: 'postgres://u:secret@a,b/x' }, /pgAutoFailover: monitor.* 2 hosts/],
  [{ monitor: {} }, /monitor must be/],
  [{ monitor: 'postgres://m/x', formation: '' }, /formation/],
  [{ monitor: 'postgres://m/x', group: -1 }, /group/],
  [{ monitor: 'postgres://m/x', timeoutMs: 0 }, /timeoutMs/],
  [{ monitor: 'postgres://m/x', timeout: 1 }, /unknown option "timeout"/],
])('pgAutoFailover refuses %j, and shows no password', (options, message) => {
  let error: unknown
  try {
    pgAutoFailover(options as never)
  } catch (caught) {
    error = caught
  }
  expect(String(error)).toMatch(message)
  expect(String(error)).not.toContain('secret')
})

import { InDoubtError, type Pool, type PoolEvents } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { runWith } from '@poolhouse/read-replicas'
import { type Cluster, type FaultProxy, startCluster, startFaultProxy } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster
let proxy: FaultProxy

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, synchronous: false })
  await cluster.primary.sql('create table notes(id int)')
  await cluster.primary.sql(`grant all on notes to ${cluster.user}`)
  proxy = await startFaultProxy(cluster.nodes[0]!.url)
})

afterAll(async () => {
  await proxy?.close()
  await cluster?.stop()
})

/** The in-doubt events that a view hears. */
function doubtsOf(view: Pool): PoolEvents['in-doubt'][] {
  const heard: PoolEvents['in-doubt'][] = []
  view.on('in-doubt', (event) => void heard.push(event))
  return heard
}

describe.each(DRIVERS)('views of a manager over $driver', ({ driver, make }) => {
  const nodes = (): string[] => cluster.nodes.map(({ url }) => url)
  const manage = (urls = nodes()) =>
    createManager({
      drivers: { only: make() },
      databases: { app: { nodes: urls, failover: { probe: { intervalMs: 250 } } } },
      budget: { perServer: 20 },
      tenants: {
        resolve: (id) =>
          id === 'scoped' ? { settings: { 'app.tenant': id } } : { schema: 'public' },
      },
    })

  it('S47, S48: a session of a named database sees its own writes on a replica that is behind, also by its token and by runWith', async () => {
    await using manager = manage()
    await using elsewhere = manage()
    const app = manager.database('app')
    const [replica] = cluster.replicas
    const id = DRIVERS.findIndex((each) => each.driver === driver) + 1
    await app.query('select 1')
    await replica!.pauseReplay()
    const session = app.session()
    await session.query('insert into notes values ($1)', [id])
    const asked = 'select count(*)::int as n from notes where id = $1'
    const seen = async (pool: Pool): Promise<unknown> =>
      (await pool.query<{ n: number }>(asked, [id])).rows[0]?.n
    expect(await seen(session.reader())).toBe(1)
    expect(session.hasWritten).toBe(true)
    const token = await session.freshToken()
    expect(await seen(elsewhere.database('app').session(token).reader())).toBe(1)
    const ambient = app.session(token)
    expect(
      await runWith({ intent: 'read', session: ambient }, () => seen(elsewhere.database('app'))),
    ).toBeTypeOf('number')
    expect(await runWith({ intent: 'read', session: ambient }, () => seen(app))).toBe(1)
    await replica!.resumeReplay()
    const { node } = await app.session().reader({ maxStalenessMs: 60_000 }).query('select 1')
    expect(nodes().some((url) => url.includes(node!))).toBe(true)
  }, 60_000)

  it('S56: a switchover of a named database holds its work and that of its tenants, and costs no call', async () => {
    await using manager = manage()
    const app = manager.database('app')
    const pools: Pool[] = [app, manager.tenant('one'), manager.tenant('scoped')]
    await Promise.all(pools.map((pool) => pool.query('select 1')))
    let isRunning = true
    let answers = 0
    const work = pools.map(async (pool) => {
      while (isRunning) {
        await pool.query('insert into notes values (0)')
        answers++
      }
    })
    await expect.poll(() => answers).toBeGreaterThan(10)
    const target = cluster.replicas[0]!
    const moved = await app.switchover(() => cluster.switchover(target), { timeoutMs: 60_000 })
    expect(moved.name).toBe(target.name)
    const then = answers
    await expect.poll(() => answers).toBeGreaterThan(then + 10)
    isRunning = false
    await Promise.all(work)
    expect(app.topology.current.primary?.endpoint.port).toBe(target.port)
  }, 120_000)

  it('drains a replica of a named database, and takes it back', async () => {
    await using manager = manage()
    const app = manager.database('app')
    const id = `127.0.0.1:${cluster.replicas[0]!.port}`
    const stateOf = (): string | undefined =>
      app.topology.current.nodes.find((node) => node.id === id)?.state
    await app.query('select 1')
    await expect.poll(stateOf, { timeout: 10_000 }).toBe('replica')
    await app.drain(id)
    expect(stateOf()).toBe('draining')
    const { node } = await app.reader({ maxStalenessMs: 60_000 }).query('select 1')
    expect(node).not.toBe(id)
    app.undrain(id)
    await expect.poll(stateOf, { timeout: 10_000 }).toBe('replica')
    expect(() => app.acceptSystem('1')).toThrow(RangeError)
  }, 60_000)

  it('S75: whose call is in doubt hears of it, on its reader too, no other does, and it is resolved', async () => {
    // The proxy stands before the first node, whichever role the tests above have left it in.
    if (cluster.primary !== cluster.nodes[0]) await cluster.switchover(cluster.nodes[0])
    await using manager = manage([proxy.url(), cluster.nodes[1]!.url])
    const views = ['one', 'other', 'scoped'].map((id) => manager.tenant(id))
    const [one, other, scoped] = views as [(typeof views)[0], (typeof views)[0], (typeof views)[0]]
    await Promise.all(views.map((view) => view.query('select 1')))
    const heard = [one, one.reader(), other, scoped, manager.database('app')].map(doubtsOf)
    const insert = (view: Pool): Promise<unknown> =>
      view
        .transaction((tx) => tx.query('insert into notes values (7)'))
        .catch((error: unknown) => error)
    proxy.dropCommitAnswer()
    const error = await insert(one)
    expect(error).toBeInstanceOf(InDoubtError)
    await expect.poll(() => heard.map(({ length }) => length)).toEqual([1, 1, 0, 0, 0])
    expect(heard[0]![0]).toMatchObject({ error, node: `127.0.0.1:${new URL(proxy.url()).port}` })
    expect(await (error as InDoubtError).resolve()).toBe('committed')
    proxy.dropCommitAnswer()
    const second = await insert(scoped)
    expect(second).toBeInstanceOf(InDoubtError)
    await expect.poll(() => heard.map(({ length }) => length)).toEqual([1, 1, 0, 1, 1])
  }, 60_000)
})

import {
  ConnectError,
  type ConnectionPool,
  createPool,
  DatabaseError,
  NoPrimaryError,
  NoSuitableNodeError,
  StatementTimeoutError,
  type Topology,
} from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import {
  startFaultProxy,
  startWireServer,
  type WireRole,
  type WireServer,
} from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { Stopwatch } from '../../support/clocks/stopwatch.js'
import { DRIVERS } from '../../support/drivers.js'
import { until } from '../../support/until.js'
import { failoverOver, inserts, promote, startServers } from '../support/wire-servers.js'

/**
 * What a call asks for, in the words of libpq and Npgsql; the roles of the nodes; and which of them
 * serves it, undefined for none.
 */
const MATRIX: readonly (readonly [
  intent: 'primary' | 'prefer-standby' | 'standby',
  roles: readonly WireRole[],
  served: number | undefined,
])[] = [
  ['primary', ['primary', 'replica'], 0],
  ['primary', ['replica', 'primary'], 1],
  ['primary', ['primary-read-only', 'replica'], undefined],
  ['primary', ['replica', 'replica'], undefined],
  ['prefer-standby', ['primary', 'replica'], 1],
  ['prefer-standby', ['replica', 'primary'], 0],
  ['prefer-standby', ['primary'], 0],
  ['standby', ['primary', 'replica'], 1],
  ['standby', ['replica', 'primary'], 0],
  ['standby', ['primary-read-only', 'replica'], 1],
]

describe.each(DRIVERS)('which node gets the work over $driver', ({ make }) => {
  function nodesOf(urls: Record<string, string>, options: object = {}): ConnectionPool[] {
    return Object.entries(urls).map(([name, connection]) =>
      createPool({ driver: make(), connection, name, max: 4, ...options }),
    )
  }

  function topologyOf(urls: Record<string, string>): [FailoverPool, Topology] {
    const primary = withFailover(nodesOf(urls), { probe: { intervalMs: 250 } })
    return [primary, primary.topology]
  }

  it.each(MATRIX)('S01, S02: %s with %j: number %s', async (intent, roles, served) => {
    const servers: WireServer[] = []
    for (const role of roles) {
      const server = await startWireServer()
      server.setRole(role)
      servers.push(server)
    }
    const urls = Object.fromEntries(servers.map(({ url }, index) => [`n${index}`, url]))
    const primary = withFailover(nodesOf(urls), {
      probe: { intervalMs: 250 },
      hold: { timeoutMs: served === undefined ? 1_000 : 10_000 },
    })
    const db = withReplicas(primary, primary.topology, {
      primaryShare: intent === 'standby' ? 0 : 0.3,
    })
    try {
      // The positions of scripted servers say nothing about their lag.
      const pool =
        intent === 'primary' ? db : db.reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
      if (intent !== 'primary')
        await until(
          () =>
            primary.topology.current.replicas.length ===
            roles.filter((role) => role === 'replica').length,
        )
      const work = pool.query('select 1')
      if (served === undefined) {
        const error = await work.catch((caught: unknown) => caught)
        expect(error).toBeInstanceOf(NoPrimaryError)
        // Every node with its state and the reason.
        for (const [index, role] of roles.entries()) {
          expect((error as Error).message).toContain(`"n${index}" ${role}`)
        }
      } else {
        expect(await work).toMatchObject({ node: `n${served}` })
      }
    } finally {
      await db.close({ timeoutMs: 0 })
      await Promise.all(servers.map((server) => server.close()))
    }
  })

  it('S02: a read that only replicas may serve is refused within its deadline when there are only primaries', async () => {
    await using a = await startWireServer()
    const primary = withFailover(nodesOf({ a: a.url }), { probe: { intervalMs: 250 } })
    await using b = await startWireServer()
    await using db = withReplicas(primary, nodesOf({ b: b.url }), { primaryShare: 0 })
    b.refuse()
    b.dropAll()
    await db.query('select 1')
    using watch = new Stopwatch()
    const read = db.reader().query('select 1', [], { timeoutMs: 500 })
    await expect(read).rejects.toBeInstanceOf(NoSuitableNodeError)
    expect(watch.elapsedMs).toBeLessThan(750)
  })

  it('S68: when the last replica dies its reads go to the primary, or are refused if that is not allowed', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    const fresh = { maxStalenessMs: Number.POSITIVE_INFINITY }
    const urls = { a: a.url, b: b.url }
    await using loose = withReplicas(...topologyOf(urls), fresh)
    await using strict = withReplicas(...topologyOf(urls), { ...fresh, primaryShare: 0 })
    for (const db of [loose, strict]) {
      await db.query('select 1')
      await until(() =>
        db
          .explainRoute('select 1', { intent: 'read' })
          .candidates.some(({ node, eligible }) => node === 'b' && eligible),
      )
      expect(await db.reader().query('select 1')).toMatchObject({ node: 'b' })
    }
    b.refuse()
    b.dropAll()
    expect(await loose.reader().query('select 1')).toMatchObject({ node: 'a' })
    await expect(strict.reader().query('select 1', [], { timeoutMs: 500 })).rejects.toBeInstanceOf(
      NoSuitableNodeError,
    )
    expect(await strict.query('select 1')).toMatchObject({ node: 'a' })
  })

  it('S03: when every node refuses the connection, the error says why for each of them', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    a.refuse()
    b.refuse()
    await using pool = failoverOver(make(), { a: a.url, b: b.url }, { hold: { timeoutMs: 1_000 } })
    const error = await pool.query('select 1').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ name: 'NoPrimaryError', executed: 'no' })
    expect((error as Error).message).toMatch(
      /"a" unreachable \(.*ECONNREFUSED.*"b" unreachable \(/s,
    )
  })

  it('S03: when every node refuses with the same SQLSTATE, the call rejects with that error', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    const refusal = { code: '3D000', message: 'database "wire" does not exist' }
    a.failConnections(refusal)
    b.failConnections(refusal)
    await using pool = failoverOver(make(), { a: a.url, b: b.url })
    const error = await pool.query('select 1').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConnectError)
    expect(error).toMatchObject({ sqlState: '3D000', fatal: true, executed: 'no' })
  })

  it('S04, S05: a first node that refuses connections or never answers does not delay the second one by a time-out', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using hole = await startFaultProxy(b.url)
    hole.blackHole()
    await using pool = failoverOver(make(), {
      refusing: 'postgres://wire@127.0.0.1:1/wire',
      swallowing: hole.url(),
      a: a.url,
    })
    using watch = new Stopwatch()
    expect(await pool.query('select 1')).toMatchObject({ node: 'a' })
    expect(watch.elapsedMs).toBeLessThan(1_000)
  })

  it('S08: a promotion that no probe has seen yet is found by the next call', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    a.setRole('replica')
    await using pool = failoverOver(
      make(),
      { a: a.url, b: b.url },
      { probe: { intervalMs: 60_000 } },
    )
    await until(() => pool.topology.current.replicas.length === 2)
    promote(b)
    using watch = new Stopwatch()
    expect(await pool.query('insert into t values (1)')).toMatchObject({ node: 'b' })
    expect(watch.elapsedMs).toBeLessThan(1_000)
  })

  it('S11, S69: 57P02 on a busy connection costs only that node its connections', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failoverOver(make(), { a: a.url, b: b.url })
    await pool.query('select 1')
    const [first, second] = pool.topology.current.nodes.map((node) => node.pool)
    const idle = await Promise.all([first!.acquire(), first!.acquire()])
    const other = await second!.acquire()
    for (const lease of [...idle, other]) lease.release()
    const untouched = second!.stats().counters.destroyed
    a.onStatement = (text) => {
      if (!text.startsWith('insert')) return undefined
      a.refuse()
      a.kick('57P02')
      return { hang: true }
    }
    await expect(pool.query('insert into t values (1)')).rejects.toMatchObject({
      executed: 'unknown',
    })
    await until(() => first!.stats().total === 0)
    expect(second!.stats().counters.destroyed).toBe(untouched)
    promote(b)
    expect(await pool.query('insert into t values (2)')).toMatchObject({ node: 'b' })
    expect(inserts(b)).toEqual(['insert into t values (2)'])
  })

  it.each([
    ['S12', '42703', 'an undefined column'],
    ['S12', 'XX000', 'an internal error that a function raises'],
    ['F26', '42501', 'a right that is gone'],
    ['F28', '53100', 'a disk that is full'],
  ])(
    '%s: %s, %s, is the caller’s alone: the node stays primary and its connection is kept',
    async (_number, code) => {
      await using servers = await startServers()
      const { a, b } = servers
      await using pool = failoverOver(make(), { a: a.url, b: b.url })
      await pool.query('select 1')
      const told: string[] = []
      pool.on('topology', ({ reason }) => told.push(reason))
      a.onStatement = (text) =>
        text === 'select wrong' ? { error: { code, message: 'no' } } : undefined
      const error = await pool.query('select wrong').catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(DatabaseError)
      expect(error).toMatchObject({ code, executed: 'rolled-back' })
      expect(await pool.query('select 2')).toMatchObject({ node: 'a' })
      const { counters } = pool.topology.current.primary!.pool.stats()
      expect(counters).toMatchObject({ created: 1, destroyed: 0 })
      expect(told).toEqual([])
    },
  )

  it('S13: a statement past its deadline is cancelled and its connection kept, or destroyed if the server is silent too', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failoverOver(make(), { a: a.url, b: b.url })
    await pool.query('select 1')
    const node = pool.topology.current.primary!.pool
    a.onStatement = (text) => (text === 'select slow' ? { delayMs: 30_000 } : undefined)
    const slow = (): Promise<unknown> => pool.query('select slow', [], { timeoutMs: 200 })
    await expect(slow()).rejects.toBeInstanceOf(StatementTimeoutError)
    await until(() => node.stats().idle === 1)
    expect(node.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    a.onStatement = (text) => {
      if (text !== 'select slow') return undefined
      a.hang()
      return { hang: true }
    }
    await expect(slow()).rejects.toMatchObject({ executed: 'unknown' })
    await until(() => pool.topology.current.primary === undefined)
    expect(node.stats()).toMatchObject({ total: 0, leased: 0 })
  })

  it('S16: while a node is dead only probes wait for it, no call does', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using line = await startFaultProxy(b.url)
    await using pool = failoverOver(make(), { a: a.url, b: line.url() })
    await pool.query('select 1')
    line.blackHole()
    await until(() => pool.topology.current.nodes[1]?.state === 'unreachable')
    for (let n = 0; n < 30; n++) {
      using watch = new Stopwatch()
      expect(await pool.query('select 1')).toMatchObject({ node: 'a' })
      expect(watch.elapsedMs).toBeLessThan(250)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })

  it('F24: a server that is full (53300) is not dead: callers wait for the existing connections', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failoverOver(make(), { a: a.url, b: b.url })
    await pool.query('select 1')
    const told: string[] = []
    pool.on('topology', ({ reason }) => told.push(reason))
    a.failConnections({ code: '53300', message: 'sorry, too many clients already' })
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => pool.query(`select ${n}`)))
    expect(answers.map(({ node }) => node)).toEqual(['a', 'a', 'a', 'a', 'a'])
    expect(pool.topology.current.primary!.pool.stats().counters.created).toBe(1)
    expect(told).toEqual([])
  })

  it('S66: a server of another system behind a known address gets no work, and is reported', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failoverOver(make(), { a: a.url, b: b.url }, { hold: { timeoutMs: 1_000 } })
    await pool.query('select 1')
    const heard: unknown[] = []
    pool.on('foreign', (event) => heard.push(event))
    a.state.systemId = '7000000000000000009'
    await until(() => pool.topology.current.nodes[0]?.state === 'foreign')
    await expect(pool.query('insert into t values (1)')).rejects.toBeInstanceOf(NoPrimaryError)
    expect(inserts(a)).toEqual([])
    expect(heard).toMatchObject([{ node: 'a' }])
  })
})

import { AuthenticationError, DatabaseError, InDoubtError } from '@poolhouse/core'
import type { FailoverOptions, FailoverPool } from '@poolhouse/failover'
import { startFaultProxy, startWireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { Stopwatch } from '../../support/clocks/stopwatch.js'
import { DRIVERS } from '../../support/drivers.js'
import { until } from '../../support/until.js'
import { failoverOver, inserts, promote, startServers } from '../support/wire-servers.js'

describe.each(DRIVERS)('roles reported over the wire to $driver', ({ make }) => {
  const failover = (urls: Record<string, string>, options?: FailoverOptions): FailoverPool =>
    failoverOver(make(), urls, options)

  it('S06, S63: a promoted replica gets the work on its existing connections', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url })
    await pool.query('insert into t values (1)')
    const warm = await pool.topology.current.replicas[0]?.pool.acquire()
    warm?.release()
    const { connections } = b
    a.refuse()
    a.dropAll()
    await until(() => pool.topology.current.primary === undefined)
    promote(b)
    expect(await pool.query('insert into t values (2)')).toMatchObject({ node: 'b' })
    expect(b.connections).toBe(connections)
    expect(inserts(b)).toEqual(['insert into t values (2)'])
  })

  it('F27, S70: a server demoted without closing its sessions refuses one write, which the new primary then gets', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url }, { probe: { intervalMs: 60_000 } })
    await pool.query('insert into t values (1)')
    a.setRole('replica')
    promote(b)
    const results = await Promise.all(
      [2, 3, 4].map((n) => pool.query(`insert into t values (${n})`)),
    )
    expect(results.map(({ node }) => node)).toEqual(['b', 'b', 'b'])
    expect(inserts(b).sort()).toEqual([2, 3, 4].map((n) => `insert into t values (${n})`))
    const before = inserts(a).length
    await pool.query('insert into t values (5)')
    expect(inserts(a)).toHaveLength(before)
  })

  it('F27: a primary that turned read-only is verified, and its refusal reaches the caller', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url }, { hold: { timeoutMs: 400 } })
    await pool.query('insert into t values (1)')
    a.setRole('primary-read-only')
    await expect(pool.query('insert into t values (2)')).rejects.toThrow(
      /"a" primary-read-only \(primary on timeline 1, but default_transaction_read_only is on\)/,
    )
  })

  it('S71: 25006 in a READ ONLY transaction of the caller reaches the caller', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url })
    const work = pool.transaction((tx) => tx.query('insert into t values (1)'), { readOnly: true })
    await expect(work).rejects.toBeInstanceOf(DatabaseError)
    expect(pool.topology.current.primary?.id).toBe('a')
  })

  it('S10: a wrong password rejects the call at once', async () => {
    const code = '28P01'
    await using a = await startWireServer({ auth: { reject: { code, message: 'wrong password' } } })
    await using pool = failover({ a: a.url })
    await expect(pool.query('select 1')).rejects.toBeInstanceOf(AuthenticationError)
    expect(pool.topology.current.nodes[0]?.state).toBe('unknown')
  })

  it('F08, F10: after a crash of all backends calls wait until the server has recovered', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url })
    await pool.query('insert into t values (1)')
    a.failConnections({ code: '57P03', message: 'the database system is in recovery mode' })
    a.kick('57P02')
    await until(() => pool.topology.current.nodes[0]?.state === 'starting')
    const held = pool.query('insert into t values (2)')
    await until(() => pool.stats().pending === 1)
    a.failConnections(undefined)
    expect(await held).toMatchObject({ node: 'a' })
    expect(inserts(a)).toEqual(['insert into t values (1)', 'insert into t values (2)'])
  })

  it('S81: an insert whose answer is lost is in doubt and never sent again', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url })
    a.onStatement = (text) => (text.startsWith('insert') ? { reset: true } : undefined)
    const heard: unknown[] = []
    pool.on('in-doubt', (event) => heard.push(event))
    await expect(pool.query('insert into t values (1)')).rejects.toBeInstanceOf(InDoubtError)
    await pool.query('select 1')
    expect(inserts(a)).toHaveLength(1)
    expect(heard).toMatchObject([{ node: 'a' }])
  })

  it('S65: two primaries on one timeline get no work', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using pool = failover({ a: a.url, b: b.url }, { hold: false })
    await pool.query('insert into t values (1)')
    const heard: unknown[] = []
    pool.on('split-brain', (event) => heard.push(event))
    b.setRole('primary')
    await until(() => pool.topology.current.primary === undefined)
    await expect(pool.query('insert into t values (2)')).rejects.toThrow(/split brain/)
    expect(heard).toMatchObject([{ nodes: ['a', 'b'], timeline: 1 }])
    expect([...inserts(a), ...inserts(b)]).toEqual(['insert into t values (1)'])
  })

  it('F19: a line with 150 ms each way makes no node dead', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using proxy = await startFaultProxy(a.url)
    await using pool = failover({ a: proxy.url(), b: b.url })
    await pool.query('insert into t values (1)')
    const told: string[] = []
    pool.on('topology', ({ reason }) => told.push(reason))
    proxy.delay(150)
    for (let n = 2; n < 6; n++) await pool.query(`insert into t values (${n})`)
    // Its session is lost too: opening one now takes longer than a probe may.
    proxy.reset()
    await until(() => pool.stats().total === 0)
    expect(await pool.query('select 1')).toMatchObject({ node: 'a' })
    expect(pool.topology.current.primary?.id).toBe('a')
    expect(told.length).toBeLessThanOrEqual(2)
  })

  it('F15: a primary behind a black hole is declared dead in time, and its successor takes over', async () => {
    await using servers = await startServers()
    const { a, b } = servers
    await using proxy = await startFaultProxy(a.url)
    await using pool = failover({ a: proxy.url(), b: b.url })
    await pool.query('insert into t values (1)')
    proxy.blackHole()
    const lost = pool.query('insert into t values (2)')
    using watch = new Stopwatch()
    await expect(lost).rejects.toBeInstanceOf(InDoubtError)
    expect(watch.elapsedMs).toBeLessThan(3_000)
    promote(b)
    expect(await pool.query('insert into t values (3)')).toMatchObject({ node: 'b' })
    await proxy.heal()
    await until(() => pool.topology.current.nodes[0]?.state === 'fenced')
    expect(await pool.query('insert into t values (4)')).toMatchObject({ node: 'b' })
    expect(inserts(a)).not.toContain('insert into t values (4)')
  })
})

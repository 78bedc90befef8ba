import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBridge } from '../open-bridge.js'
import { failure, openSession, untilRunning, untilSocketsTo } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

describe('cancel', () => {
  it('ends the running statement of this session only, and the session goes on', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await using bystander = await openSession(cluster, cluster.primary)
    const innocent = bystander.query('select pg_sleep(0.3), 1 as n')
    const running = failure(session.query('select pg_sleep(60)'))
    await untilRunning(cluster, session, 'select pg_sleep(60)')
    await session.connection.cancel(5_000)
    expect(await running).toMatchObject({ code: '57014', executed: 'rolled-back' })
    expect(session.connection.transactionStatus()).toBe('idle')
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect((await innocent).rows).toMatchObject([{ n: 1 }])
  })

  it('settles so late that the next statement is never hit', async () => {
    await using session = await openSession(cluster, cluster.primary)
    for (let round = 0; round < 40; round++) {
      const first = session.query('select 1').catch(() => {})
      await session.connection.cancel(5_000)
      await first
      // A signal that reaches an idle server process is ignored.
      expect((await session.query('select 2 as n')).rows).toEqual([{ n: 2 }])
    }
  })

  it('rejects at its deadline when the server does not close the socket, and destroys it', async () => {
    const bridge = await openBridge(cluster.primary.port)
    try {
      await using session = await openSession(cluster, bridge)
      bridge.deaf = true
      const error = await failure(session.connection.cancel(60))
      expect(error.message).toMatch(/^the cancel request failed: it took longer than 60 ms/)
      await untilSocketsTo(bridge.port, 1)
    } finally {
      await bridge.close()
    }
  })

  it('rejects when the server accepts no more connections', async () => {
    const bridge = await openBridge(cluster.primary.port)
    try {
      await using session = await openSession(cluster, bridge)
      bridge.server.close()
      const error = await failure(session.connection.cancel(5_000))
      expect(error.message).toMatch(/^the cancel request failed: .*ECONNREFUSED/)
      expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    } finally {
      await bridge.close()
    }
  })

  it('does nothing when the session is over', async () => {
    await using session = await openSession(cluster, cluster.primary)
    session.connection.destroy('gone')
    await session.heard.over
    await session.connection.cancel(5_000)
  })
})

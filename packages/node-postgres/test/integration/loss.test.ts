import { ConnectionLostError, DatabaseError } from '@poolhouse/core'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, openSession, terminate, untilRunning, untilSocketsTo } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

const SLEEP = 'select pg_sleep(60)'

describe('a session that the server terminates', () => {
  it('ends once while it is idle, with the error of the server as the reason', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await terminate(cluster, session)
    const reason = await session.heard.over
    expect(reason).toBeInstanceOf(DatabaseError)
    expect(reason).toMatchObject({ code: '57P01', severity: 'FATAL' })
    session.connection.destroy('too late')
    expect(await failure(session.query('select 1'))).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'no',
      sqlState: '57P01',
      retryable: true,
    })
    expect(session.heard.closed).toHaveLength(1)
    expect(session.connection.transactionStatus()).toBe('unknown')
  })

  it('fails the running statement with executed "unknown" and waiting ones with "no"', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const settled: string[] = []
    const track = (name: string, promise: Promise<unknown>) =>
      failure<ConnectionLostError>(promise).finally(() => settled.push(name))
    const running = track('running', session.query(SLEEP))
    const queued = track('queued', session.query('select 1'))
    await untilRunning(cluster, session, SLEEP)
    await terminate(cluster, session)
    expect(await running).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'unknown',
      retryable: false,
      sqlState: '57P01',
      cause: { code: '57P01', routine: 'ProcessInterrupts' },
    })
    expect(await queued).toMatchObject({ executed: 'no', sqlState: '57P01' })
    expect(await session.heard.over).toMatchObject({ code: '57P01' })
    expect(settled).toEqual(['running', 'queued'])
    expect(session.heard.closed).toHaveLength(1)
    expect(session.connection.inFlight).toBe(0)
  })
})

describe('destroy', () => {
  it('ends the session at once and settles in a later tick', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    const events: string[] = []
    const running = failure(session.query(SLEEP)).then((error) => {
      events.push('running')
      return error
    })
    const queued = failure(session.query('select 1'))
    await untilRunning(cluster, session, SLEEP)
    const reason = new Error('enough')
    connection.destroy(reason)
    connection.destroy(new Error('more than enough'))
    events.push('destroyed')
    expect(await running).toMatchObject({ executed: 'unknown', cause: reason })
    expect(await queued).toMatchObject({ executed: 'no', cause: reason })
    expect(events).toEqual(['destroyed', 'running'])
    expect(session.heard.closed).toEqual([reason])
    const late = failure(session.query('select 1'))
    expect(await late).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  })

  it('called in done drops the messages that came in the same packet', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await new Promise<void>((resolve) => {
      session.connection.run({ text: 'select 1' }, () => {
        session.connection.destroy('from done')
        resolve()
      })
    })
    expect(await session.heard.over).toBe('from done')
    expect(session.heard.closed).toHaveLength(1)
  })
})

describe('close', () => {
  it('sends Terminate and resolves when the session is over', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { backendPid } = session.connection.info
    await Promise.all([session.connection.close(5_000), session.connection.close(5_000)])
    expect(session.heard.closed).toEqual(['it was closed'])
    await untilSocketsTo(cluster.primary.port, 0)
    await session.connection.close(5_000)
    // Only the end of the server process can be seen from here.
    const rows = await cluster.primary.sql('select 1 from pg_stat_activity where pid = $1', [
      backendPid,
    ])
    expect(rows).toEqual([])
  })

  it('lets the running statement finish and does not start waiting ones', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const running = session.query('select 1 as n, pg_sleep(0.1)')
    const queued = failure(session.query('select 2'))
    await session.connection.close(5_000)
    expect((await running).rows).toMatchObject([{ n: 1 }])
    expect(await queued).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  })

  it('destroys the session at its deadline', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const running = failure(session.query(SLEEP))
    await untilRunning(cluster, session, SLEEP)
    await session.connection.close(50)
    expect(await running).toMatchObject({ executed: 'unknown' })
    expect(session.heard.closed).toEqual(['it did not close within 50 ms'])
  })
})

describe('ref and unref', () => {
  it('decide whether the socket keeps the process alive', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const active = () =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
    const before = active()
    session.connection.unref()
    expect(active()).toBe(before - 1)
    session.connection.ref()
    expect(active()).toBe(before)
  })
})

describe('a server that stops', () => {
  it('ends its sessions with its last error, and refuses new ones', async () => {
    const other = await startCluster({ replicas: 0 })
    try {
      const node = other.primary
      await using session = await openSession(other, node)
      await node.stop('fast')
      expect(await session.heard.over).toMatchObject({ code: '57P01' })
      await node.start()
      await using second = await openSession(other, node)
      const running = failure<ConnectionLostError>(second.query(SLEEP))
      await node.kill()
      expect(await running).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
      expect(await second.heard.over).toBeInstanceOf(ConnectionLostError)
      expect(second.heard.closed).toHaveLength(1)
      expect(await failure(openSession(other, node))).toMatchObject({ name: 'ConnectError' })
    } finally {
      await other.stop()
    }
  })
})

describe('a malformed message', () => {
  it('ends the session instead of the process', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const running = failure(session.query(SLEEP))
    const { stream } = (
      session.connection as unknown as { socket: { stream: NodeJS.EventEmitter } }
    ).socket
    // A RowDescription that announces a column and ends.
    stream.emit('data', Buffer.from([0x54, 0, 0, 0, 6, 0x7f, 0xff]))
    expect(await running).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect(await session.heard.over).toBeInstanceOf(ConnectionLostError)
  })
})

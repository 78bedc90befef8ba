import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { AuthenticationError, ConnectError } from '@poolhouse/core'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { nodePostgres } from '../../src/index.js'
import { openBridge } from '../open-bridge.js'
import {
  contextFor,
  failure,
  type Login,
  openSession,
  untilRunning,
  untilSocketsTo,
} from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0, auth: 'scram-sha-256' })
})

afterAll(async () => {
  await cluster?.stop()
})

const refusal = (login: Login, node: { host: '127.0.0.1'; port: number } = cluster.primary) =>
  failure<ConnectError>(openSession(cluster, node, login))

/** A server that accepts connections and calls a handler for each. */
async function listen(
  onSocket: (socket: Socket) => void,
): Promise<{ server: Server; node: { host: '127.0.0.1'; port: number }; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    server,
    node: { host: '127.0.0.1', port },
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

describe('connect', () => {
  it('logs in with SCRAM and keeps the password out of the client', async () => {
    await using session = await openSession(cluster, cluster.primary)
    expect((await session.query('select current_user as name')).rows).toEqual([
      { name: cluster.user },
    ])
    const everything = inspect(session.connection.raw, { depth: 9, showHidden: true })
    expect(everything).not.toContain(cluster.password)
  })

  it('tries every address of a host', async () => {
    // Most systems know localhost as ::1 as well, where this server does not listen.
    await using session = await openSession(cluster, cluster.primary, { host: 'localhost' })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('refuses a wrong password with an AuthenticationError that does not show it', async () => {
    const password = 'wrong-$ecret'
    const error = await refusal({ password })
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error).toMatchObject({
      fatal: true,
      sqlState: '28P01',
      executed: 'no',
      retryable: false,
    })
    expect(error.message).toBe(
      `cannot log in to 127.0.0.1:${cluster.primary.port}/app as user "app": password authentication failed for user "app" (28P01); check connection.user and connection.password; see POOLHOUSE_AUTHENTICATION`,
    )
    expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(
      password,
    )
  })

  it('names the option if a password is missing, also with one in the environment', async () => {
    vi.stubEnv('PGPASSWORD', cluster.password)
    const error = await refusal({ password: undefined })
    vi.unstubAllEnvs()
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error.message).toContain('set connection.password')
    expect(error.fatal).toBe(true)
  })

  it('reports a missing database as fatal, with its SQLSTATE', async () => {
    const error = await refusal({ database: 'nowhere' })
    expect(error).toMatchObject({
      name: 'ConnectError',
      fatal: true,
      sqlState: '3D000',
      retryable: false,
    })
    expect(error.message).toContain('database "nowhere" does not exist (3D000)')
    expect(error.cause).toMatchObject({ code: '3D000' })
  })

  it('names host, port and database when the port is closed', async () => {
    const { node, close } = await listen(() => {})
    await close()
    const error = await refusal({}, node)
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toBe(
      `cannot connect to 127.0.0.1:${node.port}/app: connection refused; is the server running and listening there? (ECONNREFUSED); see POOLHOUSE_CONNECT`,
    )
    expect(error).toMatchObject({
      fatal: false,
      retryable: true,
      endpoint: `127.0.0.1:${node.port}/app`,
    })
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
    const everywhere = await refusal({ host: 'localhost' }, node)
    expect(everywhere.message).toContain('(ECONNREFUSED)')
  })

  it('says that a host name is unknown', async () => {
    const error = await refusal({ host: 'no-such-host.invalid' })
    expect(error.message).toMatch(
      /^cannot connect to no-such-host\.invalid:\d+\/app: (the host name is unknown|the look-up of the host name failed|.*it took longer than)/,
    )
  })

  it('names a missing Unix socket, and uses an existing one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'poolhouse-socket-'))
    const missing = await refusal({ host: directory, port: 5432 })
    expect(missing.message).toContain('there is no such Unix socket')
    const bridge = await openBridge(cluster.primary.port, join(directory, '.s.PGSQL.5432'))
    try {
      await using session = await openSession(cluster, cluster.primary, {
        host: directory,
        port: 5432,
        ssl: { mode: 'verify-full' },
      })
      expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      expect(session.connection.info).toMatchObject({ address: undefined, port: undefined })
      const running = failure(session.query('select pg_sleep(60)'))
      await untilRunning(cluster, session, 'select pg_sleep(60)')
      await session.connection.cancel(5_000)
      expect(await running).toMatchObject({ code: '57014' })
      session.connection.destroy('done')
      expect(await session.heard.over).toBe('done')
    } finally {
      await bridge.close()
      await rm(directory, { recursive: true })
    }
  })

  it('gives up at the deadline on a server that never answers, and leaves no socket', async () => {
    const { node, close } = await listen((socket) => socket.resume())
    try {
      for (const ssl of [{ mode: 'disable' }, { mode: 'require' }] as const) {
        const startedAt = performance.now()
        const error = await refusal({ timeoutMs: 120, ssl }, node)
        const took = performance.now() - startedAt
        expect(error).toMatchObject({ name: 'ConnectError', retryable: true })
        expect(error.message).toContain('it took longer than 120 ms')
        expect(took).toBeGreaterThanOrEqual(118)
        expect(took).toBeLessThan(1_000)
        await untilSocketsTo(node.port, 0)
      }
    } finally {
      await close()
    }
  })

  it('is aborted by its signal, before and during the connect, and leaves no socket', async () => {
    const abort = new AbortController()
    const { node, close } = await listen((socket) => {
      socket.once('data', () => abort.abort(new Error('no longer wanted')))
    })
    try {
      const error = await refusal({ signal: abort.signal }, node)
      expect(error).toMatchObject({ name: 'ConnectError', cause: { message: 'no longer wanted' } })
      await untilSocketsTo(node.port, 0)
      const again = await refusal({ signal: abort.signal }, node)
      expect(again).toMatchObject({ name: 'ConnectError', cause: { message: 'no longer wanted' } })
    } finally {
      await close()
    }
  })

  it('reports no failed log-in to the listener of the session', async () => {
    const { context, heard } = contextFor(cluster, cluster.primary, { password: 'wrong' })
    await failure(nodePostgres().connect(context))
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard.closed).toEqual([])
  })

  it('survives servers that hang up or send nonsense', async () => {
    const answers: [string, string | Buffer, RegExp][] = [
      ['hangs up', '', /the server closed the connection during the log-in/],
      ['is no PostgreSQL', 'HTTP/1.1 400 Bad Request\r\n\r\n', /./],
      ['wants an unknown log-in', Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7]), /./],
    ]
    for (const [what, answer, message] of answers) {
      const { node, close } = await listen((socket) =>
        socket.once('data', () => socket.end(answer)),
      )
      try {
        const error = await refusal({ timeoutMs: 2_000 }, node)
        expect(error, what).toBeInstanceOf(ConnectError)
        expect(error.message, what).toMatch(message)
        await untilSocketsTo(node.port, 0)
      } finally {
        await close()
      }
    }
  })

  it('refuses a server that starts SCRAM and then skips the proof', async () => {
    const message = (type: string, body: Buffer): Buffer => {
      const head = Buffer.alloc(5, type, 'latin1')
      head.writeInt32BE(body.length + 4, 1)
      return Buffer.concat([head, body])
    }
    const sasl = message('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0', 'latin1'))
    const ok = message('R', Buffer.alloc(4))
    const ready = message('Z', Buffer.from('I'))
    const { node, close } = await listen((socket) => {
      socket.once('data', () => {
        socket.write(sasl)
        socket.once('data', () => socket.write(Buffer.concat([ok, ready])))
      })
    })
    try {
      const error = await refusal({ timeoutMs: 5_000 }, node)
      expect(error).toBeInstanceOf(AuthenticationError)
      expect(error.message).toContain('skipped the proof')
      await untilSocketsTo(node.port, 0)
    } finally {
      await close()
    }
  })

  it('opens many sessions at once', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 8 }, () => openSession(cluster, cluster.primary)),
    )
    const pids = new Set(sessions.map((session) => session.connection.info.backendPid))
    expect(pids.size).toBe(8)
    await Promise.all(sessions.map((session) => session.connection.close(5_000)))
  })
})

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import { LoginGuard } from '../../../../src/net/login/login-guard.js'
import { openServerSocket, type ServerSocket } from '../../../../src/net/socket/server-socket.js'
import type { ConnectError } from '../../../../src/outcome/errors.js'
import type { SslSettings } from '../../../../src/settings/ssl-settings.js'
import { contextFor, type Login, OK, type Peer, READY, serve } from '../scripted-server.js'

const SSL_REQUEST = Buffer.from([0x04, 0xd2, 0x16, 0x2f])

const refusal = async (port: number, login: Login): Promise<ConnectError> => {
  let socket: ServerSocket
  try {
    socket = await openServerSocket(contextFor(port, login))
  } catch (error) {
    return error as ConnectError
  }
  socket.break()
  throw new Error('it was expected to fail')
}

/** A server that gives one answer to the request for TLS and then does what `next` says. */
const answering = (answer: string | Buffer, next: (peer: Peer) => unknown = () => {}) =>
  serve(async (peer) => {
    if (!(await peer.takeOpening()).equals(SSL_REQUEST)) return
    peer.write(Buffer.from(answer))
    await next(peer)
  })

describe('openServerSocket', () => {
  it('connects in plain text, and keeps the process alive only while referenced', async () => {
    await using server = await serve(() => {})
    const socket = await openServerSocket(contextFor(server.port))
    expect(socket).toMatchObject({
      encrypted: false,
      peer: { host: '127.0.0.1', port: server.port },
    })
    expect(socket.stream).toBe(socket.raw)
    const { raw } = socket as unknown as { raw: { _handle: { hasRef(): boolean } } }
    const held = (): boolean => raw._handle.hasRef()
    socket.unref()
    expect(held()).toBe(false)
    socket.ref()
    expect(held()).toBe(true)
    socket.break()
    await server.untilEmpty()
    socket.break()
  })

  it('S91: is closed by a break during its polite end', async () => {
    await using server = await serve(() => {})
    const socket = await openServerSocket(contextFor(server.port))
    const closed = once(socket.raw, 'close')
    socket.stream.end()
    socket.break()
    await closed
    await server.untilEmpty()
  })

  it('connects to a Unix socket without asking for TLS', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'poolhouse-net-'))
    const path = join(directory, '.s.PGSQL.5432')
    const listener = createServer((peer) => peer.on('error', () => {}))
    await new Promise<void>((resolve) => listener.listen(path, resolve))
    try {
      const login = { host: directory, ssl: { mode: 'verify-full' } } as const
      const socket = await openServerSocket(contextFor(5432, login))
      expect(socket).toMatchObject({ peer: { path }, encrypted: false })
      socket.break()
    } finally {
      await new Promise((resolve) => listener.close(resolve))
      await rm(directory, { recursive: true })
    }
  })

  it('rejects at its deadline when the server does not answer, and says how far it came', async () => {
    await using server = await serve(() => {})
    const error = await refusal(server.port, { ssl: { mode: 'require' }, timeoutMs: 60 })
    expect(error).toMatchObject({ name: 'ConnectError', retryable: true })
    expect(error.message).toContain('it took longer than 60 ms; the server was reached but')
    await server.untilEmpty()
  })

  it('opens nothing when its signal has already fired', async () => {
    await using server = await serve(() => {})
    const reason = new Error('no longer wanted')
    const error = await refusal(server.port, { signal: AbortSignal.abort(reason) })
    expect(error).toMatchObject({ name: 'ConnectError', cause: reason })
    expect(server.accepted).toBe(0)
  })
})

describe('a server that is asked for TLS', () => {
  const MODES = ['require', 'verify-ca', 'verify-full'] as const

  it('and has none is used in plain text by prefer, on the same connection', async () => {
    await using server = await answering('N')
    const socket = await openServerSocket(contextFor(server.port, { ssl: { mode: 'prefer' } }))
    expect(socket.encrypted).toBe(false)
    expect(server.accepted).toBe(1)
    socket.break()
  })

  it('and has none makes the stronger modes fail', async () => {
    for (const mode of MODES) {
      await using server = await answering('N')
      const error = await refusal(server.port, { ssl: { mode } })
      expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
      expect(error.message).toContain(
        `does not support TLS and connection.ssl demands it (mode ${mode})`,
      )
      await server.untilEmpty()
    }
  })

  it.each<[string, string | Buffer, (peer: Peer) => unknown]>([
    ['answers with an error', 'E\0\0\0\x10SFATAL\0\0', () => {}],
    ['hangs up', '', (peer) => peer.socket.end()],
    ['hangs up in the handshake', 'S', (peer) => peer.socket.destroy()],
    [
      'cannot go through with the handshake',
      'S',
      async (peer) => {
        await peer.take(1)
        peer.write(Buffer.from('nonsense'))
      },
    ],
  ])('and %s is tried again in plain text by prefer alone', async (_what, answer, next) => {
    await using server = await answering(answer, next)
    const socket = await openServerSocket(contextFor(server.port, { ssl: { mode: 'prefer' } }))
    expect(socket.encrypted).toBe(false)
    expect(server.accepted).toBe(2)
    socket.break()
    await server.untilEmpty()
    const error = await refusal(server.port, { ssl: { mode: 'require' } })
    expect(error.name).toBe('ConnectError')
    expect(error.message).not.toContain('FATAL')
    expect(server.accepted).toBe(3)
    await server.untilEmpty()
  })

  it.each([
    ['sends more than one byte before the handshake', 'Sx', /injected/],
    ['says no and more', 'NN', /unexpected answer/],
    ['speaks another protocol', 'HTTP/1.1 400 Bad Request', /is this a PostgreSQL server/],
  ])('and %s makes every mode fail', async (_what, answer, message) => {
    for (const mode of ['prefer', ...MODES] as const) {
      await using server = await answering(answer)
      const error = await refusal(server.port, { ssl: { mode } })
      expect(error.message).toMatch(message)
      expect(server.accepted).toBe(1)
      await server.untilEmpty()
    }
  })

  it('is not reported as the cause when our key cannot be read', async () => {
    const ssl: SslSettings = { mode: 'prefer', cert: 'no PEM', key: 'no PEM' }
    await using server = await answering('S')
    const error = await refusal(server.port, { ssl })
    expect(error.message).toContain('ssl.ca, ssl.cert or ssl.key cannot be read')
    expect(server.accepted).toBe(1)
  })

  it('and does not know direct TLS is told which server does', async () => {
    const ssl: SslSettings = { mode: 'require', negotiation: 'direct' }
    // A server that only hangs up may be one that is going down.
    const scripts: [(peer: Peer) => unknown, boolean][] = [
      [(peer) => peer.socket.end(), false],
      [(peer) => peer.socket.resetAndDestroy(), false],
      [(peer) => peer.write(Buffer.from('E\0\0\0\x10SFATAL\0\0')), true],
    ]
    for (const [script, fatal] of scripts) {
      await using server = await serve(async (peer) => {
        // The first byte of a TLS record, and no request for TLS.
        expect((await peer.take(1))[0]).toBe(0x16)
        script(peer)
      })
      const error = await refusal(server.port, { ssl })
      expect(error).toMatchObject({ name: 'ConnectError', fatal })
      expect(error.message).toContain("ssl.negotiation: 'direct' needs PostgreSQL 17 or newer")
    }
  })
})

describe('a connect while this process is stalled past its deadline', () => {
  it('accepts an answer that came in time even if the clock is past the deadline', async () => {
    const timeoutMs = 80
    await using server = await serve(async (peer) => {
      await peer.takeOpening()
      peer.write(OK, READY)
      const until = performance.now() + 2 * timeoutMs
      while (performance.now() < until);
    })
    const context = contextFor(server.port, { timeoutMs })
    const socket = await openServerSocket(context)
    const guard = new LoginGuard(socket, context, { show: () => {} })
    socket.stream.on('data', (chunk: Buffer) => guard.take(chunk))
    socket.stream.write(Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]))
    await guard.ready
    expect(performance.now() - socket.startedAt).toBeGreaterThan(timeoutMs)
    socket.break()
  })
})

describe('sendCancel', () => {
  const key = { processID: 7, secretKey: -2 }

  it('is sent over a connection of its own and resolves when the server has closed it', async () => {
    let heard: Buffer | undefined
    let hangUp = (): void => {}
    const arrived = new Promise<void>((resolve) => {
      server = serve(async (peer, index) => {
        if (index === 0) return
        heard = await peer.takeOpening()
        hangUp = () => peer.socket.end()
        resolve()
      })
    })
    await using running = await server!
    const socket = await openServerSocket(contextFor(running.port))
    let over = false
    const cancelled = socket.sendCancel(key, 5_000).then(() => {
      over = true
    })
    await arrived
    await new Promise((resolve) => setImmediate(resolve))
    expect(over).toBe(false)
    expect(heard).toEqual(Buffer.from([0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xfe]))
    hangUp()
    await cancelled
    expect(socket.raw.destroyed).toBe(false)
    socket.break()
  })
  let server: ReturnType<typeof serve> | undefined

  it('rejects at its deadline and leaves nothing open', async () => {
    await using deaf = await serve(() => {})
    const socket = await openServerSocket(contextFor(deaf.port))
    await expect(socket.sendCancel(key, 60)).rejects.toThrow('it took longer than 60 ms')
    socket.break()
    await deaf.untilEmpty()
  })
})

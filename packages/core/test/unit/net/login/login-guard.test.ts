import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { FrameList } from '../../../../src/net/login/login-frames.js'
import { type LoggedIn, LoginGuard, type LoginView } from '../../../../src/net/login/login-guard.js'
import { openServerSocket } from '../../../../src/net/socket/server-socket.js'
import type { ConnectError } from '../../../../src/outcome/errors.js'
import {
  contextFor,
  frame,
  KEY,
  type Login,
  OK,
  type Peer,
  parameter,
  READY,
  refusal,
  request,
  SASL,
  scram,
  serve,
} from '../scripted-server.js'

interface Outcome {
  readonly error?: ConnectError
  readonly result?: LoggedIn
  /** What the driver was shown. */
  readonly seen: Buffer
}

const STARTUP = Buffer.from([0, 0, 0, 8, 0, 3, 0, 0])

/**
 * Logs in as a driver does, to a server that reads the start-up message and then follows a script.
 */
async function logIn(
  script: (peer: Peer) => unknown,
  login: Login = {},
  onData: (chunk: Buffer) => void = () => {},
  view: Partial<LoginView> = {},
): Promise<Outcome> {
  await using server = await serve(async (peer) => {
    await peer.takeOpening()
    await script(peer)
  })
  const context = contextFor(server.port, login)
  const socket = await openServerSocket(context)
  const seen: Buffer[] = []
  const show = (bytes: Buffer): void => {
    seen.push(bytes)
    onData(bytes)
  }
  const guard = new LoginGuard(socket, context, { show, ...view })
  socket.stream.on('data', (chunk: Buffer) => {
    if (!guard.take(chunk)) show(chunk)
  })
  socket.stream.write(STARTUP)
  try {
    const result = await guard.ready
    expect(socket.stream.listenerCount('close')).toBe(0)
    socket.break()
    return { result, seen: Buffer.concat(seen) }
  } catch (error) {
    // Nothing stays open after a refusal.
    expect(socket.raw.destroyed).toBe(true)
    await server.untilEmpty()
    return { error: error as ConnectError, seen: Buffer.concat(seen) }
  }
}

const letIn = (peer: Peer): void => peer.write(OK, parameter('server_version', '18.0'), KEY, READY)

describe('a log-in', () => {
  it('passes AuthenticationOk and what follows to the driver, and returns the cancel key', async () => {
    const { result, seen } = await logIn(letIn)
    expect(result?.key).toEqual({ processID: 7, secretKey: 9 })
    expect(result?.parameters).toEqual(new Map([['server_version', '18.0']]))
    expect(seen).toEqual(Buffer.concat([OK, parameter('server_version', '18.0'), KEY, READY]))
  })

  it('passes the parameters only to a driver that reads them itself', async () => {
    const notice = frame('N', 'SNOTICE\0\0')
    const later = parameter('a', '3')
    const script = (peer: Peer): void =>
      peer.write(OK, parameter('a', '1'), notice, parameter('a', '2'), KEY, READY, later)
    const { result, seen } = await logIn(script, {}, () => {}, { parameters: false })
    expect(result?.parameters).toEqual(new Map([['a', '2']]))
    // What comes after ReadyForQuery is no part of the log-in.
    expect(seen).toEqual(Buffer.concat([OK, notice, KEY, READY, later]))
  })

  it('resolves after the driver has handled ReadyForQuery and what came with it', async () => {
    const notice = frame('N', 'SNOTICE\0\0')
    const { result, seen } = await logIn((peer) => peer.write(OK, READY, notice))
    expect(result?.key).toBeUndefined()
    expect(seen).toEqual(Buffer.concat([OK, READY, notice]))
  })

  it('succeeds in whatever pieces the messages arrive', async () => {
    const { result, seen } = await logIn(async (peer) => {
      peer.socket.setNoDelay(true)
      for (const byte of Buffer.concat([OK, parameter('a', 'b'), KEY, READY])) {
        peer.write(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(result?.key).toEqual({ processID: 7, secretKey: 9 })
    expect(result?.parameters).toEqual(new Map([['a', 'b']]))
    expect(seen).toEqual(Buffer.concat([OK, parameter('a', 'b'), KEY, READY]))
  })

  it('proves the password by SCRAM and passes nothing of it to the driver', async () => {
    let known = false
    const { result, seen } = await logIn(async (peer) => {
      known = await scram(peer, 'secret')
      peer.write(OK, READY)
    })
    expect(known).toBe(true)
    expect(result).toBeDefined()
    expect(seen).toEqual(Buffer.concat([OK, READY]))
  })

  it('normalises a password as SASLprep does', async () => {
    let known = false
    await logIn(
      async (peer) => {
        known = await scram(peer, 'a IXfi')
        peer.write(OK, READY)
      },
      { password: 'a\u00A0I\u00ADX\uFB01' },
    )
    expect(known).toBe(true)
  })

  it('sends the password in clear text or as MD5 if that method is accepted', async () => {
    let said = ''
    const ask = (what: Buffer) => async (peer: Peer) => {
      peer.write(what)
      said = (await peer.takeMessage()).toString()
      letIn(peer)
    }
    expect((await logIn(ask(request(3)), { requireAuth: ['password'] })).result).toBeDefined()
    expect(said).toBe('secret\0')
    const salt = Buffer.from([1, 2, 3, 4])
    expect((await logIn(ask(request(5, salt)), { requireAuth: ['md5'] })).result).toBeDefined()
    const md5 = (...parts: (string | Buffer)[]): string => {
      const hash = createHash('md5')
      for (const part of parts) hash.update(part)
      return hash.digest('hex')
    }
    expect(said).toBe(`md5${md5(md5('secret', 'app'), salt)}\0`)
  })
})

describe('a server that does not prove itself', () => {
  const SCRAM_ONLY: Login = { requireAuth: ['scram-sha-256'] }

  it.each([
    ['lets the client in without a password', OK, "['none', 'scram-sha-256']"],
    ['asks for the password in clear text', request(3), "['password', 'scram-sha-256']"],
    ['asks for an MD5 hash', request(5, 'salt'), "['md5', 'scram-sha-256']"],
  ])(
    'is refused when it %s and that is not accepted, with the way out',
    async (_what, asks, way) => {
      let told: Buffer | undefined
      const { error, seen } = await logIn(async (peer) => {
        peer.write(asks)
        told = await peer.take(1)
      }, SCRAM_ONLY)
      expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true, executed: 'no' })
      expect(error?.message).toMatch(
        /^cannot connect to 127\.0\.0\.1:\d+\/app as user "app": the server /,
      )
      expect(error?.message).toContain(`set requireAuth: ${way}, or have it verified by TLS`)
      expect(error?.message).not.toContain('secret')
      expect(told).toHaveLength(0)
      expect(seen).toHaveLength(0)
    },
  )

  it('is refused when it asks for SCRAM and only nothing is accepted', async () => {
    const { error } = await logIn((peer) => peer.write(SASL), { requireAuth: ['none'] })
    expect(error?.message).toContain(
      'the server asks for SCRAM-SHA-256, and requireAuth accepts only none',
    )
  })

  it.each([
    ['at once', (peer: Peer) => peer.write(SASL, OK, READY)],
    [
      'after our proof',
      async (peer: Peer) => {
        peer.write(SASL)
        const first = (await peer.takeMessage()).toString('latin1')
        const nonce = first.slice(first.indexOf('r=') + 2)
        peer.write(request(11, `r=${nonce}x,s=AAAA,i=4096`))
        await peer.takeMessage()
        peer.write(OK, READY)
      },
    ],
    [
      'for clear text',
      async (peer: Peer) => {
        peer.write(SASL)
        await peer.takeMessage()
        peer.write(request(3))
      },
    ],
    ['with a wrong signature', (peer: Peer) => scram(peer, 'another')],
    ['with no signature', (peer: Peer) => scram(peer, 'secret', { proof: '' })],
    ['with garbage', (peer: Peer) => scram(peer, 'secret', { proof: '*' })],
  ])('is refused whatever is accepted when it leaves SCRAM %s', async (_what, script) => {
    const { error, seen } = await logIn(script)
    expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true })
    expect(error?.message).toContain('skipped the proof that it knows the password')
    expect(seen).toHaveLength(0)
  })

  it.each([
    ['does not continue our nonce', { nonce: () => 'another' }, /nonce/],
    ['only repeats our nonce', { nonce: (client: string) => client }, /nonce/],
    [
      'asks for a thousand million iterations',
      { iterations: '1000000000' },
      /1000000000 SCRAM iterations/,
    ],
    ['asks for one more than the limit', { iterations: '600001' }, /at most 600000/],
    ['counts iterations in another way', { iterations: '1e3' }, /malformed/],
    ['asks for no iterations', { iterations: '0' }, /malformed/],
  ])('is refused when it %s', async (_what, change, message) => {
    const { error } = await logIn(async (peer) => {
      await scram(peer, 'secret', change)
      // The client goes without a proof.
      expect(await peer.take(1)).toHaveLength(0)
    })
    expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true })
    expect(error?.message).toMatch(message)
  })

  it('is refused when it asks for a password and there is none', async () => {
    for (const asks of [request(3), request(5, 'salt'), SASL]) {
      const { error } = await logIn((peer) => peer.write(asks), { password: undefined })
      expect(error?.name).toBe('AuthenticationError')
      expect(error?.message).toContain('set connection.password')
    }
  })

  it('is refused when it offers no mechanism that is known here', async () => {
    const { error } = await logIn((peer) => peer.write(request(10, 'OAUTHBEARER\0\0')))
    expect(error?.message).toContain('(OAUTHBEARER)')
    const other = await logIn((peer) => peer.write(request(7)))
    expect(other.error?.message).toContain('not supported (code 7)')
  })
})

describe('a server that breaks the rules of a log-in', () => {
  it.each([
    [
      'is no PostgreSQL',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      /does not speak the PostgreSQL protocol \(unexpected "H"/,
    ],
    ['sends bytes', Buffer.from([0, 1, 2]), /unexpected byte 0/],
    [
      'announces a giant request',
      Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff]),
      /impossible length \(2147483647 bytes\)/,
    ],
    ['announces a request of 2 001 bytes', Buffer.from([0x52, 0, 0, 7, 0xd1]), /2001 bytes/],
    ['announces a giant error', Buffer.from([0x45, 0, 0, 0x75, 0x31]), /30001 bytes/],
    [
      'announces a negative length',
      Buffer.from([0x52, 0xff, 0xff, 0xff, 0xff]),
      /impossible length/,
    ],
    ['sends rows before it lets us in', frame('D', 'x'), /unexpected "D"/],
    ['is ready before it lets us in', READY, /unexpected "Z"/],
    ['sends rows before it is ready', Buffer.concat([OK, frame('D', 'x')]), /unexpected "D"/],
    ['asks again', Buffer.concat([OK, request(3)]), /another log-in/],
  ])('is refused when it %s', async (_what, answer, message) => {
    const { error, seen } = await logIn((peer) => peer.write(Buffer.from(answer)))
    expect(error?.name).toBe('ConnectError')
    expect(error?.message).toMatch(message)
    expect(seen.includes('D')).toBe(false)
  })

  it('is refused at once when it asks a second time after an answer', async () => {
    const { error } = await logIn(async (peer) => {
      peer.write(request(3))
      await peer.takeMessage()
      peer.write(request(3))
    })
    expect(error?.message).toContain('a second log-in')
  })

  it('cannot fill the memory with parameters', async () => {
    const { error } = await logIn((peer) =>
      peer.write(
        OK,
        ...Array.from({ length: 200 }, (_, at) => parameter(`p${at}`, 'x'.repeat(400))),
      ),
    )
    expect(error?.message).toContain('the server sends too much during the log-in')
  })

  it('does not keep a whole chunk in memory for a few bytes of parameters', () => {
    const list = new FrameList()
    const chunks = Array.from({ length: 50 }, (_, at) => Buffer.alloc(65_536, at))
    const expected = Buffer.concat(chunks.map((chunk) => chunk.subarray(10, 15)))
    for (const chunk of chunks) list.add(chunk, 10, 15)
    expect(list.length).toBe(250)
    // Only the last chunk may stay referenced.
    for (const chunk of chunks.slice(0, -1)) chunk.fill(255)
    expect(list.take()).toEqual(expected)
    expect(list.take()).toHaveLength(0)
  })

  it('cannot fill the memory while the driver computes its answer', async () => {
    const { error } = await logIn(async (peer) => {
      peer.write(SASL)
      const first = (await peer.takeMessage()).toString('latin1')
      const nonce = first.slice(first.indexOf('r=') + 2)
      const hard = request(11, `r=${nonce}x,s=AAAA,i=600000`)
      peer.write(hard, ...Array.from({ length: 20 }, () => frame('N', Buffer.alloc(10_000, 1))))
    })
    expect(error?.message).toContain('the server sends too much during the log-in')
  })
})

describe('a refused log-in', () => {
  it('rejects with what the server said, which the driver is not shown', async () => {
    const { error, seen } = await logIn((peer) => peer.write(refusal('28P01', 'no "app"')))
    expect(error).toMatchObject({
      name: 'AuthenticationError',
      fatal: true,
      sqlState: '28P01',
      cause: { name: 'error', code: '28P01', severity: 'FATAL', message: 'no "app"' },
    })
    expect(seen).toHaveLength(0)
    const later = await logIn((peer) => peer.write(OK, refusal('3D000', 'no such database')))
    expect(later.error).toMatchObject({ name: 'ConnectError', fatal: true, sqlState: '3D000' })
    const full = await logIn((peer) => peer.write(refusal('53300', 'too many clients')))
    expect(full.error).toMatchObject({ name: 'ConnectError', fatal: false, sqlState: '53300' })
  })

  it('reports that the server closed the connection', async () => {
    const { error } = await logIn((peer) => peer.socket.end())
    expect(error?.message).toContain('the server closed the connection during the log-in')
  })

  it('rejects at the deadline of the whole connect', async () => {
    const { error } = await logIn((peer) => peer.write(SASL), { timeoutMs: 60 })
    expect(error?.message).toContain(
      'it took longer than 60 ms; the server was reached but did not answer in time',
    )
  })

  it('rejects when the signal fires', async () => {
    const abort = new AbortController()
    const script = (): void => abort.abort(new Error('no longer wanted'))
    const { error } = await logIn(script, { signal: abort.signal })
    expect(error).toMatchObject({ name: 'ConnectError', cause: { message: 'no longer wanted' } })
  })

  it('rejects with what the parser of the driver throws', async () => {
    const { error } = await logIn(letIn, {}, () => {
      throw new Error('cannot parse')
    })
    expect(error?.message).toContain('cannot parse')
  })
})

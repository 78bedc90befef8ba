// biome-ignore-all lint/suspicious/noThenProperty: the `then` of a drop is data
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { Client } from 'pg'
import { generate } from 'selfsigned'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../../src/fault-proxy/fault-proxy.js'
import { isCommit } from '../../src/fault-proxy/is-commit.js'
import { startWireServer, type WireServer } from '../../src/wire-server/wire-server.js'

let server: WireServer
let proxy: FaultProxy
const clients: Client[] = []

beforeEach(async () => {
  server = await startWireServer()
  proxy = await startFaultProxy(server.url)
})

afterEach(async () => {
  await proxy.close()
  await server.close()
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

async function connect(url = proxy.url()): Promise<Client> {
  const client = new Client(url)
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return client
}

/** Resolves when `fact` holds; looks once for each turn of the event loop. */
function until(fact: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (fact()) resolve()
      else setImmediate(look)
    }
    look()
  })
}

/** Enough turns of the event loop for anything that is under way on loopback to arrive. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

const received = (): string[] => server.statements.map(({ text }) => text)

describe('an end and a reset in one moment', () => {
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length

  // What a busy machine makes of a server that ends its session and then answers what is still sent
  // to it with a reset.
  it.each<[string, (line: FaultProxy) => void]>([
    ['a cut and a reset', (line) => [line.cut(), line.reset()]],
    [
      'a cut and a reset of what exists',
      (line) => [line.cut(), line.refuse({ existing: 'reset' })],
    ],
    ['two resets', (line) => [line.reset(), line.reset()]],
  ])(
    '%s leave no socket open, and close() ends',
    async (_, breakOff) => {
      const target = createServer((socket) => void socket.on('error', () => {}))
      await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
      const { port } = target.address() as { port: number }
      const line = await startFaultProxy({ host: '127.0.0.1', port })
      const before = sockets()
      const client = connectSocket(line.port, line.host)
      client.on('error', () => {})
      client.resume()
      await until(() => line.connections === 1 && sockets() >= before + 4)
      breakOff(line)
      await line.close()
      await until(() => client.closed)
      await turns()
      expect(sockets()).toBe(before)
      await new Promise((resolve) => target.close(resolve))
    },
    5_000,
  )
})

describe('a plain proxy', () => {
  it('carries sessions, counts them and leads to the same database', async () => {
    expect(proxy.url()).toBe(`postgres://wire@127.0.0.1:${proxy.port}/wire`)
    const client = await connect()
    expect((await client.query('select $1::int as x', [1])).rows).toEqual([{ x: 1 }])
    expect([proxy.connections, proxy.accepted, server.sessions]).toEqual([1, 1, 1])
    await client.end()
    await until(() => proxy.connections === 0 && server.sessions === 0)
    expect(proxy.accepted).toBe(1)
  })

  it('points any URL at itself and keeps the rest of it', () => {
    expect(proxy.url('postgresql://u:p%40@db.example:6543/app?sslmode=disable&port=1')).toBe(
      `postgresql://u:p%40@127.0.0.1:${proxy.port}/app?sslmode=disable`,
    )
    expect(() => proxy.url('http://db.example/')).toThrow(TypeError)
  })

  it('keeps every byte of large results in order, with back-pressure', async () => {
    const rows = Array.from({ length: 3000 }, (_, index) => ({ id: index, pad: 'x'.repeat(2000) }))
    server.onStatement = (text) => (text === 'all' ? { rows } : undefined)
    const client = await connect()
    expect((await client.query('all')).rows).toEqual(rows)
  })

  it('tells of every statement, by connection', async () => {
    const seen: unknown[] = []
    const stop = proxy.onStatement((text, { connection, kind }) => {
      seen.push([connection, kind, text])
    })
    const a = await connect()
    const b = await connect()
    await a.query('begin')
    await b.query({ name: 'n', text: 'select $1', values: [1] })
    await b.query({ name: 'n', text: 'select $1', values: [2] })
    stop()
    await a.query('rollback')
    expect(seen).toEqual([
      [1, 'query', 'begin'],
      [2, 'parse', 'select $1'],
      [2, 'execute', 'select $1'],
    ])
  })

  it('resets clients of a target that refuses', async () => {
    server.refuse()
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('leaves a malformed message to the server', async () => {
    const heard = await talk(framed('Q', Buffer.from('no end')), () => {})
    expect(heard).toEqual([])
    expect(server.sessions).toBe(0)
  })

  it('carries what is not the PostgreSQL protocol', async () => {
    const echo = await listen((socket) => socket.pipe(socket))
    await using plain = await startFaultProxy(echo.address)
    const socket = connectSocket(plain.port, plain.host)
    socket.end('hello, this is some other protocol')
    expect(Buffer.concat(await socket.toArray()).toString()).toBe(
      'hello, this is some other protocol',
    )
    echo.server.close()
  })
})

describe('broken lines', () => {
  it('cut ends both sides in order and lets new connections in', async () => {
    const client = await connect()
    const lost = expect(client.query('select pg_sleep(3600)')).rejects.toThrow(
      'Connection terminated unexpectedly',
    )
    await until(() => server.statements.length === 1)
    proxy.cut()
    await lost
    await until(() => server.sessions === 0)
    expect(proxy.connections).toBe(0)
    await connect()
  })

  it('reset resets both sides', async () => {
    const client = await connect()
    const lost = expect(client.query('select pg_sleep(3600)')).rejects.toMatchObject({
      code: 'ECONNRESET',
    })
    await until(() => server.statements.length === 1)
    proxy.reset()
    await lost
    await until(() => server.sessions === 0)
  })

  it('passes a reset of either side on as a reset', async () => {
    server.onStatement = (text) => (text === 'reset' ? { reset: true } : undefined)
    const client = await connect()
    await expect(client.query('reset')).rejects.toMatchObject({ code: 'ECONNRESET' })
    const other = await connect()
    ;(other.connection.stream as Socket).resetAndDestroy()
    await until(() => proxy.connections === 0 && server.sessions === 0)
  })

  it('refuse keeps open connections unless they are to be reset, and heal listens again', async () => {
    const client = await connect()
    const { port } = proxy
    proxy.refuse()
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    await proxy.heal()
    expect(proxy.port).toBe(port)
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    await connect()
    proxy.refuse({ existing: 'reset' })
    await expect(client.query('select 1')).rejects.toThrow()
    await proxy.heal()
    await connect()
  })

  it('a black hole passes nothing, not even ends, and heal resets what was lost in it', async () => {
    const busy = await connect()
    const idle = await connect()
    const leaver = await connect()
    proxy.blackHole()
    const lost = expect(busy.query('select 1')).rejects.toMatchObject({ code: 'ECONNRESET' })
    const late = expect(connect()).rejects.toMatchObject({ code: 'ECONNRESET' })
    leaver.connection.stream.destroy()
    await until(() => proxy.accepted === 4 && proxy.connections === 3)
    await turns()
    expect(received()).toEqual([])
    expect([server.sessions, server.connections]).toEqual([3, 3])
    await proxy.heal()
    await Promise.all([lost, late])
    await until(() => server.sessions === 1)
    expect((await idle.query('select 1 as a')).rows).toEqual([{ a: 1 }])
  })

  it('a black hole to the client loses the answers and the end of the server', async () => {
    const client = await connect()
    proxy.blackHole('to-client')
    let settled = false
    const lost = expect(
      client.query('insert into t values (1)').finally(() => {
        settled = true
      }),
    ).rejects.toMatchObject({ code: 'ECONNRESET' })
    await until(() => received().length === 1)
    server.kick()
    await turns()
    expect([settled, proxy.connections]).toEqual([false, 1])
    await proxy.heal()
    await lost
  })

  it('lost answers leave the end of the connection to be seen', async () => {
    const client = await connect()
    proxy.dropAnswers()
    const lost = expect(client.query('insert into t values (1)')).rejects.toThrow(
      'Connection terminated unexpectedly',
    )
    await until(() => received().length === 1)
    server.kick()
    await lost
  })

  it('loses the answers to chosen statements only', async () => {
    const client = await connect()
    proxy.dropAnswers({ to: (text) => text.startsWith('insert') })
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    await expect(client.query('insert into t values ($1)', [1])).rejects.toThrow()
    expect(received().at(-1)).toBe('insert into t values ($1)')
  })
})

describe('slow lines', () => {
  it('delay holds each direction back for its time', async () => {
    const client = await connect()
    proxy.delay(20)
    const start = performance.now()
    await client.query('select 1')
    expect(performance.now() - start).toBeGreaterThanOrEqual(40)
    await proxy.heal()
    proxy.delay(3_600_000, { direction: 'to-client' })
    const query = client.query('select 2 as a')
    await until(() => received().includes('select 2 as a'))
    await turns()
    await proxy.heal()
    expect((await query).rows).toEqual([{ a: 2 }])
  })

  it('jitter never changes the order', async () => {
    const client = await connect()
    const late = [0.9, 0, 0.5, 0.1, 0.7, 0]
    let next = 0
    proxy.delay(0, { jitterMs: 10, random: () => late[next++ % late.length]! })
    const texts = Array.from({ length: 12 }, (_, index) => `select ${index}`)
    for (const [index, text] of texts.entries()) {
      expect((await client.query({ text, rowMode: 'array' })).rows).toEqual([[index]])
    }
    const burst = texts.map((text) => query(text))
    const heard = await talk(Buffer.concat([...burst, framed('X', Buffer.alloc(0))]), () => {})
    expect(heard.filter((message) => message.startsWith('C'))).toHaveLength(12)
    expect(received()).toEqual([...texts, ...texts])
    expect(next).toBeGreaterThan(12)
  })

  it('delays the end of a connection as it delays bytes', async () => {
    const client = await connect()
    proxy.delay(3_600_000, { direction: 'to-server' })
    client.connection.stream.end()
    await until(() => proxy.connections === 0)
    await turns()
    expect(server.sessions).toBe(1)
    await proxy.heal()
    await until(() => server.sessions === 0)
  })

  it('bandwidth spreads bytes over time', async () => {
    server.onStatement = (text) =>
      text === 'big' ? { rows: [['x'.repeat(10_000)]], columns: ['x'] } : undefined
    const client = await connect()
    proxy.bandwidth(100_000, 'to-client')
    const start = performance.now()
    const { rows } = await client.query('big')
    expect(rows[0].x).toHaveLength(10_000)
    // 10 kB at 100 kB/s take 100 ms, of which the first piece of 20 ms comes at once.
    expect(performance.now() - start).toBeGreaterThanOrEqual(80)
  })

  it('refuses values that mean nothing', () => {
    expect(() => proxy.delay(-1)).toThrow(RangeError)
    expect(() => proxy.bandwidth(0)).toThrow('blackHole')
    expect(() => proxy.dropCommitAnswer({ count: 0 })).toThrow(RangeError)
  })

  it('leaves nothing behind that keeps the process alive', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
    const back = await startWireServer()
    const front = await startFaultProxy(back.url)
    const client = new Client(front.url())
    client.on('error', () => {})
    await client.connect()
    front.delay(3_600_000)
    front.refuse()
    await front.heal()
    client.connection.stream.destroy()
    await front.close()
    await back.close()
    const after = process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
    expect(after).toBe(before)
  })

  it('closes with bytes on a slow line', async () => {
    const client = await connect()
    proxy.delay(3_600_000)
    const lost = expect(client.query('select 1')).rejects.toThrow()
    await turns()
    await proxy.close()
    await lost
    expect(proxy.connections).toBe(0)
  })
})

// On a busy machine the end may be seen before the reset.
const LOST = /ECONNRESET|terminated unexpectedly/

describe('a lost COMMIT', () => {
  it.each(['COMMIT', 'commit work;', 'End', '/* x */ commit and chain', "commit prepared 'a'"])(
    'knows %j',
    (text) => expect(isCommit(text)).toBe(true),
  )

  it.each([
    "select 'commit'",
    'committed',
    '-- commit',
    'rollback',
    'select case when a then b end',
  ])('does not take %j for one', (text) => expect(isCommit(text)).toBe(false))

  it('passes over the COMMIT of a reset that a pool sends in front of a statement', async () => {
    const client = await connect()
    proxy.dropCommitAnswer()
    await client.query({ name: 'poolhouse_reset_8', text: 'COMMIT' })
    await expect(client.query({ name: 'own', text: 'COMMIT' })).rejects.toThrow(LOST)
    expect(received().filter(isCommit)).toHaveLength(2)
  })

  it('S75: reaches the server, and only its answer is lost (simple protocol)', async () => {
    const client = await connect()
    proxy.dropCommitAnswer()
    await client.query('begin')
    await client.query('insert into t values (1)')
    await expect(client.query('commit')).rejects.toThrow(LOST)
    expect(received()).toEqual(['begin', 'insert into t values (1)', 'commit'])
    const next = await connect()
    await next.query('begin')
    expect((await next.query('commit')).command).toBe('COMMIT')
  })

  it('S75: the same in the extended protocol, prepared before', async () => {
    const client = await connect()
    const commit = { name: 'c', text: 'commit', values: [] }
    await client.query('begin')
    await client.query(commit)
    await client.query('begin')
    proxy.dropCommitAnswer()
    await expect(client.query(commit)).rejects.toThrow(LOST)
    expect(received()).toEqual(['begin', 'commit', 'begin', 'commit'])
  })

  it('delivers what was answered before a COMMIT in the same text', async () => {
    const heard = await talk(query('begin; insert into t values (1); commit; select 2'), () =>
      proxy.dropCommitAnswer({ then: 'cut' }),
    )
    expect(heard).toEqual(['C BEGIN', 'C INSERT 0 1'])
    expect(received()).toEqual(['begin; insert into t values (1); commit; select 2'])
  })

  it('delivers what was answered before a COMMIT in the same pipeline', async () => {
    const pipeline = Buffer.concat([
      query('begin'),
      extended('select $1::int as x', '5'),
      extended('commit'),
      sync(),
      query('select 3'),
    ])
    const heard = await talk(pipeline, () => proxy.dropCommitAnswer({ then: 'cut' }))
    expect(heard).toEqual(['C BEGIN', 'Z T', '1', '2', 'D', 'C SELECT 1', '1', '2'])
    expect(received()).toEqual(['begin', 'select $1::int as x', 'commit', 'select 3'])
  })

  it('is not used up by a text that fails before it', async () => {
    const client = await connect()
    proxy.dropCommitAnswer()
    await expect(client.query('nonsense; commit')).rejects.toMatchObject({ code: '42601' })
    await client.query('begin')
    await expect(client.query('commit')).rejects.toThrow(LOST)
  })

  it('counts the notices before the answer as part of it', async () => {
    const client = await connect()
    const notices: unknown[] = []
    client.on('notice', (notice) => notices.push(notice.code))
    proxy.dropCommitAnswer()
    await expect(client.query('commit')).rejects.toThrow(LOST)
    expect(notices).toEqual([])
    expect(received()).toEqual(['commit'])
  })

  it('F41: can leave the client waiting, and lets go when the client gives up', async () => {
    const client = await connect()
    proxy.dropCommitAnswer({ then: 'hang' })
    let settled = false
    const lost = expect(
      client.query('commit').finally(() => {
        settled = true
      }),
    ).rejects.toThrow()
    await until(() => received().length === 1)
    await turns()
    expect([settled, proxy.connections]).toEqual([false, 1])
    client.connection.stream.destroy()
    await lost
    await until(() => proxy.connections === 0 && server.sessions === 0)
  })

  it.each([
    ['reset', 'read ECONNRESET'],
    ['cut', 'Connection terminated unexpectedly'],
  ] as const)(
    'S76: never reaches the server when the request is dropped (%s)',
    async (then, message) => {
      const client = await connect()
      const seen: string[] = []
      proxy.onStatement((text) => seen.push(text))
      proxy.dropCommitRequest({ then })
      await client.query('begin')
      await expect(client.query('commit')).rejects.toThrow(message)
      await until(() => server.sessions === 0)
      expect(received()).toEqual(['begin'])
      expect(seen).toEqual(['begin', 'commit'])
    },
  )

  it.each([
    ['sent at once', { text: 'commit', values: [] }, []],
    ['prepared before', { name: 'c', text: 'commit', values: [] }, ['begin', 'commit']],
  ])('S76: the same in the extended protocol, %s', async (_, commit, before) => {
    const client = await connect()
    if (before.length > 0) {
      await client.query('begin')
      await client.query(commit)
    }
    await client.query('begin')
    proxy.dropCommitRequest()
    await expect(client.query(commit)).rejects.toThrow(LOST)
    await until(() => server.sessions === 0)
    expect(received()).toEqual([...before, 'begin'])
  })

  it('delivers the answers to what came before a request that is dropped', async () => {
    const pipeline = Buffer.concat([
      query('begin'),
      query('insert into t values (1)'),
      extended('commit'),
      sync(),
    ])
    const heard = await talk(pipeline, () => proxy.dropCommitRequest({ then: 'cut' }))
    expect(heard).toEqual(['C BEGIN', 'Z T', 'C INSERT 0 1', 'Z T'])
  })

  it('hangs on a dropped request until the client leaves, and the server then ends the session', async () => {
    const client = await connect()
    proxy.dropCommitRequest({ then: 'hang' })
    await client.query('begin')
    const lost = expect(client.query('commit')).rejects.toThrow()
    await turns()
    expect(received()).toEqual(['begin'])
    client.connection.stream.destroy()
    await lost
    await until(() => server.sessions === 0)
  })

  it('hits as many as it is told and none after heal', async () => {
    proxy.dropCommitAnswer({ count: 2 })
    for (const lost of [true, true, false]) {
      const client = await connect()
      const commit = client.query('commit')
      if (lost) await expect(commit).rejects.toThrow()
      else expect((await commit).command).toBe('COMMIT')
    }
    proxy.dropCommitAnswer({ count: Number.POSITIVE_INFINITY })
    await proxy.heal()
    const client = await connect()
    expect((await client.query('commit')).command).toBe('COMMIT')
  })
})

describe('encrypted connections', () => {
  it('pass through, and a COMMIT cannot be dropped on them', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }])
    await using secure = await startWireServer({ tls: { cert, key } })
    await using front = await startFaultProxy(secure.url)
    const client = new Client({ connectionString: front.url(), ssl: { rejectUnauthorized: false } })
    await client.connect()
    const seen: string[] = []
    front.onStatement((text) => seen.push(text))
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    expect(seen).toEqual([])
    for (const drop of [
      () => front.dropCommitAnswer(),
      () => front.dropCommitRequest(),
      () => front.dropAnswers({ to: () => true }),
    ]) {
      expect(drop).toThrow('encrypted')
    }
    await client.end()
  })

  it('are reset when they begin while a COMMIT is to be dropped', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }])
    await using secure = await startWireServer({ tls: { cert, key } })
    await using front = await startFaultProxy(secure.url)
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    front.dropCommitAnswer()
    const client = new Client({ connectionString: front.url(), ssl: { rejectUnauthorized: false } })
    client.on('error', () => {})
    await expect(client.connect()).rejects.toThrow()
    expect(warned.mock.calls[0]?.[0]).toContain('encrypted')
  })
})

interface Listening {
  server: Server
  address: { host: string; port: number }
}

async function listen(onSocket: (socket: Socket) => void): Promise<Listening> {
  const plain = createServer({ allowHalfOpen: true }, onSocket)
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  const address = plain.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server: plain, address: { host: '127.0.0.1', port: address.port } }
}

function framed(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}

const query = (text: string): Buffer => framed('Q', Buffer.from(`${text}\0`))
const sync = (): Buffer => framed('S', Buffer.alloc(0))

function extended(text: string, parameter?: string): Buffer {
  const zero = Buffer.alloc(2)
  const values =
    parameter === undefined
      ? zero
      : Buffer.concat([Buffer.from([0, 1, 0, 0, 0, parameter.length]), Buffer.from(parameter)])
  return Buffer.concat([
    framed('P', Buffer.concat([Buffer.from(`\0${text}\0`), zero])),
    framed('B', Buffer.concat([Buffer.from('\0\0'), zero, values, zero])),
    framed('E', Buffer.alloc(5)),
  ])
}

/**
 * Sends bytes on a bare session and gives what it hears before the end: types, with the tag or the
 * status.
 */
async function talk(bytes: Buffer, beforehand: () => void): Promise<string[]> {
  const socket = connectSocket(proxy.port, proxy.host)
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from('user\0wire\0\0')])
  socket.write(framed('', body))
  await new Promise((resolve) => socket.once('data', resolve))
  beforehand()
  socket.write(bytes)
  const heard = Buffer.concat(await socket.toArray())
  const messages: string[] = []
  for (let at = 0; at < heard.length; ) {
    const type = String.fromCharCode(heard[at]!)
    const end = at + 1 + heard.readInt32BE(at + 1)
    const detail = heard.toString('utf8', at + 5, end).replace(/\0$/, '')
    messages.push(type === 'C' || type === 'Z' ? `${type} ${detail}` : type)
    at = end
  }
  return messages
}

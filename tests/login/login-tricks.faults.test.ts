import { createHash } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { type ConnectionPool, createPool, type Driver, PoolhouseError } from '@poolhouse/core'
import { SeededRandom } from '@poolhouse/core/testing'
import { createHealthHandlers, createManager } from '@poolhouse/manager'
import { startWireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'

const USER = 'wire'
const PASSWORD = 'p4ssw0rd "%\\ 4711'
// What a server could make a log-in, or an attack with a dictionary, of.
const TELLING = [
  PASSWORD,
  encodeURIComponent(PASSWORD),
  JSON.stringify(PASSWORD).slice(1, -1),
  Buffer.from(PASSWORD).toString('base64'),
  createHash('md5').update(`${PASSWORD}${USER}`).digest('hex'),
]

const frame = (kind: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body as string)
  const head = Buffer.alloc(5, kind)
  head.writeUInt32BE(4 + bytes.length, 1)
  return Buffer.concat([head, bytes])
}
const request = (code: number, body: Buffer | string = ''): Buffer => {
  const number = Buffer.alloc(4)
  number.writeInt32BE(code)
  return frame('R', Buffer.concat([number, Buffer.from(body as string)]))
}
const OK = request(0)
const READY = frame('Z', 'I')
const CLEARTEXT = request(3)
const MD5 = request(5, 'salt')
const SCRAM = request(10, 'SCRAM-SHA-256\0\0')
const error = (message: string): Buffer =>
  frame('E', `SFATAL\0VFATAL\0C28P01\0M${message}\0D${message}\0\0`)
const challenge = (received: string, rest: string): Buffer =>
  request(11, `r=${/r=([^,\0]+)/.exec(received)?.[1] ?? ''}${rest}`)

/** What a server sends first, and after each answer of the client. */
type Trick = (received: string, turn: number) => Buffer | readonly Buffer[] | undefined

const first =
  (...bytes: Buffer[]): Trick =>
  (_received, turn) =>
    turn === 0 ? Buffer.concat(bytes) : CLEARTEXT
const afterScram =
  (then: (received: string) => Buffer): Trick =>
  (received, turn) =>
    turn === 0 ? SCRAM : turn === 1 ? then(received) : Buffer.concat([OK, READY])

const TRICKS: readonly (readonly [string, Trick])[] = [
  ['asks for it in clear text', first(CLEARTEXT)],
  ['asks for MD5', first(MD5)],
  ['asks for MD5 with half a salt', first(request(5, 'sa'))],
  ['asks for MD5 with a long salt', first(request(5, 'salt and pepper'))],
  ['asks for Kerberos 5', first(request(2))],
  ['asks for crypt', first(request(4, 'sa'))],
  ['asks for SCM credentials', first(request(6))],
  ['asks for GSSAPI', first(request(7))],
  ['goes on with GSSAPI', first(request(8, 'token'))],
  ['asks for SSPI', first(request(9))],
  ['asks for an unknown method', first(request(99, PASSWORD.slice(0, 4)))],
  ['asks for a negative method', first(request(-1))],
  ['lets in without a question', first(OK, READY)],
  ['lets in and asks for it behind', first(OK, CLEARTEXT)],
  ['offers no mechanism', first(request(10, '\0'))],
  ['offers PLAIN', first(request(10, 'PLAIN\0\0'))],
  ['offers SHA-1', first(request(10, 'SCRAM-SHA-1\0\0'))],
  ['offers a binding without TLS', first(request(10, 'SCRAM-SHA-256-PLUS\0\0'))],
  ['goes on with what it has not begun', first(request(11, 'r=a,s=YQ==,i=4096'))],
  ['ends what it has not begun', first(request(12, 'v=YQ=='))],
  ['begins SCRAM and asks for clear text', afterScram(() => CLEARTEXT)],
  ['begins SCRAM and asks for MD5', afterScram(() => MD5)],
  ['begins SCRAM and lets in', afterScram(() => Buffer.concat([OK, READY]))],
  ['begins SCRAM twice', afterScram(() => SCRAM)],
  ['answers with a nonce of its own', afterScram(() => request(11, 'r=mine,s=YQ==,i=4096'))],
  ['adds nothing to the nonce', afterScram((received) => challenge(received, ',s=YQ==,i=4096'))],
  ['wants no iteration', afterScram((received) => challenge(received, 'x,s=YQ==,i=0'))],
  ['wants one iteration', afterScram((received) => challenge(received, 'x,s=YQ==,i=1'))],
  [
    'wants endless iterations',
    afterScram((received) => challenge(received, 'x,s=YQ==,i=2147483647')),
  ],
  ['gives no salt', afterScram((received) => challenge(received, 'x,s=,i=4096'))],
  [
    'sends an extension that must be understood',
    afterScram((received) => challenge(received, 'x,m=1,s=YQ==,i=4096')),
  ],
  [
    'proves nothing',
    (received, turn) =>
      turn === 2
        ? Buffer.concat([request(12, 'v='), OK, READY])
        : turn === 1
          ? challenge(received, 'x,s=c2FsdA==,i=4096')
          : SCRAM,
  ],
  ['repeats what it was sent', (received) => error(received.replaceAll('\0', ' '))],
  ['is a web server', first(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
  ['sends rows before the log-in', first(frame('D', '\0\0'), CLEARTEXT)],
  ['sends parameters before the log-in', first(frame('S', 'a\0b\0'), CLEARTEXT)],
  ['sends another version of the protocol', first(frame('v', '\0\0\0\0\0\0\0\0'), CLEARTEXT)],
  ['sends a frame without an end', first(Buffer.from('R\x7f\xff\xff\xff', 'latin1'))],
]

interface Spy extends AsyncDisposable {
  readonly port: number
  /** All that clients have sent, as one character for each byte. */
  readonly received: () => string
}

async function listen(
  serve: (socket: Socket, note: (bytes: Buffer) => void) => void,
): Promise<Spy> {
  let received = ''
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket, (bytes) => {
      received += bytes.toString('latin1')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    received: () => received,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const play = (trick: Trick): Promise<Spy> =>
  listen((socket, note) => {
    let turn = 0
    socket.on('data', (bytes) => {
      note(bytes)
      const answer = turn > 3 ? undefined : trick(bytes.toString('latin1'), turn++)
      if (answer === undefined) socket.end()
      else socket.write(Buffer.concat([answer].flat()))
    })
  })

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = value
  return changed
}

/** What stands between a server and its clients, and changes a few of the server's bytes. */
const mutate = (port: number, random: () => number): Promise<Spy> =>
  listen((socket, note) => {
    const upstream = connect(port, '127.0.0.1')
    upstream.on('error', () => socket.destroy())
    upstream.on('close', () => socket.end())
    socket.on('close', () => upstream.destroy())
    socket.on('data', (bytes) => {
      note(bytes)
      upstream.write(bytes)
    })
    const pick = (most: number): number => Math.floor(random() * most)
    let turn = pick(4)
    upstream.on('data', (bytes) => {
      if (turn-- !== 0) {
        socket.write(bytes)
        return
      }
      const at = pick(bytes.length)
      const changed = [
        () => withByte(bytes, at, bytes[at]! ^ (1 << pick(8))),
        () => withByte(bytes, Math.min(8, at), pick(13)),
        () => bytes.subarray(0, at),
        () => Buffer.concat([bytes, bytes]),
        () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + pick(8))]),
        () => Buffer.concat([[CLEARTEXT, MD5, OK, SCRAM, READY][pick(5)]!, bytes]),
        () => Buffer.concat([bytes, [CLEARTEXT, MD5, OK, SCRAM, READY][pick(5)]!]),
      ][pick(7)]!()
      socket.write(changed)
    })
  })

function shown(value: unknown): string {
  const texts = [inspect(value, { depth: 10, showHidden: true }), String(value)]
  try {
    texts.push(JSON.stringify(value) ?? '')
  } catch {
    // What refers to itself shows nothing that way.
  }
  for (let each = value; each instanceof Error; each = each.cause) {
    texts.push(each.stack ?? '', JSON.stringify(Object.getOwnPropertyDescriptors(each)))
  }
  return texts.join('\n')
}

function expectNothingTold(...values: readonly unknown[]): void {
  for (const value of values) {
    const text = typeof value === 'string' ? value : shown(value)
    for (const secret of TELLING) expect(text.includes(secret)).toBe(false)
  }
}

const connectionTo = (port: number) => ({
  host: '127.0.0.1',
  port,
  user: USER,
  database: USER,
  password: PASSWORD,
  ssl: false as const,
})

async function open(
  driver: Driver,
  port: number,
): Promise<{ pool: ConnectionPool; told: unknown[] }> {
  const connection = connectionTo(port)
  const pool = createPool({
    driver,
    connection,
    max: 1,
    connectTimeoutMs: 400,
    acquireTimeoutMs: 500,
  })
  const told: unknown[] = []
  for (const name of ['connect', 'destroy', 'error'] as const)
    pool.on(name, (event) => told.push(event))
  return { pool, told }
}

describe.each(DRIVERS)('a hostile server, over $driver', ({ make }) => {
  it.each(TRICKS)(
    'T39: that %s gets nothing of the password, and nothing shows it',
    async (_what, trick) => {
      await using spy = await play(trick)
      const { pool, told } = await open(make(), spy.port)
      const refused = await failureOf(pool.query('select 1'))
      expect(refused).toBeInstanceOf(PoolhouseError)
      expect(refused).toMatchObject({ executed: 'no' })
      expectNothingTold(refused, told, pool, pool.inspect(), pool.stats(), spy.received())
      expect(spy.received()).not.toMatch(/md5[0-9a-f]{32}/)
      await pool.close({ timeoutMs: 0 })
    },
  )

  it('T39: 200 answers that were changed on their way tell nothing, and leave no call unsettled', async () => {
    const seed = 13
    const random = new SeededRandom(seed).next
    await using wire = await startWireServer({ auth: 'scram-sha-256', password: PASSWORD })
    let refused = 0
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          await using spy = await mutate(wire.port, random)
          const { pool, told } = await open(make(), spy.port)
          const outcome = await pool
            .query('select 1 as n', [], { timeoutMs: 600 })
            .catch((reason: unknown) => reason)
          if (outcome instanceof Error) {
            refused++
            expect(outcome, `seed ${seed}`).toBeInstanceOf(PoolhouseError)
          }
          expectNothingTold(outcome, told, pool, pool.inspect(), spy.received())
          expect(spy.received()).not.toMatch(/md5[0-9a-f]{32}/)
          await pool.close({ timeoutMs: 0 })
        }),
      )
    }
    expect(refused).toBeGreaterThan(50)
  })

  it('T36, T39: a manager of such servers tells nothing in its health, its statistics and its answers over HTTP', async () => {
    await using spy = await play(first(CLEARTEXT))
    const manager = createManager({
      drivers: { only: make() },
      databases: { app: { primary: connectionTo(spy.port), pool: { acquireTimeoutMs: 500 } } },
      tenants: { resolve: () => ({ schema: 'x', user: 'other', password: PASSWORD }) },
    })
    const failures = [
      await failureOf(manager.database('app').query('select 1')),
      await failureOf(manager.tenant('x').query('select 1')),
      await failureOf(manager.ready({ timeoutMs: 300 })),
    ]
    const answers = await Promise.all(
      [true, false].map((details) =>
        createHealthHandlers(manager, { details, timeoutMs: 100 }).readyz.answer(),
      ),
    )
    expectNothingTold(...failures, ...answers, manager, manager.health(), manager.explainConfig())
    expectNothingTold(manager.stats({ tenants: ['x'] }), manager.database('app'), spy.received())
    expect(JSON.stringify(answers[1])).not.toMatch(/127\.0\.0\.1|wire/)
    await manager.close({ timeoutMs: 0 })
  })
})

import { createServer, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { type ConnectContext, ConnectionSettings, type DriverConnection } from '@poolhouse/core/kit'
import { StatementRules } from '@poolhouse/core/net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodePostgres } from '../../src/index.js'

/** What is used of the connection of `pg`, which writes messages. */
interface Writer {
  parse(statement: { name: string; text: string; types: readonly number[] }): void
  bind(bound: {
    statement: string
    values: readonly unknown[]
    valueMapper(value: unknown): unknown
  }): void
  describe(what: { type: string; name: string }): void
  execute(what: { portal: string; rows: number }): void
  close(what: { type: string; name: string }): void
  sync(): void
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** The bytes that `pg` writes. */
function byPg(write: (connection: Writer) => void): Buffer {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  const Connection = (pg as unknown as { Connection: new (config: object) => Writer }).Connection
  write(new Connection({ stream }))
  return Buffer.concat(chunks)
}

const frame = (kind: string, body = ''): Buffer => {
  const head = Buffer.from(`${kind}\0\0\0\0`)
  head.writeUInt32BE(4 + Buffer.byteLength(body), 1)
  return Buffer.concat([head, Buffer.from(body)])
}
const READY = frame('Z', 'I')

// ── a server that keeps what it is sent, and refuses it ──

let connection: DriverConnection
let received: Buffer[] = []
let answer: (socket: Socket, kind: string) => void = () => {}

function listen(socket: Socket): void {
  let held = Buffer.alloc(0)
  let isOpen = false
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    held = Buffer.concat([held, chunk])
    for (;;) {
      const head = isOpen ? 1 : 0
      if (held.length < head + 4) return
      const end = head + held.readUInt32BE(head)
      if (held.length < end) return
      const message = held.subarray(0, end)
      held = held.subarray(end)
      if (isOpen) {
        received.push(message)
        answer(socket, String.fromCharCode(message[0]!))
      } else {
        isOpen = true
        socket.write(Buffer.concat([frame('R', '\0\0\0\0'), READY]))
      }
    }
  })
}

const server = createServer(listen)

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const context: ConnectContext = {
    settings: new ConnectionSettings({
      endpoint: { host: '127.0.0.1', port, database: 'app' },
      user: 'app',
      password: undefined,
      applicationName: 'test',
      ssl: { mode: 'disable' },
      parameters: {},
    }),
    password: undefined,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    statements: new StatementRules(),
    listener: { closed() {}, notice() {}, notification() {}, parameter() {} },
  }
  connection = await nodePostgres().connect(context)
})

afterAll(() => {
  connection.destroy('the test is over')
  server.close()
})

/** The messages of a statement, as the server gets them. */
function sent(
  text: string,
  values?: readonly (string | null | Uint8Array)[],
  name?: string,
): Promise<Buffer[]> {
  received = []
  answer = (socket, kind) => {
    const refusal = frame('E', 'SERROR\0VERROR\0C42601\0Mno\0\0')
    if (kind === 'S' || kind === 'Q') socket.write(Buffer.concat([refusal, READY]))
  }
  return new Promise((resolve) => {
    // Of an undecoded statement bytes stay bytes.
    const undecoded = values?.some((value) => value instanceof Uint8Array) === true || undefined
    connection.run({ text, values, name, undecoded }, () => resolve(received))
  })
}

/** A Bind without the formats, which are said in several ways, and what they come to. */
function readBind(message: Buffer): unknown {
  let at = 5
  const text = (): string => {
    const end = message.indexOf(0, at)
    const found = message.toString('utf8', at, end)
    at = end + 1
    return found
  }
  const int16 = (): number => {
    at += 2
    return message.readUInt16BE(at - 2)
  }
  const [portal, statement] = [text(), text()]
  const formats = Array.from({ length: int16() }, int16)
  const count = int16()
  const values = Array.from({ length: count }, (_, index) => {
    const size = message.readInt32BE(at)
    at += 4
    if (size === -1) return null
    at += size
    const format = formats.length === 1 ? formats[0] : (formats[index] ?? 0)
    return [format, message.toString('hex', at - size, at)]
  })
  const results = Array.from({ length: int16() }, int16).filter((format) => format !== 0)
  expect(at).toBe(message.length)
  return { portal, statement, values, results }
}

// ── values drawn by a seed ──

const seed = Math.floor(Math.random() * 2 ** 31)
let state = seed
function draw(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
  return Math.floor((state / 0x8000_0000) * below)
}
const PIECES = ['a', 'select ', 'é', '€', '😀', '\ud800', "'", '\n', '$1', 'ß', '\u007f', '\u0080']
function drawText(): string {
  const lengths = [0, 1, 22, 23, 24, 25, 26, 60, 3_000]
  const length = lengths[draw(lengths.length)]!
  const plain = draw(2) === 0
  let text = ''
  while (text.length < length) text += plain ? 'x' : PIECES[draw(PIECES.length)]!
  return plain ? text : text.slice(0, length)
}
const drawValue = (): string | null => (draw(5) === 0 ? null : drawText())

describe(`messages, drawn with the seed ${seed}, are those of pg`, () => {
  it('for statements with values', async () => {
    for (let round = 0; round < 120; round++) {
      const text = drawText()
      const values = Array.from({ length: 1 + draw(6) }, drawValue)
      const name = draw(2) === 0 ? '' : `s${round}_${drawText().slice(0, 12)}`
      const messages = await sent(text, values, name === '' ? undefined : name)
      const [parse, bind, ...rest] = messages
      const expected = byPg((to) => to.parse({ name, text, types: [] }))
      // A text that may return other columns each time is prepared under no name.
      const isNamed = parse!.equals(expected)
      if (!isNamed) expect(parse).toEqual(byPg((to) => to.parse({ name: '', text, types: [] })))
      const statement = isNamed ? name : ''
      const bound = byPg((to) => to.bind({ statement, values, valueMapper: (value) => value }))
      expect(readBind(bind!)).toEqual(readBind(bound))
      const end = byPg((to) => {
        to.describe({ type: 'P', name: '' })
        to.execute({ portal: '', rows: 0 })
        to.sync()
      })
      expect(Buffer.concat(rest)).toEqual(end)
    }
  })

  it('for values of bytes, and for as many values as there may be', async () => {
    const values = [
      Buffer.from([0, 255, 10]),
      'text',
      null,
      Buffer.alloc(0),
      Buffer.alloc(70_000, 7),
    ]
    const [, bind] = await sent('select $1', ['\\x00', 'text', null, '', 'é'])
    const asText = byPg((to) =>
      to.bind({
        statement: '',
        values: ['\\x00', 'text', null, '', 'é'],
        valueMapper: (value) => value,
      }),
    )
    expect(readBind(bind!)).toEqual(readBind(asText))
    const asBytes = byPg((to) => to.bind({ statement: '', values, valueMapper: (value) => value }))
    const [, withBytes] = await sent('select $1', values)
    expect(readBind(withBytes!)).toEqual(readBind(asBytes))
    const many = Array.from({ length: 65_533 }, (_, index) =>
      index % 3 === 0 ? null : String(index),
    )
    const [, most] = await sent('select $1', many)
    const byMany = byPg((to) =>
      to.bind({ statement: '', values: many, valueMapper: (value) => value }),
    )
    expect(readBind(most!)).toEqual(readBind(byMany))
  })

  it('for texts in the simple protocol', async () => {
    for (let round = 0; round < 60; round++) {
      const text = drawText()
      expect(Buffer.concat(await sent(text))).toEqual(byPg((to) => to.query(text)))
    }
  })

  it('for the data of a COPY', async () => {
    received = []
    answer = (socket, kind) => {
      if (kind === 'Q') socket.write(frame('G', '\0\0\0'))
      if (kind === 'c') socket.write(Buffer.concat([frame('C', 'COPY 1\0'), READY]))
    }
    const copy = await connection.copyIn('copy t from stdin')
    const pieces = ['', 'a\n', drawText(), 'é'.repeat(40_000)].map((text) => Buffer.from(text))
    for (const piece of pieces) await copy.write(piece)
    await copy.finish()
    const expected = byPg((to) => {
      to.query('copy t from stdin')
      for (const piece of pieces) to.sendCopyFromChunk(piece)
      to.endCopyFrom()
    })
    expect(Buffer.concat(received)).toEqual(expected)
  })
})

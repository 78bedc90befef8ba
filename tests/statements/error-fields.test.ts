import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'

type Fields = Readonly<Record<string, string>>

const QUERY = 'Q'.charCodeAt(0)
const SYNC = 'S'.charCodeAt(0)
const IDLE_TIMEOUT = 'terminating connection due to idle-session timeout'

function message(kind: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, kind)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function errorResponse(fields: Fields): Buffer {
  const texts = Object.entries(fields).map(([letter, text]) => `${letter}${text}\0`)
  return message('E', Buffer.from(`${texts.join('')}\0`))
}

const READY = message('Z', Buffer.from('I'))
const LET_IN = Buffer.concat([message('R', Buffer.alloc(4)), READY])
const EMPTY = Buffer.concat([message('I', Buffer.alloc(0)), READY])

describe.each(DRIVERS)('an ErrorResponse over $driver', ({ make }) => {
  /**
   * A pool over a server that accepts every log-in with `greeting` and answers the first statement
   * with `answer`, and is then silent or, with `ends`, gone. Later statements on the same
   * connection are answered as empty ones, and so is the question of the pool who it is.
   */
  async function poolOver(
    answer: Buffer,
    { greeting = LET_IN, ends = false }: { greeting?: Buffer; ends?: boolean } = {},
  ): Promise<ConnectionPool & { readonly sockets: number }> {
    let sockets = 0
    const server = createServer((socket) => {
      sockets++
      talk(socket, greeting, answer, ends)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const pool = createPool({
      driver: make(),
      connection: { host: '127.0.0.1', port, user: 'u', database: 'd' },
      max: 1,
      acquireTimeoutMs: 2_000,
    })
    onTestFinished(async () => {
      await pool.close({ timeoutMs: 100 })
      server.close()
    })
    return Object.defineProperty(pool, 'sockets', { get: () => sockets }) as never
  }

  const INCOMPLETE: readonly (readonly [string, Fields, string])[] = [
    ['no SQLSTATE', { S: 'ERROR', V: 'ERROR', M: 'm' }, 'XX000'],
    ['an SQLSTATE that is none', { S: 'ERROR', V: 'ERROR', C: '1', M: 'm' }, 'XX000'],
    ['no severity', { C: '22012', M: 'm' }, '22012'],
    ['the old severity field alone', { S: 'ERROR', C: '22012', M: 'm' }, '22012'],
    ['the severity in another language alone', { S: 'FEHLER', C: '22012', M: 'm' }, '22012'],
    ['a severity of a notice', { S: 'NOTICE', V: 'NOTICE', C: '22012', M: 'm' }, '22012'],
    ['a message alone', { M: 'm' }, 'XX000'],
    ['no field at all', {}, 'XX000'],
  ]

  it.each(INCOMPLETE)(
    'T17: with %s is a DatabaseError of its statement, and the connection is kept',
    async (_title, fields, code) => {
      for (const values of [undefined, [1]]) {
        const pool = await poolOver(Buffer.concat([errorResponse(fields), READY]))
        const error = await failureOf(pool.query('select 1', values))
        expect(error).toMatchObject({ name: 'DatabaseError', code, severity: 'ERROR' })
        expect(error).toMatchObject({ executed: 'rolled-back', retryable: false })
        expect(error.message).not.toBe('')
        await pool.query('')
        expect(pool.sockets).toBe(1)
        expect(pool.stats().counters.destroyed).toBe(0)
      }
    },
  )

  it.each(INCOMPLETE)(
    'T17: with %s before the end leaves its statement open',
    async (_title, fields) => {
      const pool = await poolOver(errorResponse(fields), { ends: true })
      const error = await failureOf(pool.query('select 1', [1]))
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    },
  )

  it.each(INCOMPLETE)('T17: with %s at the log-in is a ConnectError', async (_title, fields) => {
    const pool = await poolOver(READY, { greeting: errorResponse(fields), ends: true })
    const error = await failureOf(pool.query('select 1', undefined, { timeoutMs: 300 }))
    const refused = error.name === 'ConnectError' ? error : error.cause
    expect(error).toMatchObject({ executed: 'no' })
    expect(refused).toMatchObject({ name: 'ConnectError', executed: 'no' })
  })

  it.each([
    ['FATAL', '57P05', IDLE_TIMEOUT, {}, 'no'],
    ['FATAL', '25P03', 'terminating connection due to idle-in-transaction timeout', {}, 'no'],
    ['FATAL', '57P05', IDLE_TIMEOUT, { W: 'PL/Python function "f"' }, 'unknown'],
    ['FATAL', '25P04', 'terminating connection due to transaction timeout', {}, 'unknown'],
    ['FATAL', '57P01', 'terminating connection due to administrator command', {}, 'unknown'],
    ['FATAL', '57P03', 'the database system is shutting down', {}, 'unknown'],
    ['PANIC', 'XX000', 'out of everything', {}, 'unknown'],
    ['FATAL', '08P01', 'query_wait_timeout', {}, 'no'],
    ['ERROR', '08P01', 'query_wait_timeout', {}, 'no'],
    ['FATAL', '08P01', 'server conn crashed?', {}, 'unknown'],
    ['ERROR', '08P01', 'server conn crashed?', {}, 'unknown'],
    ['FATAL', '58000', 'failed to read kind from backend', {}, 'unknown'],
  ])(
    'T04: %s %s "%s" %o as the last words leaves the statement they cross as %s',
    async (severity, code, text, more, executed) => {
      const fields = { S: severity, V: severity, C: code, M: text, ...more }
      for (const values of [undefined, [1]]) {
        const pool = await poolOver(errorResponse(fields), { ends: true })
        const error = await failureOf(pool.query('select 1', values))
        expect(error).toMatchObject({ name: 'ConnectionLostError', executed, sqlState: code })
      }
    },
  )

  it('T04: an ERROR of PostgreSQL itself rolls back, whatever becomes of the session then', async () => {
    const fields = { S: 'ERROR', V: 'ERROR', C: '22012', M: 'division by zero', R: 'int4div' }
    const pool = await poolOver(errorResponse(fields), { ends: true })
    const error = await failureOf(pool.query('select 1/0'))
    expect(error).toMatchObject({ name: 'DatabaseError', code: '22012', executed: 'rolled-back' })
  })
})

function talk(socket: Socket, greeting: Buffer, answer: Buffer, ends: boolean): void {
  let started = false
  let answered = false
  let rest: Buffer = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const at = started ? 1 : 0
      if (rest.length < at + 4 || rest.length < at + rest.readInt32BE(at)) return
      const kind = rest[0]!
      const asksWho = rest.includes('pg_backend_pid')
      rest = rest.subarray(at + rest.readInt32BE(at))
      if (!started) {
        started = true
        socket.write(greeting)
        if (ends && greeting !== LET_IN) socket.end()
      } else if (asksWho) {
        socket.write(EMPTY)
      } else if (kind === QUERY || kind === SYNC) {
        socket.write(answered ? EMPTY : answer)
        if (ends && !answered) socket.end()
        answered = true
      }
    }
  })
}

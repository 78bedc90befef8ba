import { expect, test } from 'vitest'
import type { FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'
import { expectUsable } from '../../streams.js'

const COPY = 'copy t to stdout'
const PIECES: FakeReply = { pieces: ['1\n', '2\n', '3\n'] }

function server(
  reply: FakeReply = PIECES,
  options: Parameters<typeof harness>[0] = {},
  behaviour: Parameters<typeof harness>[1] = {},
): Harness {
  return harness(
    { max: 1, ...options },
    { onStatement: ({ text }) => (text === COPY ? reply : undefined), ...behaviour },
  )
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const piece of stream) text += Buffer.from(piece).toString()
  return text
}

test('gives the data as it comes and gives the connection back', async () => {
  const it = server()
  expect(await all(it.pool.copyTo(COPY))).toBe('1\n2\n3\n')
  await expectUsable(it)
})

test('acquires and sends nothing before the first piece is asked for', async () => {
  const it = server()
  it.pool.copyTo(COPY)
  await it.clock.settle()
  expect(it.driver.attempts).toBe(0)
})

test('a reader that leaves early cancels the rest and keeps the connection', async () => {
  let cancels = 0
  const it = server(
    PIECES,
    {},
    {
      onCancel: () => {
        cancels++
        return 20
      },
    },
  )
  const leave = async (): Promise<void> => {
    for await (const _piece of it.pool.copyTo(COPY)) break
  }
  const left = watch(leave())
  await it.clock.advance(20)
  expect(left.state).toBe('resolved')
  expect(cancels).toBe(1)
  await expectUsable(it)
})

test('a reader that leaves early costs the connection if the cancel request fails', async () => {
  const it = server(
    { pieces: ['1\n'], then: { hang: true } },
    {},
    { onCancel: () => new Error('no') },
  )
  const stream = it.pool.copyTo(COPY)
  await stream.next()
  const left = watch(stream.return())
  await it.clock.advance(5_000)
  expect(left.state).toBe('resolved')
  expect(it.pool.stats()).toMatchObject({ total: 0, leased: 0 })
})

test('T89: abort cancels, tells what the server says to that, and the connection is lent when both are over', async () => {
  const it = server({ pieces: ['1\n'], then: { hang: true } }, {}, { onCancel: () => 50 })
  const abort = new AbortController()
  const stream = it.pool.copyTo(COPY, { signal: abort.signal })
  await stream.next()
  const next = watch(stream.next())
  await it.clock.settle()
  abort.abort('gone')
  await it.clock.settle()
  expect(next.state).toBe('pending')
  expect(it.pool.stats()).toMatchObject({ leased: 1 })
  await it.clock.advance(50)
  expect(next.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back', cause: 'gone' })
  await expectUsable(it)
})

test('F54: abort before the server has begun to send cancels it as well', async () => {
  for (const answersAnyway of [false, true]) {
    const it = server(PIECES, {}, { statementMs: answersAnyway ? 30 : 100_000, onCancel: () => 50 })
    const abort = new AbortController()
    const next = watch(it.pool.copyTo(COPY, { signal: abort.signal }).next())
    await it.clock.advance(10)
    abort.abort()
    await it.clock.advance(200)
    expect(next.error).toMatchObject({ name: 'AbortError' })
    await expectUsable(it)
  }
})

test('timeoutMs is the limit of the whole copy, its reader included', async () => {
  const it = server()
  const stream = it.pool.copyTo(COPY, { timeoutMs: 500 })
  await stream.next()
  await it.clock.advance(505)
  // Given back before the reader comes again.
  await expectUsable(it)
  await expect(stream.next()).rejects.toMatchObject({
    name: 'StatementTimeoutError',
    timeoutMs: 500,
  })
})

test('an error in the middle keeps the connection', async () => {
  const it = server({ pieces: ['1\n'], then: { error: sqlError('22012') } })
  await expect(all(it.pool.copyTo(COPY))).rejects.toMatchObject({ code: '22012' })
  await expectUsable(it)
})

test('a lost session is told', async () => {
  const it = server({ pieces: ['1\n'], then: { lose: 'crash' } })
  await expect(all(it.pool.copyTo(COPY))).rejects.toMatchObject({ name: 'ConnectionLostError' })
  expect(it.pool.stats()).toMatchObject({ total: 0, leased: 0 })
})

test('X02: a transaction goes on after one that was read to its end, and is undone by one that was cancelled', async () => {
  const it = server()
  await it.pool.transaction(async (tx) => {
    expect(await all(tx.copyTo(COPY))).toBe('1\n2\n3\n')
  })
  const broken = it.pool.transaction(async (tx) => {
    for await (const _piece of tx.copyTo(COPY)) break
  })
  // The server fails a transaction whose statement is cancelled.
  await expect(broken).rejects.toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
  await expectUsable(it)
})

test('a lease is busy with it', async () => {
  const it = server()
  const lease = await it.pool.acquire()
  const stream = lease.copyTo(COPY)
  await stream.next()
  await expect(lease.query('select 1')).rejects.toThrow('a copyTo is open on this lease')
  expect(await all(stream)).toBe('2\n3\n')
  await lease.query('select 1')
  lease.release()
  await expectUsable(it)
})

test('refuses what is no COPY … TO STDOUT, and wrong options, by name', () => {
  const { pool } = server()
  expect(() => pool.copyTo('copy t from stdin')).toThrow('that one is for copyFrom')
  expect(() => pool.copyTo('select 1')).toThrow('copyTo: expected one statement COPY … TO STDOUT')
  expect(() => pool.copyTo("copy t to '/tmp/file'")).toThrow('run anything else with query')
  expect(() => pool.copyTo(COPY, { batchSize: 5 } as never)).toThrow('unknown option "batchSize"')
})

test('T122: a copyTo longer than leakWarningMs is no leak while it is read', async () => {
  const pieces = ['1\n', '2\n', '3\n', '4\n', '5\n', '6\n', '7\n']
  const it = server({ pieces }, { leakWarningMs: 1_000 })
  const leaks: unknown[] = []
  it.pool.on('leak', (event) => leaks.push(event))
  const stream = it.pool.copyTo(COPY)
  for (let piece = 0; piece < 6; piece++) {
    watch(stream.next())
    await it.clock.advance(800)
  }
  expect(leaks).toEqual([])
  await it.clock.advance(3_000)
  expect(leaks).toHaveLength(1)
})

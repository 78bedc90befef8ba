import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { CopySource } from '../../../src/index.js'
import { CopyPieces } from '../../../src/stream/copy-pieces.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'
import { expectUsable } from '../../streams.js'

const COPY = 'copy t from stdin'

function server(
  reply?: FakeReply,
  options: Parameters<typeof harness>[0] = {},
  behaviour: Parameters<typeof harness>[1] = {},
): Harness {
  return harness(
    { max: 1, ...options },
    { onStatement: ({ text }) => (text === COPY ? reply : undefined), ...behaviour },
  )
}

/** A source that says what became of it, and that gives one piece for each chunk. */
class Source implements AsyncIterable<Uint8Array> {
  given = 0
  returned = 0
  readonly #pieces: number
  readonly #after: () => Promise<IteratorResult<Uint8Array>>

  /** After its pieces it ends, or does as `after` says. */
  constructor(
    pieces: number,
    after: () => Promise<IteratorResult<Uint8Array>> = async () => ({
      done: true,
      value: undefined,
    }),
  ) {
    this.#pieces = pieces
    this.#after = after
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        if (this.given === this.#pieces) return await this.#after()
        this.given++
        return { done: false, value: new Uint8Array(16_384).fill(0x61) }
      },
      return: async () => {
        this.returned++
        return { done: true, value: undefined }
      },
    }
  }
}

async function* generated(): AsyncGenerator<string> {
  yield '1\n'
  yield '2\n3\n'
}

const never = (): Promise<never> => new Promise(() => {})

test.each<[string, () => CopySource]>([
  ['an array of strings', () => ['1\n', '2\n', '3\n']],
  ['one string', () => '1\n2\n3\n'],
  ['bytes', () => [Buffer.from('1\n2\n'), new Uint8Array([0x33, 0x0a])]],
  ['both, in their order', () => ['1', Buffer.from('\n2'), '\n', Buffer.from('3\n')]],
  ['a Readable', () => Readable.from([Buffer.from('1\n2'), Buffer.from('\n3\n')])],
  ['a generator', generated],
])('copies %s', async (_what, source) => {
  const it = server()
  expect(await it.pool.copyFrom(COPY, source())).toEqual({ rowCount: 3, command: 'COPY' })
  expect(it.session().copied).toEqual(['1\n2\n3\n'])
  await expectUsable(it)
})

test('copies nothing from a source without data', async () => {
  const it = server()
  expect(await it.pool.copyFrom(COPY, [])).toMatchObject({ rowCount: 0 })
  await expectUsable(it)
})

test('reads the source no faster than the server takes it, and not before it is ready', async () => {
  const it = server(undefined, {}, { statementMs: 10 })
  const source = new Source(5)
  const copy = watch(it.pool.copyFrom(COPY, source))
  await it.clock.advance(9)
  expect(source.given).toBe(0)
  await it.clock.advance(11)
  expect(source.given).toBeLessThanOrEqual(2)
  await it.clock.advance(20)
  expect(source.given).toBeLessThanOrEqual(4)
  await it.clock.advance(100)
  expect(copy.state).toBe('resolved')
  expect(source).toMatchObject({ given: 5, returned: 0 })
})

test('gives the event loop its turns, however willing source and server are', async () => {
  const it = server()
  const abort = new AbortController()
  const source = new Source(100)
  const copy = watch(it.pool.copyFrom(COPY, source, { signal: abort.signal }))
  setImmediate(() => abort.abort())
  await it.clock.settle()
  expect(copy.error).toMatchObject({ name: 'AbortError' })
  expect(source.given).toBeLessThan(80)
  await expectUsable(it)
})

test('a source that fails undoes the copy, is the error, and keeps the connection', async () => {
  const it = server()
  const error = new Error('the file is broken')
  const source = new Source(2, () => Promise.reject(error))
  await expect(it.pool.copyFrom(COPY, source)).rejects.toBe(error)
  expect(it.session().copied).toEqual([])
  // It has ended by failing.
  expect(source.returned).toBe(0)
  await expectUsable(it)
})

test('a source that gives anything but strings and bytes is ended, and undoes the copy', async () => {
  const it = server()
  let ended = false
  function* source(): Generator<string> {
    try {
      yield 'a'
      yield 5 as never
    } finally {
      ended = true
    }
  }
  await expect(it.pool.copyFrom(COPY, source())).rejects.toThrow(
    'copyFrom: the source must give strings or Uint8Arrays, got 5',
  )
  expect(ended).toBe(true)
  await expectUsable(it)
})

test.each(['in the middle', 'at the end'])(
  'data that the server refuses %s end the source and keep the connection',
  async (when) => {
    const it = server({
      ...(when === 'in the middle' ? { takes: 2 } : {}),
      then: { error: sqlError('23505') },
    })
    const source = new Source(9)
    await expect(it.pool.copyFrom(COPY, source)).rejects.toMatchObject({
      name: 'DatabaseError',
      code: '23505',
      executed: 'rolled-back',
    })
    expect(source).toMatchObject(
      when === 'in the middle' ? { given: 3, returned: 1 } : { given: 9, returned: 0 },
    )
    await expectUsable(it)
  },
)

test('a statement that the server refuses leaves the source untouched', async () => {
  const it = server({ error: sqlError('42P01') })
  const source = new Source(1)
  await expect(it.pool.copyFrom(COPY, source)).rejects.toMatchObject({ code: '42P01' })
  expect(source).toMatchObject({ given: 0, returned: 0 })
  await expectUsable(it)
})

test('a session lost before the end of the data was sent has copied nothing', async () => {
  const it = server({ takes: 1, then: { lose: 'crash' } })
  await expect(it.pool.copyFrom(COPY, new Source(3))).rejects.toMatchObject({
    name: 'ConnectionLostError',
    executed: 'rolled-back',
    retryable: true,
  })
  expect(it.pool.stats()).toMatchObject({ total: 0, leased: 0 })
})

test('a session lost while the source is waited for is told at once', async () => {
  const it = server()
  const source = new Source(1, never)
  const copy = watch(it.pool.copyFrom(COPY, source))
  await it.clock.settle()
  it.session().lose('crash')
  await it.clock.settle()
  expect(copy.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
  expect(source.returned).toBe(1)
})

test('a session lost after the end of the data was sent leaves the copy in doubt', async () => {
  const it = server({ then: { lose: 'crash' } })
  await expect(it.pool.copyFrom(COPY, new Source(3))).rejects.toMatchObject({
    name: 'ConnectionLostError',
    executed: 'unknown',
  })
})

test('F54: abort while the source is waited for frees the caller at once and undoes the copy', async () => {
  const it = server()
  const abort = new AbortController()
  const source = new Source(1, never)
  const copy = watch(it.pool.copyFrom(COPY, source, { signal: abort.signal }))
  await it.clock.settle()
  expect(copy.state).toBe('pending')
  abort.abort('gone')
  await it.clock.settle()
  expect(copy.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back', cause: 'gone' })
  expect(source.returned).toBe(1)
  expect(it.session().copied).toEqual([])
  await expectUsable(it)
})

test('F54, T89: abort while the server takes data is told at once, for it undoes the copy; at the end the server says what became of it', async () => {
  for (const [reply, when] of [
    [{ takes: 1, then: { hang: true } }, 'at once'],
    [{ then: { hang: true } }, 'when it is confirmed'],
  ] as const) {
    const it = server(reply as FakeReply, {}, { onCancel: () => 50 })
    const abort = new AbortController()
    const copy = watch(it.pool.copyFrom(COPY, new Source(3), { signal: abort.signal }))
    await it.clock.settle()
    abort.abort()
    await it.clock.settle()
    expect(copy.state).toBe(when === 'at once' ? 'rejected' : 'pending')
    expect(it.pool.stats()).toMatchObject({ leased: 1 })
    await it.clock.advance(50)
    expect(copy.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
    await expectUsable(it)
  }
})

test('F55: abort before a connection was there has sent nothing', async () => {
  const it = server()
  const copy = it.pool.copyFrom(COPY, ['1\n'], { signal: AbortSignal.abort('early') })
  await expect(copy).rejects.toMatchObject({ name: 'AbortError', executed: 'no', cause: 'early' })
  expect(it.driver.attempts).toBe(0)
})

test('timeoutMs is the limit of the whole copy, and undoes it', async () => {
  const it = server()
  const copy = watch(it.pool.copyFrom(COPY, new Source(1, never), { timeoutMs: 500 }))
  await it.clock.advance(499)
  expect(copy.state).toBe('pending')
  await it.clock.advance(5)
  expect(copy.error).toMatchObject({
    name: 'StatementTimeoutError',
    executed: 'rolled-back',
    timeoutMs: 500,
  })
  await expectUsable(it)
})

test('the wait for a connection counts against timeoutMs', async () => {
  const it = server()
  await it.pool.acquire()
  const copy = watch(it.pool.copyFrom(COPY, ['1\n'], { timeoutMs: 500 }))
  await it.clock.advance(501)
  expect(copy.error).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
})

test('each answer of the server may take statementTimeoutMs; the time that the source takes is not counted', async () => {
  const slow = server(undefined, { statementTimeoutMs: 1_000 })
  let go: (() => void) | undefined
  const gate = new Promise<IteratorResult<Uint8Array>>((resolve) => {
    go = () => resolve({ done: true, value: undefined })
  })
  const patient = watch(slow.pool.copyFrom(COPY, new Source(1, () => gate)))
  await slow.clock.advance(60_000)
  go!()
  await slow.clock.settle()
  expect(patient.state).toBe('resolved')

  const stuck = server({ takes: 1, then: { hang: true } }, { statementTimeoutMs: 1_000 })
  const copy = watch(stuck.pool.copyFrom(COPY, new Source(3)))
  await stuck.clock.advance(1_005)
  expect(copy.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
  await expectUsable(stuck)
})

test('while it runs everything else on its lease is refused, and its release undoes it', async () => {
  const it = server()
  const lease = await it.pool.acquire()
  const copy = watch(lease.copyFrom(COPY, new Source(1, never)))
  await it.clock.settle()
  await expect(lease.query('select 1')).rejects.toThrow(/a copyFrom is open .* await it first/)
  lease.release()
  await it.clock.settle()
  expect(copy.error).toMatchObject({ name: 'LeaseReleasedError' })
  expect(it.session().copied).toEqual([])
  await expectUsable(it)
})

test('in a transaction it is a part of it: lost with it, and not committed by halves', async () => {
  const lossy = server({ then: { lose: 'crash' } })
  await expect(lossy.pool.transaction((tx) => tx.copyFrom(COPY, ['1\n']))).rejects.toMatchObject({
    name: 'ConnectionLostError',
    executed: 'rolled-back',
  })

  const it = server()
  let forgotten: ReturnType<typeof watch> | undefined
  const work = it.pool.transaction(async (tx) => {
    await tx.copyFrom(COPY, ['1\n'])
    forgotten = watch(tx.copyFrom(COPY, new Source(1, never)))
    await it.clock.settle()
  })
  await expect(work).rejects.toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
  expect(forgotten!.error).toMatchObject({ name: 'TransactionError' })
  await expectUsable(it)
})

test('close() undoes it at the deadline', async () => {
  const it = server()
  const copy = watch(it.pool.copyFrom(COPY, new Source(1, never)))
  await it.clock.settle()
  const closing = watch(it.pool.close({ timeoutMs: 1_000 }))
  await it.clock.advance(1_001)
  expect(copy.error).toMatchObject({ name: 'PoolClosedError' })
  await it.clock.advance(501)
  expect(closing.state).toBe('resolved')
})

test('a server that waits for data is not silent', async () => {
  const it = server()
  watch(it.pool.copyFrom(COPY, new Source(1, never)))
  await it.clock.advance(10_000)
  expect(it.pool.silentForMs()).toBe(0)
})

describe('what is no COPY … FROM STDIN', () => {
  test.each([
    ['select 1', 'run anything else with query'],
    ['insert into t select * from stdin', 'run anything else with query'],
    ["copy t from '/tmp/file'", 'run anything else with query'],
    ['copy t to stdout', 'that one is for copyTo'],
    ['copy (select * from stdin) to stdout', 'that one is for copyTo'],
    ['copy t from stdin; drop table t', 'run anything else with query'],
    ['begin; copy t from stdin', 'run anything else with query'],
    ['', 'run anything else with query'],
  ])('is refused with nothing acquired: %s', async (text, wayOut) => {
    const it = server()
    const copy = it.pool.copyFrom(text, ['1\n'])
    await expect(copy).rejects.toThrow(
      `copyFrom: expected one statement COPY … FROM STDIN; ${wayOut}`,
    )
    await expect(copy).rejects.toBeInstanceOf(TypeError)
    expect(it.driver.attempts).toBe(0)
  })

  test.each([
    'copy t from stdin',
    'COPY public."to stdout" (a, b) FROM STDIN WITH (FORMAT csv, NULL \'to stdout\');',
    '/* to stdout */ copy t from stdin where a > 1 -- ; select',
  ])('this is one: %s', async (text) => {
    const it = server()
    expect(await it.pool.copyFrom(text, ['1\n'])).toMatchObject({ rowCount: 1 })
  })
})

test('refuses wrong arguments by name', async () => {
  const { pool } = server()
  const call = (...args: unknown[]): Promise<unknown> =>
    pool.copyFrom(...(args as [string, string[]]))
  await expect(call(5, [])).rejects.toThrow('copyFrom: expected SQL text, got 5')
  for (const source of [undefined, 5, {}, null]) {
    await expect(call(COPY, source)).rejects.toThrow('copyFrom: source must be an iterable')
  }
  await expect(call(COPY, new Uint8Array(3))).rejects.toThrow('wrap it in an array')
  await expect(call(COPY, [], { timeout: 5 })).rejects.toThrow('did you mean "timeoutMs"?')
  await expect(call(COPY, [], { timeoutMs: 0 })).rejects.toThrow(RangeError)
})

describe('pieces', () => {
  const piecesOf = (chunks: (string | Uint8Array)[]): Buffer[] => {
    const pieces = new CopyPieces()
    const found = chunks.flatMap((chunk) => [...pieces.add(chunk)])
    return [...found, ...pieces.rest()].map((piece) => Buffer.from(piece))
  }

  test('small chunks travel together, large ones in parts', () => {
    const small = piecesOf(Array.from({ length: 100_000 }, (_, n) => `${n}\n`))
    expect(small.length).toBeLessThan(45)
    expect(Buffer.concat(small).toString().split('\n')[99_999]).toBe('99999')
    const large = piecesOf([
      new Uint8Array(5_000_000),
      'x'.repeat(1_000_000),
      '€'.repeat(1_000_000),
    ])
    expect(Math.max(...large.map(({ length }) => length))).toBeLessThanOrEqual(16_384)
    expect(large.reduce((sum, { length }) => sum + length, 0)).toBe(9_000_000)
  })

  test('a character is not torn apart, wherever it falls', () => {
    const text = `${'a'.repeat(16_383)}😀${'ü'.repeat(16_383)}😀`
    expect(Buffer.concat(piecesOf([text])).toString()).toBe(text)
    expect(Buffer.concat(piecesOf(text.split(''))).toString()).toBe(text)
  })

  test('a source may use its buffer again', () => {
    const pieces = new CopyPieces()
    const buffer = Buffer.from('first')
    expect([...pieces.add(buffer)]).toEqual([])
    buffer.write('other')
    expect([...pieces.rest()].map(String)).toEqual(['first'])
  })
})

test.each(['the server refuses', 'its time is up'])(
  'D6: a source whose end never comes delays no call when %s',
  async (why) => {
    const refusal: FakeReply = { takes: 2, then: { error: sqlError('23505') } }
    const it = server(why === 'the server refuses' ? refusal : undefined)
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          if (why === 'its time is up') await it.clock.advance(100)
          return { done: false as const, value: new Uint8Array(16_384) }
        },
        return: () => new Promise<never>(() => {}),
      }),
    }
    const limits = why === 'the server refuses' ? {} : { timeoutMs: 300 }
    const done = watch(it.pool.copyFrom(COPY, source, limits))
    await it.clock.advance(1_000)
    expect(done).toMatchObject({ state: 'rejected', error: { executed: 'rolled-back' } })
    await expectUsable(it)
  },
)

test.each([4, 16_384])(
  'T122: a copyFrom longer than leakWarningMs is no leak while its source gives %i bytes at a time',
  async (bytes) => {
    const it = server(undefined, { leakWarningMs: 1_000 })
    const leaks: unknown[] = []
    it.pool.on('leak', (event) => leaks.push(event))
    let chunks = 0
    async function* slow(): AsyncGenerator<Uint8Array> {
      while (chunks++ < 6) {
        await new Promise<void>((resolve) => it.clock.setTimer(resolve, 800))
        yield new Uint8Array(bytes)
      }
      await never()
    }
    watch(it.pool.copyFrom(COPY, slow()))
    await it.clock.advance(5_000)
    expect([chunks, leaks]).toEqual([7, []])
    await it.clock.advance(3_000)
    expect(leaks).toHaveLength(1)
  },
)

import { describe, expect, test } from 'vitest'
import {
  cleanMarkers,
  createMarkerTable,
  InDoubtError,
  type Statement,
  type Transaction,
} from '../../../src/index.js'
import type { FakeConnection, FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

interface Marker {
  attempt: string
  result: string | null
}

/**
 * A server that keeps markers as PostgreSQL would: what a transaction puts becomes visible with its
 * COMMIT.
 */
class MarkerServer {
  readonly markers = new Map<string, Marker>()
  readonly texts: string[] = []
  readonly ended: unknown[][] = []
  /**
   * Decides before anything else; returns a reply, or `lose after` to carry COMMIT out and lose its
   * answer.
   */
  fault: (text: string) => FakeReply | 'commit and lose' | undefined = () => undefined
  readonly it: Harness
  #open: { key: string; marker: Marker } | undefined

  constructor() {
    this.it = harness({ max: 2 }, { onStatement: (...seen) => this.#answer(...seen) })
  }

  #answer({ text, values = [] }: Statement, _connection: FakeConnection): FakeReply | undefined {
    this.texts.push(text)
    const fault = this.fault(text)
    if (fault !== undefined && fault !== 'commit and lose') {
      this.#open = undefined
      return fault
    }
    const [first, second] = values as string[]
    if (text.startsWith('insert into poolhouse_marker')) {
      if (this.markers.has(first!)) return { rows: [], command: 'INSERT' }
      this.#open = { key: first!, marker: { attempt: second!, result: null } }
      return { rows: [{ xid: '7', pid: '8', started_at: 'then' }], command: 'INSERT' }
    }
    if (text.startsWith('update poolhouse_marker')) this.#open!.marker.result = second!
    if (text.startsWith('select attempt')) {
      const marker = this.markers.get(first!)
      return { rows: marker === undefined ? [] : [marker] }
    }
    if (text.startsWith('select pg_catalog.pg_terminate_backend')) {
      this.ended.push([...values])
      return { rows: [] }
    }
    if (text === 'COMMIT' && this.#open !== undefined) {
      this.markers.set(this.#open.key, this.#open.marker)
      this.#open = undefined
      if (fault === 'commit and lose') return { lose: 'reset' }
    }
    if (text === 'ROLLBACK') this.#open = undefined
    return undefined
  }
}

function once<T>(what: T): () => T | undefined {
  let left: T | undefined = what
  return () => {
    const now = left
    left = undefined
    return now
  }
}

describe('a transaction with an idempotency key', () => {
  test('puts the key before its work and the result after it, in one transaction', async () => {
    const server = new MarkerServer()
    const done = watch(
      server.it.pool.transaction(
        async (tx) => {
          await tx.query('insert order')
          return { order: 1 }
        },
        { idempotencyKey: 'k' },
      ),
    )
    await server.it.clock.settle()
    expect(done.value).toEqual({ order: 1 })
    expect(server.texts.map((text) => text.split(' ').slice(0, 3).join(' '))).toEqual([
      'BEGIN',
      'insert into poolhouse_marker(key,',
      'insert order',
      'update poolhouse_marker set',
      'COMMIT',
    ])
    expect(server.markers.get('k')?.result).toBe('{"order":1}')
  })

  test('that was done before is not done again: the stored result is returned', async () => {
    for (const [stored, result] of [
      ['{"order":1}', { order: 1 }],
      ['null', null],
      [null, undefined],
    ] as const) {
      const server = new MarkerServer()
      server.markers.set('k', { attempt: 'of another process', result: stored })
      let runs = 0
      const done = watch(server.it.pool.transaction(async () => runs++, { idempotencyKey: 'k' }))
      await server.it.clock.settle()
      expect(done).toHaveProperty('value', result)
      expect(runs).toBe(0)
    }
  })

  test('S75: whose COMMIT was carried out without an answer is tried again, does nothing and returns its own result untouched', async () => {
    const server = new MarkerServer()
    const lose = once('commit and lose' as const)
    server.fault = (text) => (text === 'COMMIT' ? lose() : undefined)
    let runs = 0
    const result = { at: new Date(0), big: undefined }
    const done = watch(
      server.it.pool.transaction(
        async (tx) => {
          runs++
          await tx.query('insert order')
          return result
        },
        { idempotencyKey: 'k' },
      ),
    )
    await server.it.clock.advance(100)
    expect(done.value).toBe(result)
    expect(runs).toBe(1)
    // The process of the first attempt is ended in case it still holds the key.
    expect(server.ended).toEqual([['8', '7', 'then']])
  })

  test.each([
    ['S76: whose COMMIT never arrived', 'COMMIT', { lose: 'reset' }],
    ['S80: whose connection is lost before COMMIT', 'insert order', { lose: 'reset' }],
    ['whose connection is lost at BEGIN', 'BEGIN', { lose: 'reset' }],
    ['whose session is ended by the server', 'insert order', { error: sqlError('57P01', 'FATAL') }],
  ] as const)('%s is tried again and done once', async (_title, where, reply) => {
    const server = new MarkerServer()
    const fail = once(reply)
    server.fault = (text) => (text === where ? fail() : undefined)
    const done = watch(
      server.it.pool.transaction(
        async (tx) => {
          await tx.query('insert order')
          return 'done'
        },
        { idempotencyKey: 'k' },
      ),
    )
    await server.it.clock.advance(100)
    expect(done.value).toBe('done')
    expect(server.markers.size).toBe(1)
  })

  test('that another call with the key overtakes in an older snapshot is tried again', async () => {
    const server = new MarkerServer()
    const fail = once({ error: sqlError('40001') })
    server.fault = (text) => (text.startsWith('insert into poolhouse_marker') ? fail() : undefined)
    const done = watch(server.it.pool.transaction(async () => 'done', { idempotencyKey: 'k' }))
    await server.it.clock.advance(100)
    expect(done.value).toBe('done')
  })

  test('is tried until its time is up, and is then in doubt if an attempt was', async () => {
    for (const [options, untilMs] of [
      [{}, 10_000],
      [{ timeoutMs: 300 }, 300],
    ] as const) {
      const server = new MarkerServer()
      let commits = 0
      server.fault = (text) => {
        if (text === 'COMMIT') commits++
        return text === 'COMMIT' || (commits > 0 && text === 'BEGIN')
          ? { lose: 'reset' }
          : undefined
      }
      const done = watch(
        server.it.pool.transaction(async () => 'done', { idempotencyKey: 'k', ...options }),
      )
      await server.it.clock.advance(untilMs - 10)
      expect(done.state).toBe('pending')
      await server.it.clock.advance(520)
      expect(done.error).toBeInstanceOf(InDoubtError)
      expect(commits).toBe(1)
    }
  })

  test('T60: whose COMMIT is answered with an open outcome each time is tried once more, not until its time is up', async () => {
    const server = new MarkerServer()
    server.fault = (text) => (text === 'COMMIT' ? { error: sqlError('40003') } : undefined)
    let runs = 0
    const done = watch(server.it.pool.transaction(async () => runs++, { idempotencyKey: 'k' }))
    await server.it.clock.advance(1_000)
    expect(done.error).toBeInstanceOf(InDoubtError)
    expect(runs).toBe(2)
  })

  test('is tried as often as `retry` says when its work meets conflicts, and no more', async () => {
    const server = new MarkerServer()
    const { clock, pool } = server.it
    let runs = 0
    const call = watch(
      pool.transaction(
        async () => {
          runs++
          throw sqlError('40001')
        },
        { idempotencyKey: 'k', retry: { attempts: 3 } },
      ),
    )
    await clock.advance(60_000)
    expect(call.error).toMatchObject({ code: '40001' })
    expect(runs).toBe(3)
  })

  test('leaves each attempt all the time that is left', async () => {
    const server = new MarkerServer()
    const { clock, pool } = server.it
    const call = watch(
      pool.transaction(
        async (tx) => {
          await new Promise<void>((done) => clock.setTimer(done, 500))
          await tx.query('select 1')
          return 'done'
        },
        { idempotencyKey: 'k', timeoutMs: 1_000 },
      ),
    )
    await clock.advance(2_000)
    expect(call.value).toBe('done')
  })

  test('rejects with what its work threw, and leaves no key behind', async () => {
    const server = new MarkerServer()
    const doubt = new InDoubtError('of another database')
    let runs = 0
    const done = watch(
      server.it.pool.transaction(
        async () => {
          runs++
          throw doubt
        },
        { idempotencyKey: 'k' },
      ),
    )
    await server.it.clock.advance(1_000)
    expect(done.error).toBe(doubt)
    expect(runs).toBe(1)
    expect(server.markers.size).toBe(0)
  })

  test('that its work rolls back stores nothing and returns what the work returns', async () => {
    const server = new MarkerServer()
    const done = watch(
      server.it.pool.transaction(
        async (tx) => {
          await tx.rollback()
          return 'thought better of it'
        },
        { idempotencyKey: 'k' },
      ),
    )
    await server.it.clock.settle()
    expect(done.value).toBe('thought better of it')
    expect(server.markers.size).toBe(0)
  })

  test('whose result is no JSON is rolled back', async () => {
    const server = new MarkerServer()
    const done = watch(server.it.pool.transaction(async () => 1n, { idempotencyKey: 'k' }))
    await server.it.clock.settle()
    expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
    expect(done.error?.message).toMatch(/JSON/)
    expect(server.markers.size).toBe(0)
  })

  test('says how to make the table when it is missing', async () => {
    const server = new MarkerServer()
    server.fault = (text) =>
      text.startsWith('insert into poolhouse_marker') ? { error: sqlError('42P01') } : undefined
    const done = watch(server.it.pool.transaction(async () => {}, { idempotencyKey: 'k' }))
    await server.it.clock.settle()
    expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
    expect(done.error?.message).toMatch(/createMarkerTable/)
  })

  test('is aborted with an outcome as open as it is', async () => {
    const server = new MarkerServer()
    let lost = false
    server.fault = (text) => {
      if (lost) return { hang: true }
      lost = text === 'COMMIT'
      return lost ? { lose: 'reset' } : undefined
    }
    const abort = new AbortController()
    const { signal } = abort
    const work = async (_tx: Transaction): Promise<string> => 'done'
    const done = watch(server.it.pool.transaction(work, { idempotencyKey: 'k', signal }))
    await server.it.clock.advance(100)
    abort.abort('enough')
    await server.it.clock.settle()
    expect(done.error).toMatchObject({ name: 'AbortError', executed: 'unknown', cause: 'enough' })
  })

  test.each([
    [{ idempotencyKey: '' }, RangeError, /1 to 512/],
    [{ idempotencyKey: 'secret'.repeat(100) }, RangeError, /got 600$/],
    [{ idempotencyKey: 'secret\0' }, RangeError, /U\+0000/],
    [{ idempotencyKey: 'secret\ud800' }, TypeError, /idempotencyKey must be well-formed Unicode/],
    [{ idempotencyKey: '\udc00secret' }, TypeError, /idempotencyKey must be well-formed Unicode/],
    [{ idempotencyKey: 42 as unknown as string }, TypeError, /number$/],
    [{ idempotencyScope: 42 as unknown as string }, TypeError, /idempotencyScope must be a string/],
    [{ openWith: 'select 1' as unknown as Statement }, TypeError, /openWith must be a statement/],
    [{ idempotencyKey: 'secret', readOnly: true }, TypeError, /readOnly/],
  ])(
    'is refused with wrong options, without its key in the message',
    async (options, type, text) => {
      const { pool } = harness()
      const refusal = await pool.transaction(async () => {}, options).catch((error: Error) => error)
      expect(refusal).toBeInstanceOf(type)
      expect((refusal as Error).message).toMatch(text)
      expect((refusal as Error).message).not.toMatch(/secret/)
    },
  )
})

describe('the key of a scope', () => {
  async function storedFor(key: string, scope?: string): Promise<string> {
    const server = new MarkerServer()
    const options = { idempotencyKey: key, idempotencyScope: scope }
    await server.it.pool.transaction(async () => 'done', options)
    return [...server.markers.keys()].join()
  }

  test('T70: is another one than the same key of any other scope, or of none', async () => {
    const pairs: [string, string | undefined][] = [
      ['k', undefined],
      ['k', 'alice'],
      ['k', 'bob'],
      ['bc', 'a'],
      ['c', 'ab'],
      ['abc', ''],
      ['abc', undefined],
      ['c","x', 'a'],
      ['x', 'a","c'],
    ]
    const stored: string[] = []
    for (const [key, scope] of pairs) stored.push(await storedFor(key, scope))
    expect(new Set(stored).size).toBe(pairs.length)
    expect(await storedFor('k', 'alice')).toBe(stored[1])
    // A caller without a scope cannot choose what another scope's key is stored as.
    expect(await storedFor(stored[1]!)).not.toBe(stored[1])
    expect(await storedFor('k')).toBe('k')
    const longest = await storedFor('🐘'.repeat(256), 'tenant '.repeat(1_000))
    expect(longest.length).toBeLessThanOrEqual(512)
    for (const each of stored.slice(1, 5)) expect(each).not.toMatch(/alice|bob/)
  })

  test('T70: comes after what the transaction is opened with, in every attempt', async () => {
    const server = new MarkerServer()
    const lose = once<FakeReply>({ lose: 'reset' })
    server.fault = (text) => (text === 'work' ? lose() : undefined)
    const options = {
      idempotencyKey: 'k',
      idempotencyScope: 'alice',
      openWith: { text: 'select set_config($1, $2, true)', values: ['app.tenant', 'alice'] },
    }
    const done = watch(server.it.pool.transaction(async (tx) => tx.query('work'), options))
    await server.it.clock.advance(1_000)
    expect(done.state).toBe('resolved')
    const attempt = ['BEGIN', 'select set_config', 'insert into poolhouse']
    const first = server.texts.slice(0, 3)
    const again = server.texts
      .slice(server.texts.lastIndexOf('BEGIN'))
      .filter((text) => !text.startsWith('select pg_catalog'))
    for (const texts of [first, again.slice(0, 3)]) {
      expect(texts.map((text, at) => text.startsWith(attempt[at]!))).toEqual([true, true, true])
    }
  })

  test('T102: after a doubt that the next attempt refutes, the caller gets the error of the work', async () => {
    const server = new MarkerServer()
    const lose = once<FakeReply>({ lose: 'reset' })
    server.fault = (text) => (text === 'COMMIT' ? lose() : undefined)
    let times = 0
    const work = async (): Promise<void> => {
      if (++times === 2) throw new Error('the second time it fails')
    }
    const done = watch(server.it.pool.transaction(work, { idempotencyKey: 'k' }))
    await server.it.clock.advance(1_000)
    expect(times).toBe(2)
    expect(done.error?.message).toBe('the second time it fails')
  })
})

describe('the table of keys', () => {
  test('is made again once when another session was making it', async () => {
    const fail = once({ error: sqlError('23505') })
    const it = harness({}, { onStatement: () => fail() })
    await createMarkerTable(it.pool)
    expect(it.session().statements).toHaveLength(2)
  })

  test('is cleaned of what is older than was said', async () => {
    const seen: unknown[] = []
    const it = harness(
      {},
      {
        onStatement: ({ text, values }) => {
          seen.push(text.split(' ').slice(0, 3).join(' '), values)
          return { rows: [{}, {}], command: 'DELETE' }
        },
      },
    )
    expect(await cleanMarkers(it.pool, { olderThanMs: 5_000 })).toBe(2)
    expect(seen).toEqual(['delete from poolhouse_marker', ['5000']])
    await expect(cleanMarkers(it.pool, { olderThanMs: -1 })).rejects.toBeInstanceOf(RangeError)
    await expect(cleanMarkers(it.pool, {} as { olderThanMs: number })).rejects.toBeInstanceOf(
      TypeError,
    )
  })
})

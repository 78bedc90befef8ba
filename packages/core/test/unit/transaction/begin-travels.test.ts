import { describe, expect, test } from 'vitest'
import { BEGIN_FIRST, RESET_AROUND } from '../../../src/api/call-options.js'
import { tracing } from '../../../src/api/tracing.js'
import { DatabaseError, type Transaction, type TransactionOptions } from '../../../src/index.js'
import { resetFailure } from '../../../src/outcome/reset-failure.js'
import type { FakeDriverOptions, FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

const ROW = { xid: '7', pid: 8, lsn: '0/10', begun_at: 'now', wal_file: '00000003000000000000000A' }
const resolver = (() => ({})) as never

/** A server on which each trip takes 10 ms. */
function away(
  script: Record<string, FakeReply> = {},
  behaviour: Partial<FakeDriverOptions> = {},
): Harness {
  return harness(
    { max: 1 },
    { statementMs: 10, onStatement: ({ text }) => script[text], ...behaviour },
  )
}

/** Opens the only connection of the pool. */
async function warm(it: Harness): Promise<Harness> {
  const warmed = it.pool.warm()
  await it.clock.advance(10)
  await warmed
  return it
}

/** How long a transaction takes, in trips, and what was sent. */
async function tripsOf(
  it: Harness,
  work: (tx: Transaction) => Promise<unknown>,
  options?: TransactionOptions,
): Promise<{ trips: number; texts: string[] }> {
  await warm(it)
  const from = it.session().statements.length
  const begun = it.clock.now()
  const done = it.pool.transaction(work, options).then(() => it.clock.now() - begun)
  await it.clock.advance(1_000)
  return { trips: (await done) / 10, texts: it.session().statements.slice(from) }
}

describe('BEGIN goes out with the first statement', () => {
  test('which saves a round trip', async () => {
    const two = async (tx: Transaction): Promise<void> => {
      await tx.query('a')
      await tx.query('b')
    }
    const texts = ['BEGIN', 'a', 'b', 'COMMIT']
    expect(await tripsOf(away(), two)).toEqual({ trips: 3, texts })
    for (const sendsTogether of ['never', 'refused'] as const) {
      expect(await tripsOf(away({}, { sendsTogether }), two)).toEqual({ trips: 4, texts })
    }
  })

  test('with its modes, and with the statement that opens each transaction', async () => {
    const texts = ['BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY', 'settings', 'a', 'COMMIT']
    const options = {
      isolation: 'serializable',
      readOnly: true,
      openWith: { text: 'settings' },
    } as const
    expect(await tripsOf(away(), (tx) => tx.query('a'), options)).toEqual({ trips: 2, texts })
    for (const sendsTogether of ['never', 'refused'] as const) {
      const it = away({}, { sendsTogether })
      expect(await tripsOf(it, (tx) => tx.query('a'), options)).toEqual({ trips: 4, texts })
    }
  })

  test('also if that is a savepoint', async () => {
    const work = (tx: Transaction): Promise<unknown> => tx.savepoint((sp) => sp.query('a'))
    expect(await tripsOf(away(), work)).toEqual({
      trips: 4,
      texts: ['BEGIN', 'SAVEPOINT poolhouse_1', 'a', 'RELEASE SAVEPOINT poolhouse_1', 'COMMIT'],
    })
  })

  test('and what is called behind it, not awaited, runs behind it', async () => {
    const work = (tx: Transaction): Promise<unknown> =>
      Promise.all([tx.query('a'), tx.query('b'), tx.query('c')])
    expect(await tripsOf(away(), work)).toEqual({
      trips: 4,
      texts: ['BEGIN', 'a', 'b', 'c', 'COMMIT'],
    })
  })

  test('with COMMIT if the work sends nothing, so that the server was reached', async () => {
    const nothing = async (): Promise<void> => {}
    expect(await tripsOf(away(), nothing)).toEqual({ trips: 1, texts: ['BEGIN', 'COMMIT'] })
    expect(await tripsOf(away({}, { sendsTogether: 'refused' }), nothing)).toEqual({
      trips: 2,
      texts: ['BEGIN', 'COMMIT'],
    })
    expect(await tripsOf(away(), nothing, { openWith: { text: 'settings' } })).toEqual({
      trips: 2,
      texts: ['BEGIN', 'settings', 'COMMIT'],
    })
  })

  test('and not at all if the work sends nothing and fails, or rolls back', async () => {
    const it = await warm(away())
    for (const work of [
      (tx: Transaction) => tx.rollback(),
      () => Promise.reject(new Error('no stock')),
    ]) {
      const from = it.session().statements.length
      watch(it.pool.transaction<unknown>(work, { openWith: { text: 'settings' } }))
      await it.clock.advance(100)
      expect(it.session().statements.slice(from)).toEqual([])
      expect(it.pool.stats()).toMatchObject({ idle: 1, counters: { destroyed: 0 } })
    }
  })
})

describe('BEGIN goes out alone', () => {
  test('in front of a text of several statements', async () => {
    expect(await tripsOf(away(), (tx) => tx.query('a; b'))).toEqual({
      trips: 3,
      texts: ['BEGIN', 'a; b', 'COMMIT'],
    })
  })

  test.each(['stream', 'copyFrom', 'copyTo'] as const)(
    'in front of a %s, behind which the next call waits as ever',
    async (kind) => {
      const it = await warm(away({ out: { pieces: ['1\n'] }, rows: { rows: [{ n: 1 }] } }))
      const from = it.session().statements.length
      const done = watch(
        it.pool.transaction(async (tx) => {
          if (kind === 'copyFrom') await tx.copyFrom('copy t from stdin', ['1\n'])
          else if (kind === 'copyTo') for await (const _ of tx.copyTo('copy t to stdout'));
          else for await (const _ of tx.stream('rows'));
          await tx.query('a')
        }),
      )
      await it.clock.advance(1_000)
      expect(done).toMatchObject({ state: 'resolved' })
      const [begin, first, second, commit] = it.session().statements.slice(from)
      expect([begin, second, commit]).toEqual(['BEGIN', 'a', 'COMMIT'])
      expect(first).toMatch(/^(?:copy|rows)/)
      expect(it.driver.violations).toEqual([])
    },
  )

  test('if a pool over the pool asks for that, or asks for the identity with it', async () => {
    const first = { [BEGIN_FIRST]: true } as TransactionOptions
    expect((await tripsOf(away(), (tx) => tx.query('a'), first)).trips).toBe(3)
    const it = away(
      {},
      { onStatement: ({ text }) => (text.includes('; SELECT') ? { rows: [ROW] } : undefined) },
    )
    expect((await tripsOf(it, (tx) => tx.query('a'), { resolver })).trips).toBe(3)
  })

  test('in front of a copy that was to open every transaction, which is refused as ever', async () => {
    const it = away()
    const options = { openWith: { text: 'copy t from stdin' } }
    let runs = 0
    const done = watch(it.pool.transaction(async () => runs++, options))
    await it.clock.advance(100)
    expect(done.error).toMatchObject({ name: 'TypeError' })
    expect(runs).toBe(0)
    expect(it.session().statements).toEqual(['BEGIN', 'rollback'])
  })

  test('and before the work if a reset travels in front, which may fail', async () => {
    let failing = true
    const it = await warm(
      away(
        {},
        {
          onStatement: ({ text }) =>
            text === 'reset ahead' && failing ? { error: sqlError('XX000') } : undefined,
        },
      ),
    )
    const options = { [RESET_AROUND]: true } as TransactionOptions
    const first = watch(it.pool.transaction((tx) => tx.query('a'), options))
    await it.clock.advance(100)
    expect(first.state).toBe('resolved')
    let runs = 0
    const second = watch(
      it.pool.transaction((tx) => {
        runs++
        return tx.query('b')
      }, options),
    )
    await it.clock.advance(5)
    failing = false
    await it.clock.advance(1_000)
    expect(second.state).toBe('resolved')
    expect(runs).toBe(1)
    expect(it.pool.stats().counters.created).toBe(2)
  })
})

describe('a BEGIN that fails', () => {
  const refused = sqlError('0A000')

  test('is what the first call and the transaction reject with, and nothing else is sent', async () => {
    for (const sendsTogether of [undefined, 'refused'] as const) {
      const it = await warm(away({ BEGIN: { error: refused } }, sendsTogether && { sendsTogether }))
      const calls: ReturnType<typeof watch>[] = []
      const done = watch(
        it.pool.transaction(async (tx) => {
          calls.push(
            watch(tx.query('a')),
            watch(tx.query('b')),
            watch(tx.savepoint(async () => {})),
          )
          const stream = tx.stream('rows')
          calls.push(watch(stream.next()))
          await it.clock.settle()
          await new Promise<void>((next) => it.clock.setTimer(next, 50))
          calls.push(watch(tx.query('c')))
        }),
      )
      await it.clock.advance(1_000)
      expect(done.error).toBe(refused)
      expect(calls.map(({ error }) => error)).toEqual(Array.from({ length: 5 }, () => refused))
      expect(it.session().statements).toEqual(['BEGIN'])
      expect(it.pool.stats()).toMatchObject({ idle: 1, counters: { destroyed: 0 } })
    }
  })

  test('is what the transaction rejects with, whatever the work makes of it', async () => {
    for (const end of [
      () => 'all is well',
      () => {
        throw new Error('of the work')
      },
    ]) {
      const it = away({ BEGIN: { error: refused } })
      const done = watch(
        it.pool.transaction(async (tx) => {
          await tx.query('a').catch(() => {})
          return end()
        }),
      )
      await it.clock.advance(100)
      expect(done.error).toBe(refused)
    }
  })

  test('fails a stream and a copy that came first', async () => {
    const firsts: ((tx: Transaction) => Promise<unknown>)[] = [
      (tx) => tx.stream('rows').next(),
      (tx) => tx.copyFrom('copy t from stdin', ['1\n']),
      (tx) => tx.savepoint((sp) => sp.query('a')),
    ]
    for (const first of firsts) {
      const it = await warm(away({ BEGIN: { error: refused } }))
      const call = { is: undefined as ReturnType<typeof watch> | undefined }
      const done = watch(
        it.pool.transaction(async (tx) => {
          call.is = watch(first(tx))
          await new Promise<void>((next) => it.clock.setTimer(next, 50))
        }),
      )
      await it.clock.advance(1_000)
      expect([done.error, call.is?.error]).toEqual([refused, refused])
      expect(it.session().statements).toEqual(['BEGIN'])
    }
  })

  test('is not begun when what opens every transaction fails behind it', async () => {
    for (const sendsTogether of [undefined, 'refused'] as const) {
      const it = await warm(
        away({ settings: { error: refused } }, sendsTogether && { sendsTogether }),
      )
      const call = { is: undefined as ReturnType<typeof watch> | undefined }
      const done = watch(
        it.pool.transaction(
          async (tx) => {
            call.is = watch(tx.query('a'))
            await new Promise<void>((next) => it.clock.setTimer(next, 100))
          },
          { openWith: { text: 'settings' } },
        ),
      )
      await it.clock.advance(1_000)
      expect([done.error, call.is?.error]).toEqual([refused, refused])
      expect(it.session().statements).toEqual(['BEGIN', 'settings', 'rollback'])
      expect(it.session().sessionStatus).toBe('idle')
    }
  })

  test('is not begun when what opens every transaction may not be sent', async () => {
    const it = harness({ max: 1, pooler: 'pgbouncer' })
    const done = watch(
      it.pool.transaction((tx) => tx.query('a').catch(() => {}), {
        openWith: { text: 'set search_path to other' },
      }),
    )
    await it.clock.settle()
    expect(done.error?.name).toBe('SessionStateError')
    expect(it.session().statements).toEqual([])
  })

  test('says that it was BEGIN, and not the statement behind it', async () => {
    const it = away({ BEGIN: { error: sqlError('0A000') } })
    const done = watch(it.pool.transaction((tx) => tx.query('a')))
    await it.clock.advance(100)
    expect(done.error).toMatchObject({ code: '0A000', statement: 'BEGIN' })
  })

  test('ends a session that it says is over, and may be repeated as declared', async () => {
    const fatal = new DatabaseError('terminating', { code: '57P01', severity: 'FATAL' })
    let left = 1
    const it = away(
      {},
      {
        onStatement: ({ text }) => (text === 'BEGIN' && left-- > 0 ? { error: fatal } : undefined),
      },
    )
    let runs = 0
    const done = watch(
      it.pool.transaction(
        (tx) => {
          runs++
          return tx.query('a')
        },
        { retry: { attempts: 2 } },
      ),
    )
    await it.clock.advance(1_000)
    expect(done.state).toBe('resolved')
    expect(runs).toBe(2)
    expect(it.pool.stats().counters.created).toBe(2)
  })
})

describe('while BEGIN and the first statement are under way', () => {
  test('a lost session leaves nothing behind, and that may be repeated', async () => {
    const it = away({ a: { lose: 'crash' } })
    const call = { is: undefined as ReturnType<typeof watch> | undefined }
    const done = watch(
      it.pool.transaction((tx) => {
        const first = tx.query('a')
        call.is = watch(first)
        return first
      }),
    )
    await it.clock.advance(100)
    expect(done.error).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'rolled-back',
      retryable: true,
    })
    expect(call.is?.error).toBe(done.error)
  })

  test('a session that was lost before they were written leaves nothing behind', async () => {
    const it = await warm(away())
    const done = watch(
      it.pool.transaction((tx) => {
        it.session().lose('gone')
        return tx.query('a')
      }),
    )
    await it.clock.advance(100)
    expect(done.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  })

  test('a session that is found closed when they are written leaves nothing behind', async () => {
    const it = await warm(away())
    const done = watch(
      it.pool.transaction((tx) => {
        it.session().alive = false
        return tx.query('a')
      }),
    )
    await it.clock.advance(100)
    expect(done.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  })

  test('a BEGIN that was answered by itself is not followed by what was given up meanwhile', async () => {
    const it = await warm(away({}, { sendsTogether: 'refused', onCancel: () => 20 }))
    const abort = new AbortController()
    const call = { is: undefined as ReturnType<typeof watch> | undefined }
    const done = watch(
      it.pool.transaction(async (tx) => {
        call.is = watch(tx.query('a', [], { signal: abort.signal }))
        await tx.query('b')
      }),
    )
    await it.clock.advance(5)
    abort.abort('enough')
    await it.clock.advance(1_000)
    expect(call.is?.error).toMatchObject({ name: 'AbortError', executed: 'no' })
    expect(done.state).toBe('resolved')
    expect(it.session().statements).toEqual(['BEGIN', 'b', 'COMMIT'])
    expect(it.driver.violations).toEqual([])
  })

  test.each(['signal', 'timeoutMs', 'signal of the statement', 'timeoutMs of the statement'])(
    'a %s ends both, and the transaction is rolled back',
    async (by) => {
      for (const sendsTogether of [undefined, 'refused'] as const) {
        for (const hung of ['BEGIN', 'a']) {
          const it = await warm(
            away(
              { [hung]: { hang: true } },
              { onCancel: () => 5, ...(sendsTogether && { sendsTogether }) },
            ),
          )
          const abort = new AbortController()
          const limits = by.startsWith('signal') ? { signal: abort.signal } : { timeoutMs: 25 }
          const own = by.endsWith('statement')
          const done = watch(
            it.pool.transaction((tx) => tx.query('a', [], own ? limits : {}), own ? {} : limits),
          )
          await it.clock.advance(25)
          abort.abort('enough')
          await it.clock.advance(1_000)
          const which = `${hung}, ${sendsTogether}`
          const name = by.startsWith('signal') ? 'AbortError' : 'StatementTimeoutError'
          expect(done.error, which).toMatchObject({ name })
          expect(['no', 'rolled-back'], which).toContain(done.error?.executed)
          if (hung === 'BEGIN') expect(it.session().statements, which).not.toContain('a')
          expect(it.session().sessionStatus, which).toBe('idle')
          expect(it.pool.stats(), which).toMatchObject({ leased: 0, total: 1 })
          expect(it.driver.violations).toEqual([])
        }
      }
    },
  )

  test('a BEGIN that is answered after its call was given up is followed by one statement at a time', async () => {
    const it = await warm(
      away({}, { sendsTogether: 'refused', statementMs: () => 400, onCancel: () => 500 }),
    )
    const done = watch(
      it.pool.transaction((tx) =>
        Promise.allSettled([tx.query('a', [], { timeoutMs: 20 }), tx.query('b'), tx.query('c')]),
      ),
    )
    await it.clock.advance(10_000)
    expect(done.state).toBe('resolved')
    expect(it.session().statements).toEqual(['BEGIN', 'b', 'c', 'COMMIT'])
    expect(it.driver.violations).toEqual([])
  })

  test('a BEGIN that is found to have failed after its call was given up lets nothing through', async () => {
    const it = await warm(away({ BEGIN: { hang: true } }, { onCancel: () => 400 }))
    const seen: unknown[] = []
    const done = watch(
      it.pool.transaction(async (tx) => {
        const first = tx.query('a', [], { timeoutMs: 20 })
        const behind = tx.query('b')
        for (const call of await Promise.allSettled([first, behind])) {
          seen.push((call as PromiseRejectedResult).reason?.name)
        }
      }),
    )
    await it.clock.advance(3_000)
    expect(seen[0]).toBe('StatementTimeoutError')
    expect(done.state).toBe('rejected')
    expect(it.session().statements).not.toContain('b')
    expect(it.session().statements).not.toContain('COMMIT')
  })
})

test('a first statement that may not be sent leaves the transaction begun for the next one', async () => {
  for (const sendsTogether of [undefined, 'never', 'refused'] as const) {
    const it = await warm(away({}, sendsTogether && { sendsTogether }))
    const from = it.session().statements.length
    const done = watch(
      it.pool.transaction(async (tx) => {
        const refused = tx.query('copy t from stdin').catch((error: unknown) => error)
        await tx.query('a')
        return await refused
      }),
    )
    await it.clock.advance(1_000)
    expect(done.value).toBeInstanceOf(Error)
    expect(it.session().statements.slice(from)).toEqual(['BEGIN', 'a', 'COMMIT'])
  }
})

test('a driver that refuses the first statement before it is sent changes nothing about that', async () => {
  const it = await warm(away())
  const from = it.session().statements.length
  const done = watch(
    it.pool.transaction(async (tx) => {
      const { runTogether } = it.session()
      Object.assign(it.session(), {
        runTogether: () => {
          throw new Error('no such value')
        },
      })
      const refused = tx.query('bad').catch((error: Error) => error.message)
      const after = tx.query('a')
      Object.assign(it.session(), { runTogether })
      await after
      return await refused
    }),
  )
  await it.clock.advance(1_000)
  expect(done.value).toBe('no such value')
  expect(it.session().statements.slice(from)).toEqual(['BEGIN', 'a', 'COMMIT'])
})

test('a driver that refuses it only after BEGIN was answered changes nothing about that', async () => {
  const it = await warm(away({}, { sendsTogether: 'refused' }))
  const done = watch(
    it.pool.transaction(async (tx) => {
      const session = it.session()
      const run = session.run.bind(session)
      Object.assign(session, {
        run: (...args: Parameters<typeof run>) => {
          if (args[0].text === 'bad') throw new Error('no such value')
          run(...args)
        },
      })
      const refused = tx.query('bad').catch((error: Error) => error.message)
      await tx.query('a')
      return await refused
    }),
  )
  await it.clock.advance(1_000)
  expect(done.value).toBe('no such value')
  expect(it.session().statements).toEqual(['BEGIN', 'a', 'COMMIT'])
})

test('what opens every transaction counts among what changes its session', async () => {
  for (const sendsTogether of [undefined, 'refused'] as const) {
    const it = await warm(away({}, sendsTogether && { sendsTogether }))
    const openWith = { text: 'set search_path to other' }
    const done = watch(it.pool.transaction((tx) => tx.query('a'), { openWith }))
    await it.clock.advance(1_000)
    expect(done.state).toBe('resolved')
    expect(it.session().statements).toEqual([
      'BEGIN',
      openWith.text,
      'a',
      'COMMIT',
      'reset session',
    ])
  }
})

test('an error of another pool that could not reset its session does not run the work again', async () => {
  const it = harness({ max: 1 })
  const foreign = resetFailure(new Error('of another pool'))
  let runs = 0
  const done = watch(
    it.pool.transaction(async (tx) => {
      runs++
      await tx.query('a')
      throw foreign
    }),
  )
  await it.clock.settle()
  expect(done.error).toBe(foreign)
  expect(runs).toBe(1)
})

test('a statement that ended the transaction unseen has what is queued behind it refused', async () => {
  const it = await warm(away())
  it.driver.options.onStatement = ({ text }, connection) => {
    if (text === 'call p()') connection.transactionStatus = () => 'idle'
    return undefined
  }
  const behind = { is: undefined as ReturnType<typeof watch> | undefined }
  const done = watch(
    it.pool.transaction(async (tx) => {
      await tx.query('a')
      const ends = tx.query('call p()')
      behind.is = watch(tx.query('on its own'))
      await ends
    }),
  )
  await it.clock.advance(1_000)
  expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'unknown' })
  expect(behind.is?.error).toMatchObject({ name: 'TransactionError', executed: 'no' })
  expect(it.session().statements).not.toContain('on its own')
})

test('both are told to the tracing channel, each with its own end', async () => {
  const told: string[] = []
  const subscribers = {
    start: ({ statement }: { statement: string }) => told.push(`start ${statement}`),
    asyncStart: ({ statement, error }: { statement: string; error?: unknown }) =>
      told.push(`${error === undefined ? 'end' : 'failed'} ${statement}`),
  }
  tracing.query.subscribe(subscribers)
  try {
    const it = await warm(away({ bad: { error: sqlError('23505') } }))
    const done = watch(it.pool.transaction((tx) => tx.query('bad')))
    await it.clock.advance(1_000)
    expect(done.state).toBe('rejected')
  } finally {
    tracing.query.unsubscribe(subscribers)
  }
  expect([...told].sort()).toEqual([
    'end BEGIN',
    'end ROLLBACK',
    'failed bad',
    'start BEGIN',
    'start ROLLBACK',
    'start bad',
  ])
})

test('what was not awaited is not sent once BEGIN is answered, if the work has failed meanwhile', async () => {
  const cases = [
    ['a', { sendsTogether: 'refused' }],
    ['a; b', {}],
  ] as const
  for (const [text, behaviour] of cases) {
    const it = await warm(away({}, { ...behaviour, onCancel: () => 20 }))
    const call = { is: undefined as ReturnType<typeof watch> | undefined }
    const done = watch(
      it.pool.transaction((tx) => {
        call.is = watch(tx.query(text))
        throw new Error('work failed')
      }),
    )
    await it.clock.advance(1_000)
    expect(done.error?.message).toBe('work failed')
    expect(call.is?.error).toMatchObject({ name: 'LeaseReleasedError', executed: 'no' })
    expect(it.session().statements).not.toContain(text)
    expect(it.session().sessionStatus).toBe('idle')
    expect(it.driver.violations).toEqual([])
  }
})

test('each is traced once, also where they are sent one by one', async () => {
  const told: string[] = []
  const subscribers = {
    start: ({ statement }: { statement: string }) => told.push(`start ${statement}`),
    asyncStart: ({ statement }: { statement: string }) => told.push(`end ${statement}`),
  }
  tracing.query.subscribe(subscribers)
  try {
    const it = await warm(away())
    const done = watch(it.pool.transaction((tx) => tx.query('a; b')))
    await it.clock.advance(1_000)
    expect(done.state).toBe('resolved')
  } finally {
    tracing.query.unsubscribe(subscribers)
  }
  const texts = ['BEGIN', 'COMMIT', 'a; b']
  expect(told.sort()).toEqual([
    ...texts.map((text) => `end ${text}`),
    ...texts.map((text) => `start ${text}`),
  ])
})

test('what opens every transaction counts among what changes its session, whatever follows it', async () => {
  const it = await warm(away())
  const done = watch(
    it.pool.transaction((tx) => tx.query('copy t from stdin'), {
      openWith: { text: 'set a = 1' },
    } as TransactionOptions),
  )
  await it.clock.advance(1_000)
  expect(done.error?.name).toBe('TypeError')
  expect(it.session().statements).toContain('set a = 1')
  watch(it.pool.query('next'))
  await it.clock.advance(1_000)
  expect(it.session().settings.size).toBe(0)
})

test('the cancel request of a closing pool for BEGIN does not reach the first statement', async () => {
  const it = await warm(away({}, { sendsTogether: 'refused', onCancel: () => 15 }))
  const done = watch(it.pool.transaction((tx) => tx.query('a')))
  await it.clock.settle()
  const closed = watch(it.pool.close({ timeoutMs: 0 }))
  await it.clock.advance(10_000)
  expect(closed.state).toBe('resolved')
  expect(done.state).not.toBe('pending')
  expect(it.driver.violations).toEqual([])
})

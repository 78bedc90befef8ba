import { describe, expect, test } from 'vitest'
import { createPool, PoolhouseError, type Transaction } from '../../../src/index.js'
import { type FakeReply, fakeDriver, virtualClock } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

type Script = Record<string, FakeReply>

function scripted(script: Script, options: Parameters<typeof harness>[0] = {}): Harness {
  return harness({ max: 1, ...options }, { onStatement: ({ text }) => script[text] })
}

test('commits what its work did and resolves with its result', async () => {
  const it = harness({ max: 1 })
  const done = watch(
    it.pool.transaction(async (tx) => {
      const { rows } = await tx.query('insert')
      return rows.length
    }),
  )
  await it.clock.settle()
  expect(done).toMatchObject({ state: 'resolved', value: 0 })
  expect(it.session().statements).toEqual(['BEGIN', 'insert', 'COMMIT'])
  expect(it.pool.stats()).toMatchObject({ idle: 1 })
})

test.each([
  [
    { isolation: 'serializable', readOnly: true, deferrable: true },
    'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE',
  ],
  [{ isolation: 'repeatable read' }, 'BEGIN ISOLATION LEVEL REPEATABLE READ'],
  [{ readOnly: false }, 'BEGIN READ WRITE'],
  [{}, 'BEGIN'],
] as const)('begins with the options %j', async (options, begin) => {
  const it = harness({ max: 1 })
  watch(it.pool.transaction(async () => {}, options))
  await it.clock.settle()
  expect(it.session().statements[0]).toBe(begin)
})

test('F52: rolls back, rejects with the same error and keeps the connection when its work fails', async () => {
  const fault = new Error('work failed')
  for (const [work, statements] of [
    [
      async () => {
        throw fault
      },
      [],
    ],
    [
      () => {
        throw fault
      },
      [],
    ],
    [
      async (tx: Transaction) => {
        await tx.query('insert')
        throw fault
      },
      ['BEGIN', 'insert', 'ROLLBACK'],
    ],
  ] as const) {
    const it = harness({ max: 1 })
    const done = watch(it.pool.transaction(work as () => Promise<never>))
    await it.clock.settle()
    expect(done.error).toBe(fault)
    expect(it.session().statements).toEqual(statements)
    expect(it.pool.stats()).toMatchObject({ idle: 1, counters: { destroyed: 0 } })
  }
})

test('tx.rollback rolls back at once; the rest of the work can send nothing, and its result is delivered', async () => {
  const it = harness({ max: 1 })
  let late: unknown
  const done = watch(
    it.pool.transaction(async (tx) => {
      await tx.query('select')
      await tx.rollback()
      late = await tx.query('insert').catch((error: unknown) => error)
      return 'result'
    }),
  )
  await it.clock.settle()
  expect(done.value).toBe('result')
  expect(late).toMatchObject({ name: 'TransactionError' })
  expect(it.session().statements).toEqual(['BEGIN', 'select', 'ROLLBACK'])
})

test('savepoints nest, and a failed one is undone alone', async () => {
  const it = scripted({ bad: { error: sqlError('23505') } })
  const done = watch(
    it.pool.transaction(async (tx) => {
      await tx.query('a')
      await tx.savepoint(async (outer) => {
        await outer.query('b')
        await outer.savepoint((inner) => inner.query('bad')).catch(() => {})
        await outer.query('c')
      })
    }),
  )
  await it.clock.settle()
  expect(done.error).toBeUndefined()
  expect(it.session().statements).toEqual([
    'BEGIN',
    'a',
    'SAVEPOINT poolhouse_1',
    'b',
    'SAVEPOINT poolhouse_2',
    'bad',
    'ROLLBACK TO SAVEPOINT poolhouse_2',
    'c',
    'RELEASE SAVEPOINT poolhouse_1',
    'COMMIT',
  ])
})

test('F36: COMMIT answered with ROLLBACK is a failure, caused by the statement that failed first', async () => {
  const cause = sqlError('23505')
  const it = scripted({ bad: { error: cause } })
  const done = watch(
    it.pool.transaction(async (tx) => {
      await tx.query('bad').catch(() => {})
      await tx.query('after').catch(() => {})
      return 'looks fine'
    }),
  )
  await it.clock.settle()
  expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'rolled-back', cause })
  expect(it.pool.stats()).toMatchObject({ idle: 1 })
})

test('a session lost before COMMIT was sent leaves the transaction rolled back', async () => {
  for (const when of ['in a statement', 'between statements', 'before COMMIT']) {
    const it = scripted({ die: { lose: 'crash' } })
    const done = watch(
      it.pool.transaction(async (tx) => {
        await tx.query('insert')
        if (when === 'in a statement') await tx.query('die')
        it.session().lose('crash')
        if (when === 'between statements') await tx.query('insert')
      }),
    )
    await it.clock.settle()
    expect(done.error, when).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'rolled-back',
      retryable: true,
    })
  }
})

test('a session lost at BEGIN leaves nothing behind', async () => {
  const it = scripted({ BEGIN: { lose: 'crash' } })
  const done = watch(it.pool.transaction(async () => {}))
  await it.clock.settle()
  expect(done.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
})

test('F40: a COMMIT whose answer is lost is in doubt', async () => {
  const it = scripted({ COMMIT: { lose: 'reset' } })
  const done = watch(it.pool.transaction(async (tx) => tx.query('insert')))
  await it.clock.settle()
  expect(done.error).toMatchObject({
    name: 'InDoubtError',
    code: 'POOLHOUSE_IN_DOUBT',
    executed: 'unknown',
    retryable: false,
  })
  expect(done.error?.cause).toMatchObject({ name: 'ConnectionLostError' })
})

test('F41: a COMMIT whose answer never comes is in doubt by the deadline, and its connection is not used again', async () => {
  const it = harness(
    { max: 1, statementTimeoutMs: 500 },
    {
      onStatement: ({ text }) => (text === 'COMMIT' ? { hang: true } : undefined),
      onCancel: () => 60_000,
    },
  )
  const done = watch(it.pool.transaction(async (tx) => tx.query('insert')))
  await it.clock.advance(750)
  expect(done.error).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
  await it.clock.advance(4_000)
  expect(it.driver.open.size).toBe(0)
})

test('a COMMIT that the server refuses is rolled back', async () => {
  const it = scripted({ COMMIT: { error: sqlError('40001') } })
  const done = watch(it.pool.transaction(async (tx) => tx.query('insert')))
  await it.clock.settle()
  expect(done.error).toMatchObject({
    name: 'DatabaseError',
    code: '40001',
    executed: 'rolled-back',
  })
})

test('F38: runs its work again after a serialization failure, as often as declared and no more', async () => {
  for (const [failures, attempts, outcome] of [
    [2, 3, 'resolved'],
    [3, 3, 'rejected'],
    [1, undefined, 'rejected'],
  ] as const) {
    let left: number = failures
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) =>
          text === 'update' && left-- > 0 ? { error: sqlError('40001') } : undefined,
      },
    )
    let runs = 0
    const done = watch(
      it.pool.transaction(
        async (tx) => {
          runs++
          await tx.query('update')
        },
        attempts === undefined ? {} : { retry: { attempts } },
      ),
    )
    await it.clock.advance(1_000)
    expect(done.state).toBe(outcome)
    expect(runs).toBe(Math.min(failures + 1, attempts ?? 1))
  }
})

test('F54: an abort frees a caller at once who waits to try again', async () => {
  const it = scripted({ update: { error: sqlError('40001') } })
  const abort = new AbortController()
  const done = watch(
    it.pool.transaction((tx) => tx.query('update'), {
      retry: { attempts: 100 },
      signal: abort.signal,
    }),
  )
  await it.clock.advance(3_000)
  expect(done.state).toBe('pending')
  abort.abort()
  await it.clock.settle()
  expect(done).toMatchObject({ state: 'rejected', error: { name: 'AbortError' } })
})

test('timeoutMs covers every attempt together', async () => {
  const it = scripted({ update: { error: sqlError('40001') } })
  const begun = it.clock.now()
  const done = watch(
    it.pool
      .transaction((tx) => tx.query('update'), { retry: { attempts: 100 }, timeoutMs: 300 })
      .finally(() => {
        expect(it.clock.now() - begun).toBeLessThanOrEqual(300)
      }),
  )
  await it.clock.advance(2_000)
  expect(done.state).toBe('rejected')
  expect(done.error).not.toMatchObject({ name: 'AssertionError' })
})

test('never runs its work again when the outcome is in doubt, or for an error that would come again', async () => {
  for (const script of [
    { COMMIT: { lose: 'reset' } },
    { update: { error: sqlError('23505') } },
  ] as Script[]) {
    const it = scripted(script)
    let runs = 0
    const done = watch(
      it.pool.transaction(
        async (tx) => {
          runs++
          await tx.query('update')
        },
        { retry: { attempts: 5 } },
      ),
    )
    await it.clock.advance(5_000)
    expect(done.state).toBe('rejected')
    expect(runs).toBe(1)
  }
})

test('does not wait for a connection several times over when there is none', async () => {
  const it = harness({ max: 1, acquireTimeoutMs: 100 }, { onConnect: () => 'hang' })
  const done = watch(it.pool.transaction(async () => {}, { retry: { attempts: 5 } }))
  await it.clock.advance(110)
  expect(done.error?.name).toBe('AcquireTimeoutError')
})

test('timeoutMs ends the transaction wherever it stands, and the caller need not wait for the rollback', async () => {
  const cases: [string, (tx: Transaction, it: Harness) => Promise<unknown>][] = [
    ['in a statement', (tx) => tx.query('slow')],
    [
      'in work that sends nothing more',
      async (tx) => {
        await tx.query('select')
        await new Promise(() => {})
      },
    ],
  ]
  for (const [where, work] of cases) {
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) => (/slow|rollback/i.test(text) ? { hang: true } : undefined),
        onCancel: () => 60_000,
      },
    )
    const done = watch(it.pool.transaction((tx) => work(tx, it), { timeoutMs: 100 }))
    await it.clock.advance(350)
    expect(done.error, where).toMatchObject({
      name: 'StatementTimeoutError',
      executed: 'rolled-back',
    })
    await it.clock.advance(5_000)
    expect(it.driver.open.size, where).toBe(0)
  }
})

test('timeoutMs ends a transaction whose BEGIN gets no answer', async () => {
  const it = harness({ max: 1 }, { onStatement: () => ({ hang: true }), onCancel: () => 60_000 })
  const done = watch(it.pool.transaction(async () => {}, { timeoutMs: 100 }))
  await it.clock.advance(350)
  expect(done.error?.name).toBe('StatementTimeoutError')
  expect(['no', 'rolled-back']).toContain(done.error?.executed)
})

test('work that fails close to the deadline does not outlive it by a rollback that hangs', async () => {
  const it = harness(
    { max: 1 },
    {
      onStatement: ({ text }) => (text === 'ROLLBACK' ? { hang: true } : undefined),
      onCancel: () => 60_000,
    },
  )
  const fault = new Error('work failed')
  const done = watch(
    it.pool.transaction(
      async (tx) => {
        await tx.query('select')
        throw fault
      },
      { timeoutMs: 100 },
    ),
  )
  await it.clock.advance(350)
  expect(done.error).toBe(fault)
})

test('F54: an abort frees the caller at once, wherever the transaction stands', async () => {
  for (const where of ['BEGIN', 'slow', 'nothing']) {
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) => (text === where ? { hang: true } : undefined),
        onCancel: () => 500,
      },
    )
    const abort = new AbortController()
    const done = watch(
      it.pool.transaction(
        async (tx) => {
          if (where === 'slow') await tx.query('slow')
          await new Promise(() => {})
        },
        { signal: abort.signal },
      ),
    )
    await it.clock.advance(10)
    abort.abort('enough')
    await it.clock.settle()
    expect(done.error, where).toMatchObject({ name: 'AbortError', cause: 'enough' })
    expect(['no', 'rolled-back'], where).toContain(done.error?.executed)
    await it.clock.advance(1_000)
    expect(it.pool.stats(), where).toMatchObject({ leased: 0, total: 1 })
    expect(it.session().sessionStatus).toBe('idle')
  }
})

test('an abort cancels every statement that was not awaited', async () => {
  const it = scripted({ slow: { hang: true } })
  const abort = new AbortController()
  const statements: ReturnType<typeof watch>[] = []
  const done = watch(
    it.pool.transaction(
      async (tx) => {
        statements.push(watch(tx.query('slow')), watch(tx.query('other')))
        await new Promise(() => {})
      },
      { signal: abort.signal },
    ),
  )
  await it.clock.settle()
  abort.abort()
  await it.clock.settle()
  expect(done.error?.name).toBe('AbortError')
  expect(statements.map(({ error }) => error?.name)).toEqual(['AbortError', 'AbortError'])
})

test('never resolves without a COMMIT, in whichever moment the signal fires', async () => {
  for (let hops = 0; hops < 60; hops++) {
    const it = harness({ max: 1 })
    const abort = new AbortController()
    const done = watch(
      it.pool.transaction(async (tx) => tx.query('insert'), { signal: abort.signal }),
    )
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    abort.abort()
    await it.clock.advance(10)
    const committed = it.session().statements.includes('COMMIT')
    expect(done.state, `aborted after ${hops} hops`).toBe(committed ? 'resolved' : 'rejected')
  }
})

test('does not start its work when it was stopped during BEGIN', async () => {
  for (let hops = 0; hops < 30; hops++) {
    const it = harness({ max: 1 })
    const abort = new AbortController()
    let startedAfterAbort = false
    watch(
      it.pool.transaction(
        async () => {
          startedAfterAbort = abort.signal.aborted
        },
        { signal: abort.signal },
      ),
    )
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    abort.abort()
    await it.clock.settle()
    expect(startedAfterAbort, `aborted after ${hops} hops`).toBe(false)
  }
})

test('while COMMIT is under way its own answer decides, not the signal', async () => {
  const it = harness({ max: 1 }, { statementMs: 10 })
  const abort = new AbortController()
  const done = watch(
    it.pool.transaction(async (tx) => tx.query('insert'), { signal: abort.signal }),
  )
  await it.clock.advance(25)
  expect(it.session().statements.at(-1)).toBe('COMMIT')
  abort.abort()
  await it.clock.advance(20)
  expect(done.state).toBe('resolved')
})

test('F53: a query that was not awaited belongs to the transaction if it came in time, and is refused afterwards', async () => {
  const it = harness({ max: 1 }, { statementMs: 5 })
  let kept: Transaction | undefined
  let forgotten: ReturnType<typeof watch> | undefined
  const done = watch(
    it.pool.transaction(async (tx) => {
      kept = tx
      forgotten = watch(tx.query('forgotten'))
    }),
  )
  await it.clock.advance(30)
  expect(done.state).toBe('resolved')
  expect(forgotten!.state).toBe('resolved')
  expect(it.session().statements).toEqual(['BEGIN', 'forgotten', 'COMMIT'])
  const late = [
    watch(kept!.query('late')),
    watch(kept!.savepoint(async () => {})),
    watch(kept!.rollback()),
  ]
  await it.clock.advance(10)
  for (const { error } of late)
    expect(error).toMatchObject({ name: 'TransactionError', executed: 'no' })
  expect(it.session().statements).not.toContain('late')
})

test('refuses statements that would end the transaction behind its back', async () => {
  const it = harness({ max: 1 })
  for (const text of ['commit', 'select 1; commit', 'rollback', 'end', 'begin']) {
    const done = watch(it.pool.transaction((tx) => tx.query(text)))
    await it.clock.settle()
    expect(done.error, text).toMatchObject({ name: 'TransactionError', executed: 'no' })
  }
  expect(it.session().statements).not.toContain('select 1; commit')
})

test('never reports success when a statement ended the transaction unseen, even if its error was swallowed', async () => {
  const it = harness({ max: 1 })
  const done = watch(
    it.pool.transaction(async (tx) => {
      await tx.query('do $$ begin commit; end $$').catch(() => {})
    }),
  )
  it.driver.options.onStatement = ({ text }, connection) => {
    if (text.startsWith('do')) connection.transactionStatus = () => 'idle'
    return undefined
  }
  await it.clock.settle()
  expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'unknown' })
})

test('checks its options and those of its queries before anything is sent', async () => {
  const it = harness()
  const wrong: [object, string][] = [
    [{ isolation: 'snapshot' }, 'isolation'],
    [{ readOnly: 1 }, 'readOnly'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
    [{ retry: 3 }, 'retry'],
    [{ retry: { attempts: 0 } }, 'retry.attempts'],
    [{ signal: {} }, 'signal'],
    [{ readonly: true }, 'did you mean "readOnly"'],
  ]
  for (const [options, name] of wrong) {
    const done = watch(it.pool.transaction(async () => {}, options))
    await it.clock.settle()
    expect(String(done.error), name).toContain(name)
  }
  const work = watch(it.pool.transaction('work' as never))
  await it.clock.settle()
  expect(work.error?.message).toContain('work must be a function')
  expect(it.driver.attempts).toBe(0)
  const query = watch(
    it.pool.transaction((tx) => tx.query('select 1', [], { timeout: 5 } as never)),
  )
  await it.clock.settle()
  expect(query.error?.message).toContain('unknown option "timeout"; did you mean "timeoutMs"?')
})

test('gives its connection back even if the session died, and destroys one whose ROLLBACK fails', async () => {
  const it = scripted({ ROLLBACK: { error: sqlError('XX000') } })
  const done = watch(
    it.pool.transaction(async (tx) => {
      await tx.query('select')
      throw new Error('work failed')
    }),
  )
  await it.clock.settle()
  expect(done.error?.message).toBe('work failed')
  expect(it.pool.stats()).toMatchObject({
    total: 0,
    leased: 0,
    counters: { acquired: 1, released: 1 },
  })
})

describe('what an error knows after the end of a transaction', () => {
  test('says rolled-back of a statement that timed out without an answer, since COMMIT was never sent', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({
      clock,
      onStatement: ({ text }) => (text === 'slow' ? { hang: true } : undefined),
      onCancel: () => new Error('no cancel today'),
    })
    const pool = createPool({ driver, connection: 'postgres://u@localhost/d', clock })
    const seen: unknown[] = []
    const work = pool.transaction(async (tx) => {
      await tx.query('slow', [], { timeoutMs: 100 }).catch((error: PoolhouseError) => {
        seen.push(error)
        throw error
      })
    })
    const failure = work.catch((error: unknown) => error)
    await clock.advance(5_000)
    expect(await failure).toBe(seen[0])
    expect(await failure).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
  })

  test('leaves an error alone that came from elsewhere', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({ clock })
    const pool = createPool({ driver, connection: 'postgres://u@localhost/d', clock })
    const foreign = new PoolhouseError('another database', { executed: 'unknown' })
    const failure = pool.transaction(() => Promise.reject(foreign)).catch((error: unknown) => error)
    await clock.advance(10)
    expect(await failure).toBe(foreign)
    expect(foreign.executed).toBe('unknown')
  })
})

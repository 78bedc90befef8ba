import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { Transaction } from '../../../src/index.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

/** A server that takes 10 ms for everything, and refuses what begins with "bad". */
function server(replies: Record<string, FakeReply> = {}): Harness {
  return harness(
    { max: 1 },
    {
      statementMs: 10,
      onStatement: ({ text }) =>
        replies[text] ?? (text.startsWith('bad') ? { error: sqlError('23505') } : undefined),
    },
  )
}

/** What the only session was sent, less what every transaction sends. */
function sent(it: Harness): string[] {
  return it.session().statements.filter((text) => !/^(?:BEGIN|COMMIT|ROLLBACK)$/.test(text))
}

const REFUSED = { name: 'TransactionError', executed: 'no' }

test('T05: a statement beside an open savepoint waits for it, and is not undone with it', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction(async (tx) => {
      const failing = watch(
        tx.savepoint(async (inner) => {
          await inner.query('in A')
          await inner.query('bad A')
        }),
      )
      const values = [1]
      const beside = tx.query('beside', values)
      values[0] = 2
      await beside
      return failing.error
    }),
  )
  await it.clock.advance(200)
  expect(done.value).toMatchObject({ code: '23505' })
  expect(sent(it)).toEqual([
    'SAVEPOINT poolhouse_1',
    'in A',
    'bad A',
    'ROLLBACK TO SAVEPOINT poolhouse_1',
    'beside',
  ])
  expect(it.session().statements.at(-1)).toBe('COMMIT')
})

test('T05: savepoints side by side take turns in the order of their calls, whatever becomes of each', async () => {
  const it = server()
  const one = (name: string) => (inner: Transaction) => inner.query(name)
  const done = watch(
    it.pool.transaction((tx) =>
      Promise.allSettled([
        tx.savepoint(one('A')),
        tx.savepoint(one('bad B')),
        tx.query('between'),
        tx.savepoint(one('C')),
      ]),
    ),
  )
  await it.clock.advance(400)
  expect(done.value?.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ])
  expect(sent(it)).toEqual([
    'SAVEPOINT poolhouse_1',
    'A',
    'RELEASE SAVEPOINT poolhouse_1',
    'SAVEPOINT poolhouse_2',
    'bad B',
    'ROLLBACK TO SAVEPOINT poolhouse_2',
    'between',
    'SAVEPOINT poolhouse_3',
    'C',
    'RELEASE SAVEPOINT poolhouse_3',
  ])
})

test('T05: what the work of a savepoint begins on an outer scope is refused at once and says what to use', async () => {
  const it = server({ 'copy t to stdout': { pieces: ['1\n'] } })
  const errors: unknown[] = []
  const note = (error: unknown): void => void errors.push(error)
  const done = watch(
    it.pool.transaction((tx) =>
      tx.savepoint(async (inner) => {
        await tx.query('outer').catch(note)
        await tx.savepoint(async () => {}).catch(note)
        await tx.stream('outer').next().catch(note)
        await tx.copyTo('copy t to stdout').next().catch(note)
        await tx.copyFrom('copy t from stdin', ['1\n']).catch(note)
        await inner.savepoint(async (innermost) => {
          // After other awaits, in timers and in callbacks it is the same work.
          await Promise.all([1, 2].map(async () => await inner.query('outer').catch(note)))
          await new Promise<unknown>((resolve) =>
            queueMicrotask(() => resolve(tx.query('outer').catch(note))),
          )
          await innermost.query('innermost')
        })
        await inner.query('inner')
        return 'done'
      }),
    ),
  )
  await it.clock.advance(300)
  expect(done.value).toBe('done')
  expect(errors).toHaveLength(8)
  for (const error of errors) {
    expect(error).toMatchObject(REFUSED)
    expect((error as Error).message).toContain("use the argument of the savepoint's callback")
  }
  expect(sent(it).filter((text) => text === 'outer')).toEqual([])
  expect(it.session().statements.at(-1)).toBe('COMMIT')
})

test('T05: inside a savepoint its own scope takes turns in the same way', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction((tx) =>
      tx.savepoint((outer) =>
        Promise.all([
          outer.savepoint((inner) => inner.query('bad')).catch(() => 'failed'),
          outer.query('beside'),
        ]),
      ),
    ),
  )
  await it.clock.advance(300)
  expect(done.state).toBe('resolved')
  expect(sent(it)).toEqual([
    'SAVEPOINT poolhouse_1',
    'SAVEPOINT poolhouse_2',
    'bad',
    'ROLLBACK TO SAVEPOINT poolhouse_2',
    'beside',
    'RELEASE SAVEPOINT poolhouse_1',
  ])
})

test('T05: a transaction inside the work of a savepoint is another one, and its calls outwards are refused as well', async () => {
  const it = harness({ max: 2 }, { statementMs: 10 })
  const errors: unknown[] = []
  const done = watch(
    it.pool.transaction((tx) =>
      tx.savepoint(() =>
        it.pool.transaction(async (other) => {
          await other.query('other')
          await other.savepoint(() => tx.query('outer').catch((error) => void errors.push(error)))
        }),
      ),
    ),
  )
  await it.clock.advance(300)
  expect(done.state).toBe('resolved')
  expect(errors).toMatchObject([REFUSED])
})

test('T05: a call that waits for its turn obeys its own limits and those of the transaction', async () => {
  const it = server()
  const abort = new AbortController()
  let waiting: ReturnType<typeof watch>[] = []
  const done = watch(
    it.pool.transaction(
      async (tx) => {
        watch(tx.savepoint(() => new Promise(() => {})))
        waiting = [
          watch(tx.query('late', [], { timeoutMs: 50 })),
          watch(tx.query('aborted', [], { signal: abort.signal })),
          watch(tx.copyFrom('copy t from stdin', ['1\n'], { timeoutMs: 50 })),
          watch(tx.stream('aborted', [], { signal: abort.signal }).next()),
          watch(tx.query('last')),
        ]
        await new Promise(() => {})
      },
      { timeoutMs: 500 },
    ),
  )
  await it.clock.advance(65)
  expect(waiting[0]!.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'no' })
  expect(waiting[2]!.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'no' })
  abort.abort('gone')
  await it.clock.settle()
  for (const at of [1, 3]) {
    expect(waiting[at]!.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'gone' })
  }
  expect([waiting[4]!.state, done.state]).toEqual(['pending', 'pending'])
  await it.clock.advance(450)
  expect(waiting[4]!.error).toMatchObject({ name: 'StatementTimeoutError' })
  expect(done.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
  expect(it.clock.pendingTimers).toBeLessThanOrEqual(1)
})

test('T05: the time that a call has waited for its turn counts against its limit', async () => {
  const it = server({ slow: { hang: true } })
  const done = watch(
    it.pool.transaction(async (tx) => {
      const beside = watch(tx.savepoint((inner) => inner.query('A')))
      const slow = watch(tx.query('slow', [], { timeoutMs: 100 }))
      await new Promise<void>((resolve) => it.clock.setTimer(resolve, 120))
      return [beside.state, slow.error]
    }),
  )
  await it.clock.advance(200)
  expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
  expect(done.error?.cause).toMatchObject({ name: 'StatementTimeoutError' })
})

test('T05: a work that returns while a savepoint is open is rolled back and says so, with a key as well', async () => {
  for (const idempotencyKey of [undefined, 'k']) {
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) =>
          text.startsWith('insert into poolhouse_marker')
            ? { rows: [{ xid: '1', pid: '2', started_at: 'x' }] }
            : undefined,
      },
    )
    let forgotten: Promise<unknown> | undefined
    const done = watch(
      it.pool.transaction(
        async (tx) => {
          await tx.query('insert')
          forgotten = tx.savepoint(() => new Promise(() => {}))
          return 'done'
        },
        { idempotencyKey },
      ),
    )
    await it.clock.advance(100)
    expect(done.error).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
    expect(done.error?.message).toContain('await every savepoint')
    expect(it.session().statements).not.toContain('COMMIT')
    expect(it.session().sessionStatus).toBe('idle')
    // No call waits for ever, and a forgotten promise does not end the process.
    await expect(forgotten).rejects.toMatchObject({ name: 'TransactionError' })
  }
})

test('T05: so is a savepoint whose work returns while one is open in it, alone', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction(async (tx) => {
      const error = await tx
        .savepoint(async (outer) => {
          void outer.savepoint((inner) => inner.query('forgotten'))
        })
        .catch((thrown: unknown) => thrown)
      await tx.query('goes on')
      return error
    }),
  )
  await it.clock.advance(300)
  expect(done.value).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
  expect(sent(it).at(-1)).toBe('goes on')
  expect(it.session().statements.at(-1)).toBe('COMMIT')
})

test('T06: a savepoint whose work swallows an SQL error is rolled back and rejects, and the outer one goes on', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction(async (tx) => {
      const error = await tx
        .savepoint(async (inner) => {
          await inner.query('bad').catch(() => {})
          return 'as if nothing had been'
        })
        .catch((thrown: unknown) => thrown)
      await tx.query('goes on')
      return error
    }),
  )
  await it.clock.advance(300)
  expect(done.value).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
  expect((done.value as Error).cause).toMatchObject({ code: '23505' })
  expect(sent(it)).toEqual([
    'SAVEPOINT poolhouse_1',
    'bad',
    'ROLLBACK TO SAVEPOINT poolhouse_1',
    'goes on',
  ])
})

test('T06: also where the statement that failed was not awaited', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction(async (tx) => {
      const error = await tx
        .savepoint(async (inner) => {
          inner.query('bad').catch(() => {})
        })
        .catch((thrown: unknown) => thrown)
      await tx.query('goes on')
      return error
    }),
  )
  await it.clock.advance(300)
  expect(done.value).toMatchObject({ name: 'TransactionError', executed: 'rolled-back' })
  expect((done.value as Error).cause).toMatchObject({ code: '23505' })
  expect(sent(it).at(-1)).toBe('goes on')
})

test('a scope that is over takes no more calls, and says which', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction(async (tx) => {
      let kept: Transaction | undefined
      await tx.savepoint(async (inner) => {
        kept = inner
        expect(inner.open).toBe(true)
      })
      expect([kept!.open, tx.open]).toEqual([false, true])
      const late = [
        kept!.query('late'),
        kept!.savepoint(async () => {}),
        kept!.rollback(),
        kept!.stream('late').next(),
      ]
      for (const call of late) await expect(call).rejects.toMatchObject(REFUSED)
      await expect(kept!.query('late')).rejects.toThrow(/savepoint is over/)
    }),
  )
  await it.clock.advance(200)
  expect(done.error).toBeUndefined()
  expect(sent(it)).not.toContain('late')
})

test('rollback() ends the whole transaction, whichever scope it is called on', async () => {
  for (const outer of [false, true]) {
    const it = server()
    const done = watch(
      it.pool.transaction(async (tx) => {
        const returned = await tx.savepoint(async (inner) => {
          await (outer ? tx : inner).rollback()
          await expect(inner.query('late')).rejects.toMatchObject(REFUSED)
          return 'from inside'
        })
        return returned
      }),
    )
    await it.clock.advance(200)
    expect(done.value).toBe('from inside')
    expect(it.session().statements.at(-1)).toBe('ROLLBACK')
  }
})

test('rollback() beside a savepoint refuses what is open and what waits', async () => {
  const it = server()
  const done = watch(
    it.pool.transaction(async (tx) => {
      const open = watch(tx.savepoint(() => new Promise(() => {})))
      const waits = watch(tx.query('waits'))
      await new Promise<void>((resolve) => it.clock.setTimer(resolve, 50))
      await tx.rollback()
      return [open.error, waits.error]
    }),
  )
  await it.clock.advance(200)
  expect(done.value).toMatchObject([
    { name: 'TransactionError', executed: 'rolled-back' },
    { name: 'TransactionError', executed: 'no' },
  ])
  expect(sent(it)).not.toContain('waits')
})

test('T05: a savepoint beside an open stream is refused, and a stream beside a savepoint waits', async () => {
  const it = server({ rows: { rows: [1, 2, 3] } })
  const done = watch(
    it.pool.transaction(async (tx) => {
      for await (const _ of tx.stream('rows', [], { batchSize: 1 })) {
        await expect(tx.savepoint(async () => {})).rejects.toMatchObject({
          name: 'LeaseBusyError',
          executed: 'no',
        })
        break
      }
      const beside = watch(tx.savepoint((inner) => inner.query('A')))
      const seen: unknown[] = []
      for await (const row of tx.stream('rows', [], { batchSize: 2 })) seen.push(row)
      return [beside.state, seen]
    }),
  )
  await it.clock.advance(500)
  expect(done.value).toEqual(['resolved', [1, 2, 3]])
})

test('T05: what has waited for its turn runs in the async context of its own caller', async () => {
  const it = server()
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const done = watch(
    it.pool.transaction((tx) =>
      Promise.all(
        ['A', 'B', 'C'].map((name) =>
          context.run(name, () =>
            tx.savepoint(async (inner) => {
              seen.push([name, context.getStore()])
              await inner.query(name)
              seen.push([name, context.getStore()])
            }),
          ),
        ),
      ),
    ),
  )
  await it.clock.advance(200)
  expect(done.state).toBe('resolved')
  expect(seen).toEqual(['A', 'A', 'B', 'B', 'C', 'C'].map((name) => [name, name]))
})

test('T16: calls that wait for their turn share one listener on the signal that they share', async () => {
  const it = server()
  const abort = new AbortController()
  const { signal } = abort
  let listeners = 0
  const done = watch(
    it.pool.transaction(async (tx) => {
      const calls = [
        tx.savepoint((inner) => inner.query('in A')),
        ...Array.from({ length: 20 }, () => tx.query('beside', [], { signal })),
      ]
      listeners = getEventListeners(signal, 'abort').length
      await Promise.all(calls)
    }),
  )
  await it.clock.advance(500)
  expect(done.state).toBe('resolved')
  expect(listeners).toBe(1)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('T05: savepoints of two transactions that wait for each other are told at once, the later one', async () => {
  const it = harness({ max: 2 }, { statementMs: 10 })
  const done = watch(
    it.pool.transaction((one) =>
      it.pool.transaction((two) =>
        Promise.allSettled([
          one.savepoint(async (inner) => {
            await inner.query('in A')
            return (await two.query('of A')).command
          }),
          two.savepoint(async (inner) => {
            await inner.query('in B')
            await inner.query('in B')
            return (await one.query('of B')).command
          }),
        ]),
      ),
    ),
  )
  await it.clock.advance(500)
  expect(done.value).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected', reason: REFUSED },
  ])
})

test('T05: a savepoint that has waited for another transaction, and waits no longer, delays it but does not refuse it', async () => {
  const it = harness({ max: 2 }, { statementMs: 10 })
  const done = watch(
    it.pool.transaction((one) =>
      it.pool.transaction((two) =>
        Promise.all([
          one.savepoint(async (inner) => {
            await two.query('of A')
            for (let count = 0; count < 5; count++) await inner.query('in A')
          }),
          two
            .savepoint((inner) => inner.query('in B'))
            .then(() =>
              two.savepoint(async (inner) => {
                await inner.query('in C')
                await one.query('of C')
              }),
            ),
        ]),
      ),
    ),
  )
  await it.clock.advance(500)
  expect(done.error).toBeUndefined()
  expect(done.state).toBe('resolved')
})

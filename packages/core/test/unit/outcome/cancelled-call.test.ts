import { expect, test } from 'vitest'
import type { QueryResult, Transaction } from '../../../src/index.js'
import { afterCancel, type CancelReason } from '../../../src/outcome/cancelled-call.js'
import { type Harness, harness, type Outcome, watch } from '../../harness.js'

const WAITS = new Set(['insert', 'COMMIT', 'commit'])

/** A server whose commits wait for a standby that is gone. */
function cutOff(options: Parameters<typeof harness>[0] = {}): Harness {
  return harness(
    { max: 1, ...options },
    { onStatement: ({ text }) => (WAITS.has(text) ? { waitsForStandby: true } : undefined) },
  )
}

const LOCAL = { executed: 'yes', durability: 'local' }

async function endOf<T>(it: Harness, promise: Promise<T>): Promise<Outcome<T>> {
  const outcome = watch(promise)
  await it.clock.advance(250)
  return outcome
}

test('T21: a write whose wait for standbys is cut short by its deadline never succeeds', async () => {
  for (const [options, timeoutMs] of [
    [{ statementTimeoutMs: 20 }, undefined],
    [{}, 20],
  ] as const) {
    const it = cutOff(options)
    const { error } = await endOf(it, it.pool.query('insert', [], { timeoutMs }))
    expect(error).toMatchObject({ name: 'StatementTimeoutError', timeoutMs: 20, ...LOCAL })
    expect(error?.message).toContain('committed on the primary alone')
    // The connection stays usable, and the next statement is not affected.
    expect(await it.pool.query('select 1')).toMatchObject({ durability: 'configured' })
    expect(it.driver.attempts).toBe(1)
  }
})

test('T21: a write whose wait for standbys is cut short by its signal never succeeds', async () => {
  const it = cutOff()
  const abort = new AbortController()
  const call = endOf(it, it.pool.query('insert', [], { signal: abort.signal }))
  await it.clock.settle()
  abort.abort('gone')
  expect((await call).error).toMatchObject({ name: 'AbortError', cause: 'gone', ...LOCAL })
})

test('T21: a transaction whose COMMIT is cut short never succeeds, whatever cut it short', async () => {
  for (const by of ['timeoutMs', 'statementTimeoutMs', 'signal'] as const) {
    const it = cutOff(by === 'statementTimeoutMs' ? { statementTimeoutMs: 20 } : {})
    const abort = new AbortController()
    let seen: Transaction | undefined
    const call = watch(
      it.pool.transaction(
        async (tx) => {
          seen = tx
          await tx.query('update')
        },
        by === 'timeoutMs' ? { timeoutMs: 20 } : { signal: abort.signal },
      ),
    )
    await it.clock.advance(10)
    if (by === 'signal') abort.abort('gone')
    await it.clock.advance(250)
    const { error } = call
    const name = by === 'signal' ? 'AbortError' : 'StatementTimeoutError'
    expect(error, by).toMatchObject({ name, ...LOCAL })
    expect(seen?.durability).toBe('local')
  }
})

test('T21: a write of a lease that is cut short never succeeds, and one with a key is not run again', async () => {
  const it = cutOff()
  const used = await endOf(
    it,
    it.pool.use((lease) => lease.query('insert', [], { timeoutMs: 20 })),
  )
  expect(used.error).toMatchObject(LOCAL)
  const lease = await it.pool.acquire()
  await lease.query('begin')
  const abort = new AbortController()
  const committing = endOf(it, lease.query('commit', [], { signal: abort.signal }))
  await it.clock.settle()
  abort.abort()
  expect((await committing).error).toMatchObject(LOCAL)
  lease.release()

  let times = 0
  const row = { xid: '1', pid: '2', started_at: 'x' }
  const keyed = harness(
    { max: 1 },
    {
      onStatement: ({ text }) =>
        text.startsWith('insert into poolhouse_marker')
          ? { rows: [row] }
          : text === 'COMMIT'
            ? { waitsForStandby: true }
            : undefined,
    },
  )
  const call = keyed.pool.transaction(
    async () => {
      times++
    },
    { idempotencyKey: 'k', timeoutMs: 20, retry: { attempts: 3 } },
  )
  expect((await endOf(keyed, call)).error).toMatchObject(LOCAL)
  expect(times).toBe(1)
})

test('T21: a write that is cut short by the close of its pool or the end of its lease never succeeds', async () => {
  const it = cutOff()
  const call = watch(it.pool.query('insert'))
  await it.clock.settle()
  watch(it.pool.close({ timeoutMs: 10 }))
  await it.clock.advance(250)
  expect(call.error).toMatchObject({ name: 'PoolClosedError', ...LOCAL })

  const other = cutOff()
  const lease = await other.pool.acquire()
  const left = watch(lease.query('insert'))
  lease.release()
  await other.clock.advance(10)
  expect(left.error).toMatchObject({ name: 'LeaseReleasedError', ...LOCAL })
})

test('T21: a statement whose wait for standbys another client cancels succeeds and reports its durability', async () => {
  const it = cutOff()
  const call = watch(it.pool.query('insert'))
  await it.clock.settle()
  // As pg_cancel_backend does, without a request of ours.
  void it.session().cancel()
  await it.clock.settle()
  expect(call.value).toMatchObject({ durability: 'local' } satisfies Partial<QueryResult>)
  expect(await it.pool.query('select 1')).toMatchObject({ durability: 'configured' })
})

test('T21: a statement is known to be done when another client terminates its session during the wait for standbys', async () => {
  const it = cutOff()
  const call = watch(it.pool.query('insert'))
  await it.clock.settle()
  const session = it.session()
  session.warn({
    severity: 'WARNING',
    code: '57P01',
    message: 'canceling the wait for synchronous replication and terminating connection',
  })
  session.lose('terminated')
  await it.clock.settle()
  expect(call.error).toMatchObject({ name: 'ConnectionLostError', ...LOCAL })
})

test('T89: a COMMIT that is answered before the cancel arrives succeeds, after an abort as after a timeout', async () => {
  for (const options of [{ signal: true }, { timeoutMs: 25 }]) {
    const it = harness({ max: 1 }, { statementMs: 10, onCancel: () => 500 })
    const abort = new AbortController()
    const call = watch(
      it.pool.transaction(async (tx) => (await tx.query('insert')).command, {
        ...('signal' in options ? { signal: abort.signal } : options),
      }),
    )
    await it.clock.advance(25)
    expect(it.session().statements.at(-1)).toBe('COMMIT')
    abort.abort()
    await it.clock.advance(20)
    expect(call.value).toBe('INSERT')
  }
})

test('T89: a COMMIT that gets no answer in time is in doubt after an abort as after a timeout', async () => {
  for (const by of ['signal', 'timeoutMs'] as const) {
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) => (text === 'COMMIT' ? { hang: true } : undefined),
        onCancel: () => 900,
      },
    )
    const abort = new AbortController()
    const call = watch(
      it.pool.transaction(
        (tx) => tx.query('insert'),
        by === 'signal' ? { signal: abort.signal } : { timeoutMs: 20 },
      ),
    )
    await it.clock.advance(20)
    abort.abort('gone')
    await it.clock.advance(by === 'signal' ? 302 : 202)
    expect(call.error, by).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
    const name = by === 'signal' ? 'AbortError' : 'StatementTimeoutError'
    expect(call.error?.cause).toMatchObject({ name })
  }
})

test('T89: a statement that was aborted inside a transaction is reported as rolled-back once the transaction is over', async () => {
  const it = harness({ max: 1 }, { statementMs: 30, onCancel: () => 500 })
  const abort = new AbortController()
  const call = watch(it.pool.transaction((tx) => tx.query('insert', [], { signal: abort.signal })))
  await it.clock.advance(15)
  abort.abort('gone')
  await it.clock.advance(1_000)
  expect(call.error).toMatchObject({ name: 'AbortError', executed: 'rolled-back', cause: 'gone' })
})

test.each<[reason: CancelReason, command: string | undefined, end: string]>([
  ['timeout', 'UPDATE', 'success'],
  ['timeout', undefined, 'success'],
  ['abort', 'COMMIT', 'success'],
  ['abort', 'ROLLBACK', 'success'],
  ['abort', 'UPDATE', 'given up: yes'],
  ['abort', undefined, 'given up: yes'],
])('an answer of success after a %s to %s is a %s', (reason, command, end) => {
  const giveUp = (executed: string): Error => new Error(`given up: ${executed}`)
  const told = afterCancel(reason, null, command, false, giveUp)
  expect(told === null ? 'success' : (told as Error).message).toBe(end)
})

import { expect, test } from 'vitest'
import type { TransactionOptions } from '../../../src/index.js'
import { RESET_AROUND } from '../../../src/kit.js'
import { DatabaseError } from '../../../src/outcome/database-error.js'
import { isResetFailure } from '../../../src/outcome/reset-failure.js'
import { harness, watch } from '../../harness.js'

const ALWAYS = { max: 1, reset: 'always' } as const

test('T10: resets before each borrower but the first of a session, and not after it', async () => {
  const it = harness(ALWAYS)
  for (const text of ['select 1', 'select 2', 'select 3']) {
    watch(it.pool.query(text))
    await it.clock.settle()
  }
  expect(it.session().statements).toEqual([
    'select 1',
    'reset ahead',
    'select 2',
    'reset ahead',
    'select 3',
  ])
})

test('T10: resets once for a borrower, however many statements it runs', async () => {
  const it = harness(ALWAYS)
  for (let round = 0; round < 2; round++) {
    watch(
      it.pool.use(async (lease) => {
        await lease.query('a')
        await lease.query('b')
      }),
    )
    await it.clock.settle()
  }
  expect(it.session().statements).toEqual(['a', 'b', 'reset ahead', 'a', 'b'])
})

test('T10: a session that was reset at release is not reset once more', async () => {
  const it = harness(ALWAYS)
  for (const text of ['set a = 1', 'select 1']) {
    watch(it.pool.query(text))
    await it.clock.settle()
  }
  expect(it.session().statements).toEqual(['set a = 1', 'reset session', 'select 1'])
})

test('T10: a transaction that is open at release is rolled back before the reset', async () => {
  const it = harness(ALWAYS)
  watch(it.pool.use((lease) => lease.query('begin')))
  await it.clock.settle()
  watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(it.session().statements).toEqual(['begin', 'rollback', 'reset ahead', 'select 1'])
})

const refusal = new DatabaseError('no', { code: '22012', severity: 'ERROR' })
const failing = {
  onStatement: ({ text }: { text: string }) =>
    text === 'reset ahead' ? { error: refusal } : undefined,
}

test('T10: a statement whose session cannot be reset runs once, on another session', async () => {
  const it = harness(ALWAYS, failing)
  watch(it.pool.query('first'))
  await it.clock.settle()
  const former = it.session()
  const next = watch(it.pool.query('second'))
  await it.clock.settle()
  expect(next.state).toBe('resolved')
  expect(former.statements).toEqual(['first', 'reset ahead'])
  expect(former.alive).toBe(false)
  expect(it.session().statements).toEqual(['second'])
  expect(it.pool.stats().counters).toMatchObject({ created: 2, destroyed: 1 })
})

test('T10: a transaction whose session cannot be reset runs on another one', async () => {
  const it = harness(ALWAYS, failing)
  watch(it.pool.query('first'))
  await it.clock.settle()
  let runs = 0
  const next = watch(
    it.pool.transaction(async (tx) => {
      runs++
      await tx.query('second')
    }),
  )
  await it.clock.settle()
  expect([next.state, runs]).toEqual(['resolved', 1])
  expect(it.session().statements).toEqual(['BEGIN', 'second', 'COMMIT'])
})

test('T10: the holder of a lease is told that its first statement was not run', async () => {
  const it = harness(ALWAYS, failing)
  watch(it.pool.query('first'))
  await it.clock.settle()
  const next = watch(it.pool.use((lease) => lease.query('second')))
  await it.clock.settle()
  expect(next.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no', retryable: true })
  expect(isResetFailure(next.error)).toBe(true)
})

test('T10: a transaction can ask for a reset around it on a pool that does not reset', async () => {
  const it = harness({ max: 1 })
  const around = { [RESET_AROUND]: true } as TransactionOptions
  for (const run of [
    () => it.pool.query('a'),
    () => it.pool.transaction(async (tx) => void (await tx.query('b')), around),
    () => it.pool.query('c'),
    () => it.pool.query('d'),
  ]) {
    watch(run())
    await it.clock.settle()
  }
  expect(it.session().statements).toEqual([
    'a',
    'reset ahead',
    'BEGIN',
    'b',
    'COMMIT',
    'reset ahead',
    'c',
    'd',
  ])
})

test('T09: a session ends with its borrower if that changed it in a way that no reset undoes', async () => {
  const it = harness({ max: 1 })
  const reasons: string[] = []
  it.pool.on('destroy', ({ reason }) => reasons.push(reason))
  watch(it.pool.query('select setseed(0.5)'))
  await it.clock.settle()
  watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(it.session().statements).toEqual(['select 1'])
  expect(reasons).toEqual([expect.stringContaining('no reset undoes')])
})

test('T10: no connection is opened where a pooler is noticed, and the error says what to do', async () => {
  const it = harness(ALWAYS, { answeringPid: () => 4711 })
  const query = watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(query.error?.message).toContain("pooler: 'none'")
  expect(query.error).toMatchObject({ name: 'ConnectError', fatal: true })
  expect(it.driver.open.size).toBe(0)
})

test('T10: reset is auto or always, and always is refused with a declared pooler', () => {
  expect(() => harness({ reset: 'never' as never })).toThrow(
    /reset must be one of "auto", "always"/,
  )
  expect(() => harness({ reset: 'always', pooler: 'pgbouncer' })).toThrow(/reset.*pooler/)
  expect(() => harness({ reset: 'always', pooler: 'none' })).not.toThrow()
})

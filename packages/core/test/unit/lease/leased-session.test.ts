import { expect, test } from 'vitest'
import { leasedSession } from '../../../src/lease/leased-session.js'
import { acquireOne, type Harness, harness, watch } from '../../harness.js'

const resetsOf = (it: Harness): number =>
  it.session().statements.filter((text) => text === 'reset session').length

test('a lease tells of its session, and that it is over when the lease is', async () => {
  const it = harness({ max: 1 }, { statementMs: 5 })
  const lease = await acquireOne(it)
  const session = leasedSession(lease)!
  expect([session.over, session.resets, session.transactionStatus()]).toEqual([false, 0, 'idle'])
  const begin = watch(lease.query('begin'))
  expect(session.transactionStatus()).toBe('unknown')
  await it.clock.advance(6)
  expect([begin.state, session.transactionStatus()]).toEqual(['resolved', 'active'])
  lease.release()
  expect([session.over, session.transactionStatus()]).toEqual([true, 'unknown'])
})

test('what is kept in a session is not reset', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  const set = watch(lease.query('set work_mem = 1'))
  await it.clock.settle()
  expect(set.state).toBe('resolved')
  leasedSession(lease)!.keep()
  lease.release()
  await it.clock.settle()
  const next = await acquireOne(it)
  expect([resetsOf(it), leasedSession(next)!.resets]).toEqual([0, 0])
  const again = watch(next.query('set work_mem = 2'))
  await it.clock.settle()
  expect(again.state).toBe('resolved')
  next.release()
  await it.clock.settle()
  expect([resetsOf(it), leasedSession(await acquireOne(it))!.resets]).toEqual([1, 1])
})

test('nothing is kept of what a transaction that is still open has set', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  for (const text of ['begin', 'set work_mem = 1']) watch(lease.query(text))
  await it.clock.settle()
  leasedSession(lease)!.keep()
  lease.release()
  await it.clock.settle()
  expect(resetsOf(it)).toBe(1)
})

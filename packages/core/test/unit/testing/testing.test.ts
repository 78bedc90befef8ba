import { expect, test } from 'vitest'
import { sleep } from '../../../src/kit.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'
import { harness, sqlError, watch } from '../../harness.js'

test('virtual time fires timers in order, each with its promise reactions, and stops where it is told', async () => {
  const clock = virtualClock()
  const seen: string[] = []
  clock.setTimer(() => seen.push(`late ${clock.now()}`), 20)
  clock.setTimer(() => {
    seen.push(`early ${clock.now()}`)
    void Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => seen.push('reaction'))
    clock.setTimer(() => seen.push(`nested ${clock.now()}`), 5)
  }, 10)
  expect([clock.pendingTimers, clock.nextTimerAt]).toEqual([2, 10])
  await clock.advance(15)
  expect(seen).toEqual(['early 10', 'reaction', 'nested 15'])
  await clock.advance(5)
  expect(seen.at(-1)).toBe('late 20')
  expect([clock.now(), clock.pendingTimers, clock.nextTimerAt]).toEqual([
    20,
    0,
    Number.POSITIVE_INFINITY,
  ])
})

test('virtual time does not fire what was cancelled, and lets a stalled process catch up', async () => {
  const clock = virtualClock()
  const seen: number[] = []
  clock.setTimer(() => seen.push(1), 10).cancel()
  clock.setTimer(() => seen.push(clock.now()), 20)
  clock.stall(1_000)
  expect(seen).toEqual([])
  await clock.settle()
  expect(seen).toEqual([1_000])
})

test('virtual time lets answers come before a late timer that asked to wait for them', async () => {
  const clock = virtualClock()
  const seen: string[] = []
  clock.setTimer(() => clock.afterIo(() => seen.push('deadline')), 10)
  clock.setTimer(() => seen.push('answer'), 12)
  clock.stall(50)
  await clock.settle()
  expect(seen).toEqual(['answer', 'deadline'])
})

test('the wall clock of virtual time moves with it, and alone when it is shifted', async () => {
  const clock = virtualClock()
  const before = clock.wallNow()
  await clock.advance(10)
  expect(clock.wallNow() - before).toBe(10)
  clock.shiftWall(-3_600_000)
  expect(clock.wallNow() - before).toBe(10 - 3_600_000)
  expect(clock.now()).toBe(10)
})

test('sleep resolves after its time on the clock', async () => {
  const clock = virtualClock()
  const slept = watch(sleep(clock, 30))
  await clock.advance(29)
  expect(slept.state).toBe('pending')
  await clock.advance(1)
  expect(slept.state).toBe('resolved')
})

test('the fake server keeps the books of a transaction as PostgreSQL does', async () => {
  const { clock, pool, session } = harness(
    { max: 1 },
    { onStatement: ({ text }) => (text === 'bad' ? { error: sqlError('23505') } : undefined) },
  )
  const lease = watch(pool.acquire())
  await clock.settle()
  const statuses: string[] = []
  const commands: string[] = []
  const failures: (string | undefined)[] = []
  for (const text of [
    'begin',
    'savepoint a',
    'bad',
    'select 1',
    'rollback to a',
    'bad',
    'commit',
    'set x = 1',
  ]) {
    const query = watch(lease.value!.query(text))
    await clock.settle()
    statuses.push(session().transactionStatus())
    commands.push(query.value?.command ?? '')
    failures.push(query.error?.code)
  }
  expect(statuses).toEqual([
    'active',
    'active',
    'failed',
    'failed',
    'active',
    'failed',
    'idle',
    'idle',
  ])
  expect(failures).toEqual([
    undefined,
    undefined,
    '23505',
    '25P02',
    undefined,
    '23505',
    undefined,
    undefined,
  ])
  expect(commands[6]).toBe('ROLLBACK')
  expect(session().settings.get('x')).toBe('1')
})

test('the fake server notices two statements at once, and a cancel request that hits a stranger', async () => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock, statementMs: 10, onCancel: () => 15 })
  const { pool } = harness({ driver, clock })
  const lease = watch(pool.acquire())
  await clock.settle()
  const [connection] = [...driver.open]
  connection!.run({ text: 'a' }, () => {})
  connection!.run({ text: 'b' }, () => {})
  expect(driver.violations).toEqual(['two statements at once: b'])
  await clock.advance(20)
  connection!.run({ text: 'c' }, () => {})
  void connection!.cancel()
  await clock.advance(10)
  connection!.run({ text: 'd' }, () => {})
  await clock.advance(20)
  expect(driver.violations.at(-1)).toBe('a cancel request hit d')
  lease.value!.destroy()
})

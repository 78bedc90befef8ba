import { expect, test } from 'vitest'
import type { Lease } from '../../../src/index.js'
import { acquireOne, type Harness, harness, watch } from '../../harness.js'

async function run({ clock }: Harness, lease: Lease, ...statements: string[]): Promise<void> {
  for (const text of statements) {
    watch(lease.query(text))
    await clock.settle()
  }
}

test('hands a clean connection on without a round trip', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  await run(it, lease, 'select 1')
  const waiting = watch(it.pool.acquire())
  lease.release()
  await it.clock.settle()
  expect(waiting.state).toBe('resolved')
  expect(it.session().statements).toEqual(['select 1'])
})

test.each([
  ['open', ['begin']],
  ['failed', ['begin', 'fail']],
])(
  'X02: rolls back a transaction that is %s when the connection comes back',
  async (_kind, statements) => {
    const it = harness(
      { max: 1 },
      { onStatement: ({ text }) => (text === 'fail' ? { error: new Error('no') } : undefined) },
    )
    const lease = await acquireOne(it)
    await run(it, lease, ...statements)
    lease.release()
    const next = await acquireOne(it)
    expect(it.session().statements).toEqual([...statements, 'rollback'])
    expect(it.session().sessionStatus).toBe('idle')
    expect(next.connection).toBe(lease.connection)
  },
)

test.each([
  ['set', 'set search_path = x'],
  ['listen', 'listen events'],
  ['advisory lock', 'select pg_advisory_lock(1)'],
  ['temporary table', 'create temp table t (a int)'],
])('X01: resets the session after %s', async (_what, text) => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  await run(it, lease, text)
  lease.release()
  await acquireOne(it)
  expect(it.session().statements).toEqual([text, 'reset session'])
  expect(it.session().settings.size).toBe(0)
})

test("X01: with pooler: 'none' a reset also reaches the other servers of a program in between", async () => {
  const it = harness({ max: 1, pooler: 'none' })
  watch(it.pool.query('set role admin'))
  await it.clock.settle()
  await acquireOne(it)
  expect(it.session().statements).toEqual(['set role admin', 'reset session apart'])
})

test('X01: resets the session after a pool.query that changed it', async () => {
  const it = harness({ max: 1 })
  watch(it.pool.query('set role admin'))
  await it.clock.settle()
  expect(it.session().statements).toEqual(['set role admin', 'reset session'])
})

test('X01: resets the session after its raw object was given out', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  expect(lease.raw).toBe(it.session())
  lease.release()
  await it.clock.settle()
  expect(it.session().statements).toEqual(['reset session'])
})

test('X01: resets the session after the server reported a changed parameter, and not once it is changed back', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  it.session().report('TimeZone', 'Mars')
  lease.release()
  await it.clock.settle()
  expect(it.session().statements).toEqual(['reset session'])
})

test('does not reset the session because the server became a primary', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  it.session().report('in_hot_standby', 'off')
  lease.release()
  await it.clock.settle()
  expect(it.session().statements).toEqual([])
})

test('resets once and not again at the next release', async () => {
  const it = harness({ max: 1 })
  for (const text of ['set a = 1', 'select 1']) {
    const lease = await acquireOne(it)
    await run(it, lease, text)
    lease.release()
    await it.clock.settle()
  }
  expect(it.session().statements).toEqual(['set a = 1', 'reset session', 'select 1'])
})

test('cancels a statement in flight and lends the connection only after it has ended', async () => {
  const it = harness(
    { max: 1 },
    {
      onStatement: ({ text }) => (text === 'slow' ? { hang: true } : undefined),
      onCancel: () => 100,
    },
  )
  const lease = await acquireOne(it)
  const slow = watch(lease.query('slow'))
  lease.release()
  const waiting = watch(it.pool.acquire())
  await it.clock.advance(99)
  expect(waiting.state).toBe('pending')
  await it.clock.advance(2)
  expect(waiting.state).toBe('resolved')
  expect(slow.error?.code).toBe('57014')
  expect(it.driver.attempts).toBe(1)
  expect(it.driver.violations).toEqual([])
})

test.each([
  ['fails', (): unknown => ({ error: new Error('no') })],
  ['takes longer than two seconds', (): unknown => ({ hang: true })],
])(
  'destroys a connection whose reset %s, and serves the waiting caller with another',
  async (_what, reply) => {
    const it = harness(
      { max: 1 },
      {
        onStatement: ({ text }) =>
          text === 'reset session' ? (reply() as { hang: true }) : undefined,
      },
    )
    const lease = await acquireOne(it)
    await run(it, lease, 'set a = 1')
    lease.release()
    const waiting = watch(it.pool.acquire())
    await it.clock.advance(2_050)
    expect(waiting.state).toBe('resolved')
    expect(waiting.value!.connection).not.toBe(lease.connection)
    expect(it.driver.open.size).toBe(1)
  },
)

test('destroys a connection whose transaction survives its rollback', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  await run(it, lease, 'begin')
  const session = it.session()
  session.transactionStatus = () => 'active'
  lease.release()
  await it.clock.settle()
  expect(session.alive).toBe(false)
})

test('counts a connection that is cleaned as leased, and as one of max', async () => {
  const it = harness(
    { max: 1 },
    { onStatement: ({ text }) => (text === 'reset session' ? { hang: true } : undefined) },
  )
  const lease = await acquireOne(it)
  await run(it, lease, 'set a = 1')
  lease.release()
  watch(it.pool.acquire())
  await it.clock.advance(100)
  expect(it.pool.stats()).toMatchObject({ total: 1, leased: 1, idle: 0, pending: 1 })
  expect(it.driver.attempts).toBe(1)
})

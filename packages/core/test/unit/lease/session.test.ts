import { expect, test } from 'vitest'
import type { Session } from '../../../src/index.js'
import { type Harness, hangsIfSlow, harness, watch } from '../../harness.js'

async function open({ clock, pool }: Harness): Promise<Session> {
  const session = watch(pool.openSession())
  await clock.settle()
  return session.value!
}

test('is a connection outside max that does not keep the process alive', async () => {
  const it = harness({ max: 1 })
  watch(it.pool.acquire())
  const session = await open(it)
  expect(it.driver.open.size).toBe(2)
  expect(it.pool.stats()).toMatchObject({ total: 1, leased: 1 })
  const [, fake] = [...it.driver.open]
  expect(session.info.backendPid).toBe(fake!.info.backendPid)
  expect(fake!.referenced).toBe(false)
  session.keepAlive(true)
  expect(fake!.referenced).toBe(true)
})

test('runs statements in order, with deadlines of their own', async () => {
  const it = harness({}, { onStatement: hangsIfSlow })
  const session = await open(it)
  const queries = [
    watch(session.query('select 1')),
    watch(session.query('slow', [], { timeoutMs: 50 })),
    watch(session.query('select 2')),
  ]
  await it.clock.advance(60)
  expect(queries.map(({ state }) => state)).toEqual(['resolved', 'rejected', 'resolved'])
  expect(queries[1]!.error).toMatchObject({
    name: 'StatementTimeoutError',
    executed: 'rolled-back',
  })
})

test('is over once its socket closes, says so by its signal, and is never opened again', async () => {
  const it = harness()
  const session = await open(it)
  const { signal } = session
  it.session().lose('crash')
  await it.clock.settle()
  expect(signal.aborted).toBe(true)
  expect(session.closed).toBe(true)
  const query = watch(session.query('select 1'))
  await it.clock.settle()
  expect(query.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  expect(it.driver.attempts).toBe(1)
})

test('carries the application name it was given', async () => {
  const names: string[] = []
  const it = harness(
    {},
    { onConnect: (_attempt, { settings }) => void names.push(settings.applicationName) },
  )
  watch(it.pool.openSession({ applicationName: 'monitor' }))
  watch(it.pool.openSession())
  await it.clock.settle()
  expect(names).toEqual(['monitor', 'test'])
})

test('gives up opening at its deadline or when its signal fires', async () => {
  const it = harness({}, { onConnect: () => 'hang' })
  const abort = new AbortController()
  const timed = watch(it.pool.openSession({ timeoutMs: 100 }))
  const aborted = watch(it.pool.openSession({ signal: abort.signal }))
  await it.clock.settle()
  abort.abort('enough')
  await it.clock.settle()
  expect(aborted.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'enough' })
  await it.clock.advance(360)
  expect(timed.error?.name).toBe('ConnectError')
  expect(it.driver.connecting).toBe(0)
})

test('refuses wrong options', async () => {
  const it = harness()
  for (const options of [
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { timeout: 5 },
    { signal: {} },
    { applicationName: '' },
  ]) {
    const session = watch(it.pool.openSession(options as never))
    await it.clock.settle()
    expect(String(session.error), JSON.stringify(options)).toMatch(
      /^(?:TypeError|RangeError): openSession: /,
    )
  }
  expect(it.driver.attempts).toBe(0)
})

test('close ends it politely and can be repeated; destroy breaks it at once', async () => {
  const it = harness({}, { closeMs: 50, onStatement: hangsIfSlow })
  const session = await open(it)
  const closed = [watch(session.close()), watch(session[Symbol.asyncDispose]())]
  await it.clock.advance(51)
  expect(closed.map(({ state }) => state)).toEqual(['resolved', 'resolved'])
  await session.close()
  const other = await open(it)
  const running = watch(other.query('slow'))
  const queued = watch(other.query('select 1'))
  other.destroy('enough')
  await it.clock.settle()
  expect(running.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  expect(queued.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  other.destroy('again')
  expect(it.driver.open.size).toBe(0)
})

test('close resolves even if the driver cannot close it', async () => {
  const it = harness({}, { closeMs: new Error('close failed') })
  const session = await open(it)
  const closed = watch(session.close())
  await it.clock.settle()
  expect(closed.state).toBe('resolved')
  expect(it.driver.open.size).toBe(0)
})

test('ends with its pool', async () => {
  const it = harness()
  const session = await open(it)
  const closed = watch(it.pool.close())
  await it.clock.settle()
  expect(closed.state).toBe('resolved')
  expect(session.closed).toBe(true)
})

test('is opened or refused, and never dead on arrival, at whatever moment the server hangs up', async () => {
  for (let hops = 0; hops < 40; hops++) {
    const it = harness()
    const session = watch(it.pool.openSession())
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    const wasOpen = session.state === 'resolved'
    for (const connection of it.driver.open) connection.lose('hung up')
    await it.clock.settle()
    if (session.state === 'resolved') {
      expect(session.value!.closed, `lost after ${hops} hops`).toBe(
        wasOpen || it.driver.open.size === 0,
      )
    }
    const closed = watch(it.pool.close())
    await it.clock.settle()
    expect(closed.state).toBe('resolved')
  }
})

import { expect, test } from 'vitest'
import { AuthenticationError, ConnectError, createPool } from '../../../src/index.js'
import { fakeDriver } from '../../../src/testing/index.js'
import { harness, watch } from '../../harness.js'

const because = (code: string): ConnectError =>
  new ConnectError(`failed: ${code}`, {
    endpoint: 'e',
    cause: Object.assign(new Error(code), { code }),
  })
const unknownHost = because('ENOTFOUND')
const wrongPassword = new AuthenticationError('wrong', { endpoint: 'e', fatal: true })

test.each([
  ['an unknown host name', unknownHost],
  ['a server of another protocol', because('POOLHOUSE_PROTOCOL')],
  ['a TLS handshake that fails', because('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE')],
  ['a refused user', wrongPassword],
])('T84: before the first connection, %s refuses all callers at once', async (_case, error) => {
  const { clock, driver, pool } = harness({}, { onConnect: () => error })
  const events: unknown[] = []
  pool.on('error', (event) => events.push(event.error))
  const calls = [
    watch(pool.acquire()),
    watch(pool.query('select 1')),
    watch(pool.ready()),
    watch(pool.transaction(async () => undefined)),
    watch(pool.stream('select 1').next()),
    watch(pool.listen('c', () => {})),
  ]
  await clock.settle()
  expect(calls.map((call) => call.error?.message)).toEqual(calls.map(() => error.message))
  expect(events).toContain(error)
  const attempts = driver.attempts
  const newcomer = watch(pool.acquire())
  await clock.settle()
  expect(newcomer.error?.message).toBe(error.message)
  expect(driver.attempts).toBe(attempts)
  expect(clock.now()).toBe(0)
})

test.each([
  ['a refused port', because('ECONNREFUSED')],
  ['a name server that does not answer', because('EAI_AGAIN')],
  ['a connection that is reset', because('ECONNRESET')],
  ['a server that starts', new ConnectError('starting', { endpoint: 'e', sqlState: '57P03' })],
])(
  'T84: %s is an error event at once, and callers wait within their deadline',
  async (_case, error) => {
    let broken = true
    const { clock, pool } = harness({}, { onConnect: () => (broken ? error : undefined) })
    const events: unknown[] = []
    pool.on('error', (event) => events.push(event.error))
    const call = watch(pool.acquire())
    const hasty = watch(pool.acquire({ timeoutMs: 200 }))
    await clock.settle()
    expect(events).toContain(error)
    expect(call.state).toBe('pending')
    await clock.advance(1_000)
    expect(hasty.error).toMatchObject({ name: 'AcquireTimeoutError', cause: error })
    broken = false
    await clock.advance(5_000)
    expect(call.state).toBe('resolved')
  },
)

test.each([
  [
    'connection',
    async (pool: ReturnType<typeof harness>['pool']) => (await pool.acquire()).destroy(),
  ],
  [
    'session',
    async (pool: ReturnType<typeof harness>['pool']) => (await pool.openSession()).destroy(''),
  ],
])(
  'T84: after a first %s, an unknown host is waited for like any disturbance',
  async (_kind, first) => {
    let broken = false
    const { clock, pool } = harness({}, { onConnect: () => (broken ? unknownHost : undefined) })
    const opened = watch(first(pool))
    await clock.settle()
    expect(opened.state).toBe('resolved')
    broken = true
    const call = watch(pool.acquire())
    await clock.advance(2_000)
    expect(call.state).toBe('pending')
    broken = false
    await clock.advance(5_000)
    expect(call.state).toBe('resolved')
  },
)

test.each([unknownHost, wrongPassword])(
  'T84: with failFast: false callers wait until what was wrong is mended (%s)',
  async (error) => {
    let broken = true
    const { clock, pool } = harness(
      { failFast: false },
      { onConnect: () => (broken ? error : undefined) },
    )
    const call = watch(pool.query('select 1'))
    const listening = watch(pool.listen('c', () => {}, { timeoutMs: 9_000 }))
    const hasty = watch(pool.acquire({ timeoutMs: 200 }))
    await clock.advance(1_000)
    expect(hasty.error).toMatchObject({ name: 'AcquireTimeoutError', cause: error })
    const newcomer = watch(pool.acquire())
    await clock.advance(1_000)
    expect([call.state, listening.state, newcomer.state]).toEqual(Array(3).fill('pending'))
    broken = false
    await clock.advance(5_000)
    expect([call.state, listening.state, newcomer.state]).toEqual(Array(3).fill('resolved'))
  },
)

test('T84: failFast must be true or false', () => {
  expect(() =>
    createPool({
      driver: fakeDriver({ clock: harness().clock }),
      connection: 'postgres://localhost/app',
      failFast: 'no' as unknown as boolean,
    }),
  ).toThrow(/createPool: failFast must be true or false/)
})

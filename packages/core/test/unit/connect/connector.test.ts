import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import {
  AuthenticationError,
  type AuthMethod,
  createPool,
  type PoolOptions,
} from '../../../src/index.js'
import type { ConnectContext, DriverConnection } from '../../../src/kit.js'
import { FakeConnection, fakeDriver, virtualClock } from '../../../src/testing/index.js'
import { harness, watch } from '../../harness.js'

type Connect = (context: ConnectContext) => Promise<DriverConnection>

/** A pool over a driver that connects as the test says. */
function oddPool(connect: Connect, options: Partial<PoolOptions> = {}) {
  const clock = virtualClock()
  const pool = createPool({
    driver: { name: 'odd', capabilities: { pipeline: false, namedStatements: true }, connect },
    connection: {
      host: 'localhost',
      user: 'me',
      database: 'app',
      ...(options.connection as object),
    },
    clock,
    connectTimeoutMs: 1_000,
    random: () => 0.5,
    ...('max' in options ? { max: options.max } : {}),
  })
  return { clock, pool }
}

const wrongPassword = (): AuthenticationError =>
  new AuthenticationError('wrong', { endpoint: 'e', sqlState: '28P01', fatal: true })

test('makes a ConnectError of a driver that throws', async () => {
  const cause = new Error('boom')
  const { clock, pool } = oddPool(() => {
    throw cause
  })
  const warmed = watch(pool.warm())
  await clock.settle()
  expect(warmed.error).toMatchObject({ name: 'ConnectError', executed: 'no', cause })
  expect(warmed.error?.message).toBe(
    'cannot connect to localhost:5432/app: boom; see POOLHOUSE_CONNECT',
  )
})

test.each([['a text'], [undefined], [null], [42]])(
  'makes a ConnectError of a driver that rejects with %s',
  async (oddity) => {
    const { clock, pool } = oddPool(() => Promise.reject(oddity as unknown as Error))
    const warmed = watch(pool.warm())
    await clock.settle()
    expect(warmed.error).toMatchObject({ name: 'ConnectError' })
    expect(warmed.error?.message).toContain(String(oddity))
  },
)

test('F15: gives up on a driver that hangs, a quarter of a second after the deadline it was given', async () => {
  const contexts: ConnectContext[] = []
  const { clock, pool } = oddPool((context) => {
    contexts.push(context)
    return new Promise(() => {})
  })
  const warmed = watch(pool.warm())
  await clock.advance(1_240)
  expect(warmed.state).toBe('pending')
  expect(contexts[0]).toMatchObject({ timeoutMs: 1_000 })
  await clock.advance(15)
  expect(warmed.error).toMatchObject({ name: 'ConnectError' })
  expect(warmed.error?.message).toContain('took longer than')
  expect(contexts[0]!.signal.aborted).toBe(true)
})

test('destroys a connection that arrives after the connect was abandoned', async () => {
  const violations: string[] = []
  const late: FakeConnection[] = []
  const { clock, pool } = oddPool(
    (context) =>
      new Promise((resolve) => {
        clock.setTimer(() => {
          const connection = new FakeConnection(1, context, { clock }, violations, () => {})
          late.push(connection)
          resolve(connection)
        }, 5_000)
      }),
  )
  const warmed = watch(pool.warm())
  await clock.advance(2_000)
  expect(warmed.state).toBe('rejected')
  await pool.close()
  await clock.advance(4_000)
  expect(late[0]!.alive).toBe(false)
})

test('destroys a connection that opens in the moment the pool closes, whichever moment that is', async () => {
  for (let hops = 0; hops < 40; hops++) {
    const { clock, driver, pool } = harness()
    const waiting = watch(pool.acquire())
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    const closed = watch(pool.close({ timeoutMs: 0 }))
    await clock.advance(10)
    expect(closed.state).toBe('resolved')
    expect(waiting.state, `closed after ${hops} hops`).not.toBe('pending')
    expect(driver.open.size, `closed after ${hops} hops`).toBe(0)
    expect(driver.connecting).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  }
})

test('lends no connection that is destroyed in the moment it opens, whichever moment that is', async () => {
  for (let hops = 0; hops < 80; hops++) {
    const { clock, driver, pool } = harness({}, { destroysAtOnce: hops >= 40 })
    watch(pool.acquire())
    for (let hop = 0; hop < hops % 40; hop++) await Promise.resolve()
    pool.destroyAll('now')
    await clock.settle()
    const next = watch(pool.query('select 1'))
    await clock.settle()
    expect(next.error, `destroyed after ${hops} hops`).toBeUndefined()
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1, leased: 0, connecting: 0 })
    expect(driver.open.size).toBe(1)
    const { counters } = pool.stats()
    expect(counters.created - counters.destroyed).toBe(1)
  }
})

test('tries again when the server hangs up in the moment the connection opens, whichever moment that is', async () => {
  for (let hops = 0; hops < 40; hops++) {
    const { clock, driver, pool } = harness()
    const lease = watch(pool.acquire())
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    for (const connection of driver.open) connection.lose('hung up')
    const wasLent = lease.state === 'resolved'
    await clock.advance(100)
    expect(lease.state, `lost after ${hops} hops`).toBe('resolved')
    if (!wasLent) {
      const query = watch(lease.value!.query('select 1'))
      await clock.settle()
      // The connection may have been lent and then lost; then the lease says so, and nothing was
      // sent.
      expect([undefined, 'no']).toContain(query.error?.executed)
    }
    expect(driver.violations).toEqual([])
  }
})

test('calls a password function once for connects that begin together', async () => {
  let asked = 0
  const { clock, driver, pool } = harness({
    max: 4,
    connection: {
      host: 'localhost',
      password: async () => {
        asked++
        return 'secret'
      },
    },
  })
  for (let caller = 0; caller < 4; caller++) watch(pool.acquire())
  await clock.settle()
  expect(driver.attempts).toBe(4)
  expect(asked).toBe(1)
})

test('F25: calls the password function once more when the server refuses its answer', async () => {
  let asked = 0
  const passwords: (string | undefined)[] = []
  const { clock, pool } = harness(
    { connection: { host: 'localhost', password: () => `secret ${++asked}` } },
    {
      onConnect: (_attempt, { password }) => {
        passwords.push(password)
        return password === 'secret 2' ? undefined : wrongPassword()
      },
    },
  )
  const lease = watch(pool.acquire())
  await clock.settle()
  expect(lease.state).toBe('resolved')
  expect(passwords).toEqual(['secret 1', 'secret 2'])
})

test('F25: calls it only once more, and never when the password is a text', async () => {
  for (const [password, attempts] of [
    [() => 'secret', 2],
    ['secret', 1],
  ] as const) {
    const { clock, driver, pool } = harness(
      { connection: { host: 'localhost', password } },
      { onConnect: wrongPassword },
    )
    const lease = watch(pool.acquire())
    await clock.settle()
    expect(lease.error?.name).toBe('AuthenticationError')
    expect(driver.attempts).toBe(attempts)
  }
})

test('makes a ConnectError of a password function that throws or returns no text', async () => {
  const cause = new Error('vault is sealed')
  const failing = harness({
    connection: {
      host: 'localhost',
      password: () => {
        throw cause
      },
    },
  })
  const first = watch(failing.pool.warm())
  await failing.clock.settle()
  expect(first.error).toMatchObject({ name: 'ConnectError', cause })
  const odd = harness({
    connection: { host: 'localhost', password: () => 42 as unknown as string },
  })
  const second = watch(odd.pool.warm())
  await odd.clock.settle()
  expect(second.error?.message).toContain('must return a string, got a value of type number')
})

test('calls a password function again after one call of it never returned', async () => {
  let asked = 0
  const { clock, pool } = harness({
    connectTimeoutMs: 1_000,
    connection: {
      host: 'localhost',
      password: () => (++asked === 1 ? new Promise<string>(() => {}) : Promise.resolve('secret')),
    },
  })
  const lease = watch(pool.acquire())
  await clock.advance(1_500)
  expect(lease.state).toBe('resolved')
  expect(asked).toBe(2)
})

test('X06: no error, event or printed pool shows the password', async () => {
  const { clock, driver, pool } = harness(
    { connection: 'postgres://user:hunter2@localhost/app' },
    { onConnect: wrongPassword },
  )
  const printed: string[] = []
  for (const event of ['error', 'connect', 'destroy'] as const) {
    pool.on(event, (payload) => printed.push(inspect(payload, { depth: 9 })))
  }
  const lease = watch(pool.acquire())
  await clock.settle()
  printed.push(inspect(lease.error, { depth: 9, showHidden: true }), inspect(pool, { depth: 9 }))
  printed.push(JSON.stringify([pool.stats(), pool.inspect(), pool]))
  expect(driver.attempts).toBe(1)
  expect(printed.join()).not.toContain('hunter2')
})

test('opens sockets in the async context of the pool, not in that of the request that caused it', async () => {
  const { AsyncLocalStorage } = await import('node:async_hooks')
  const request = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const { clock, driver, pool } = harness(
    {},
    { onConnect: () => void seen.push(request.getStore()) },
  )
  pool.on('acquire', () => seen.push(request.getStore()))
  const after = await request.run('a request', async () => {
    const lease = pool.acquire()
    await clock.settle()
    ;(await lease).release()
    return request.getStore()
  })
  expect(driver.attempts).toBe(1)
  expect(seen).toEqual([undefined, undefined])
  expect(after).toBe('a request')
})

test('leaves a driver without sessions to itself', () => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  createPool({ driver, connection: 'postgres://localhost', clock })
  expect(driver.attempts).toBe(0)
  expect(clock.pendingTimers).toBe(0)
})

test('X08: tells the driver which ways to log in are accepted', async () => {
  const contexts: ConnectContext[] = []
  const login = (connection: string, requireAuth?: AuthMethod[]): void => {
    const connect: Connect = (context) => {
      contexts.push(context)
      return new Promise(() => {})
    }
    const capabilities = { pipeline: false, namedStatements: true }
    const driver = { name: 'odd', capabilities, connect }
    const pool = createPool({ driver, connection, requireAuth, clock: virtualClock() })
    watch(pool.warm(1))
  }
  login('postgres://me:secret@localhost/app')
  login('postgres://me:secret@db/app')
  login('postgres://me@localhost/app')
  login('postgres://me:secret@localhost/app?require_auth=md5')
  login('postgres://me:secret@localhost/app?require_auth=md5', ['none'])
  await new Promise((resolve) => setImmediate(resolve))
  expect(contexts.map(({ requireAuth }) => requireAuth)).toEqual([
    ['scram-sha-256'],
    undefined,
    undefined,
    ['md5'],
    ['none'],
  ])
})

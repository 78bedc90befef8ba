import { AuthenticationError, ConfigError, createPool, DatabaseError } from '@poolhouse/core'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import { beforeEach, expect, test, vi } from 'vitest'
import {
  createHealthHandlers,
  createManager,
  type DatabaseConfig,
  type Manager,
  shutdownOnSignals,
  singleton,
} from '../../src/index.js'

let clock: VirtualClock
let driver: FakeDriver
let isAway: boolean

beforeEach(() => {
  clock = virtualClock()
  isAway = false
  driver = fakeDriver({
    clock,
    onConnect: () => (isAway ? new Error('connection refused') : undefined),
  })
})

const LOCAL = { host: 'localhost', user: 'u', database: 'app' }

function manage<Named extends Record<string, DatabaseConfig>>(databases: Named): Manager<Named> {
  return createManager({ drivers: { fake: driver }, databases, clock, random: () => 0.5 })
}

test('opens nothing before the first call', async () => {
  const manager = manage({
    app: { primary: LOCAL },
    dw: { nodes: [LOCAL, { ...LOCAL, port: 6000 }] },
  })
  manager.database('app')
  manager.health()
  manager.stats()
  manager.explainConfig()
  await clock.advance(5_000)
  expect(driver.attempts).toBe(0)
  expect(clock.pendingTimers).toBe(0)
  await manager.close()
})

test('refuses an unknown database and suggests the nearest name', async () => {
  const manager = manage({ app: { primary: LOCAL } })
  expect(() => manager.database('ap' as never)).toThrow(
    /there is no database "ap"; did you mean "app"\?/,
  )
  expect(() => manager.database('__proto__' as never)).toThrow(RangeError)
  expect(() => manager.tenant('t')).toThrow(/no tenants/)
  await manager.close()
})

test('returns a pool that was made elsewhere as it is, and closes it at the end', async () => {
  const ready = createPool({ driver, connection: LOCAL, clock })
  const manager = manage({ ready })
  expect(manager.database('ready')).toBe(ready)
  await manager.close()
  await expect(ready.query('select 1')).rejects.toMatchObject({ code: 'POOLHOUSE_POOL_CLOSED' })
})

test('each database has its own driver: by key, as an object, or the first one', async () => {
  const other = fakeDriver({ clock })
  const third = fakeDriver({ clock })
  const manager = createManager({
    drivers: { first: driver, second: other },
    databases: {
      a: { primary: LOCAL },
      b: { primary: LOCAL, driver: 'second' },
      c: { primary: LOCAL, driver: third },
    },
    clock,
  })
  await Promise.all(
    [manager.database('a'), manager.database('b'), manager.database('c')].map((db) =>
      db.query('select 1'),
    ),
  )
  // The first database has also asked its server for the limit.
  expect([driver, other, third].map(({ open }) => open.size)).toEqual([1, 1, 1])
  await manager.close()
})

test('X16: refuses contradictory configurations, and shows no secret', () => {
  const cases: [unknown, RegExp][] = [
    [{}, /databases\.app: give exactly one of primary, nodes and discover, got 0/],
    [{ primary: LOCAL, nodes: [LOCAL] }, /exactly one of primary, nodes and discover, got 2/],
    [{ nodes: [LOCAL, LOCAL] }, /localhost:5432 is listed twice/],
    [{ nodes: [LOCAL], replicas: [LOCAL] }, /replicas need primary/],
    [{ primary: LOCAL, failover: {} }, /failover needs nodes/],
    [{ primary: LOCAL, driver: 'fke' }, /driver "fke".*did you mean "fake"/],
    [
      { primary: { ...LOCAL, pasword: 's3cret' } },
      /unknown key "pasword"; did you mean "password"/,
    ],
    [
      { primary: LOCAL, pool: { mx: 3 } },
      /databases\.app\.pool: unknown key "mx"; did you mean "max"/,
    ],
    [{ primary: 'postgres://u:s3cret@a:b:c/app' }, /malformed URL/],
    [{ primary: 'postgres://a,b/app' }, /lists 2; give the list as nodes/],
    [{ primary: LOCAL, pool: { max: 's3cret' } }, /databases\.app\.pool\.max/],
    [
      JSON.parse('{ "primary": "postgres://a/app", "__proto__": { "replicas": [] } }'),
      /unknown key "__proto__"/,
    ],
  ]
  for (const [config, message] of cases) {
    const make = (): unknown => manage({ app: config as DatabaseConfig })
    expect(make).toThrow(ConfigError)
    expect(make).toThrow(message)
    expect(make).not.toThrow(/s3cret/)
  }
  expect(() => createManager({ databses: {} } as never)).toThrow(/did you mean "databases"/)
  expect(() => manage({})).toThrow(/none is given/)
})

test('a ConfigError about the shape shows the smallest configuration, which works', async () => {
  const shown =
    /; the smallest configuration that works: createManager\((.*)\); see POOLHOUSE_CONFIG$/
  const failures = [() => manage({}), () => manage({ app: {} as DatabaseConfig })]
  for (const fail of [...failures, () => createManager({ databases: 3 } as never)]) {
    expect(fail).toThrow(shown)
  }
  let message = ''
  try {
    manage({})
  } catch (error) {
    message = (error as Error).message
  }
  const [, text] = shown.exec(message)!
  const nodePostgres = () => fakeDriver({ clock: virtualClock() })
  const read = new Function('nodePostgres', `return ${text}`) as (driver: unknown) => never
  await createManager(read(nodePostgres)).close()
})

test('X06: explains every value with its origin and shows no secret', async () => {
  const manager = createManager({
    drivers: { fake: driver },
    databases: {
      app: {
        primary: 'postgres://u:s3cret@a/app?sslmode=require&sslpassword=s3cret',
        pool: { max: 7 },
      },
      dw: {
        primary: { ...LOCAL, password: () => 's3cret', ssl: { mode: 'require', key: 's3cret' } },
      },
      log: "host=b user=u password='s3 cret'",
    },
    budget: { perServer: 9 },
    origins: { 'databases.app.primary': 'DATABASE_URL', budget: 'poolhouse.config.json' },
    clock,
  })
  const lines = manager
    .explainConfig()
    .map(({ path, value, origin }) => `${path} = ${value} (${origin})`)
  expect(lines).toEqual([
    'databases.app.primary = postgres://u:[redacted]@a/app?sslmode=require&sslpassword=[redacted] (DATABASE_URL)',
    'databases.app.pool.max = 7 (code)',
    'databases.dw.primary.host = localhost (code)',
    'databases.dw.primary.user = u (code)',
    'databases.dw.primary.database = app (code)',
    'databases.dw.primary.password = [redacted] (code)',
    'databases.dw.primary.ssl.mode = require (code)',
    'databases.dw.primary.ssl.key = [redacted] (code)',
    'databases.log = postgres://?host=b&user=u&password=[redacted] (code)',
    'budget.perServer = 9 (poolhouse.config.json)',
  ])
  await manager.close()
})

test('X10: asks for a password once for concurrent connects, and once more after it was refused', async () => {
  let valid = 'old'
  let asked = 0
  const rotating = fakeDriver({
    clock,
    connectMs: 5,
    onConnect: (_attempt, { password, settings }) =>
      password === valid
        ? undefined
        : new AuthenticationError('wrong password', {
            endpoint: settings.endpoint.host,
            sqlState: '28P01',
            fatal: true,
          }),
  })
  const password = async (): Promise<string> => {
    asked++
    // The second answer still comes from its cache.
    return asked <= 2 ? 'old' : valid
  }
  const manager = createManager({
    drivers: { fake: rotating },
    databases: { app: { primary: { ...LOCAL, password } } },
    budget: { perServer: 8 },
    clock,
  })
  const calls = [1, 2, 3, 4].map(() => manager.database('app').query('select 1'))
  await clock.advance(50)
  await Promise.all(calls)
  expect(asked).toBe(1)
  valid = 'new'
  const leases = [1, 2, 3, 4, 5].map(() => manager.database('app').acquire())
  await clock.advance(100)
  for (const lease of await Promise.all(leases)) lease.release()
  expect(asked).toBe(3)
  await manager.close()
})

test('reloads sizes and credentials without dropping calls under way, or changes nothing', async () => {
  const users: string[] = []
  const seeing = fakeDriver({
    clock,
    onConnect: (_attempt, { settings }) => void users.push(settings.user),
  })
  const manager = createManager({
    drivers: { fake: seeing },
    databases: { app: { primary: LOCAL as Record<string, string>, pool: { max: 1 } } },
    budget: { perServer: 8 },
    clock,
  })
  const db = manager.database('app')
  const lease = await db.acquire()
  const waiting = db.query('select 1')
  const next = (config: object): void => manager.reload({ app: config } as never)
  expect(() => next({ nodes: [LOCAL] })).toThrow(/reload: databases\.app: kind/)
  expect(() => next({ primary: LOCAL, pool: { mx: 1 } })).toThrow(/did you mean "max"/)
  expect(() => manager.reload({ other: { primary: LOCAL } } as never)).toThrow(
    /no database "other"/,
  )
  next({ primary: { ...LOCAL, user: 'rotated' }, pool: { max: 3 } })
  await clock.settle()
  await waiting
  await lease.query('select 2')
  lease.release()
  await clock.settle()
  await db.query('select 3')
  expect(new Set(users)).toEqual(new Set(['u', 'rotated']))
  expect(db.stats().max).toBe(3)
  expect([...seeing.open]).toHaveLength(1)
  await manager.close()
})

test('a reload changes the address of a single server, also for the pools of tenants', async () => {
  const seen: string[] = []
  const seeing = fakeDriver({
    clock,
    onConnect: (_attempt, { settings: { user, endpoint, parameters } }) =>
      void seen.push(
        `${user}@${endpoint.host}/${endpoint.database} ${parameters['search_path'] ?? ''}`,
      ),
  })
  const manager = createManager({
    drivers: { fake: seeing },
    databases: { app: { primary: LOCAL as Record<string, string> } },
    budget: { perServer: 8 },
    tenants: { resolve: () => ({ schema: 'mine' }) },
    clock,
  })
  const both = async (): Promise<void> => {
    await Promise.all([manager.database('app').query('a'), manager.tenant('t').query('b')])
  }
  await both()
  manager.reload({ app: { primary: { ...LOCAL, host: 'elsewhere', user: 'rotated' } } })
  await clock.settle()
  await both()
  expect(seen).toEqual([
    'u@localhost/app ',
    'u@localhost/app "mine"',
    'rotated@elsewhere/app ',
    'rotated@elsewhere/app "mine"',
  ])
  expect(Object.keys(manager.stats().servers)).toEqual(['localhost:5432', 'elsewhere:5432'])
  await manager.close()
})

test('a listener that throws is a process warning, unless the database has an error listener', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  try {
    const manager = manage({ app: { primary: LOCAL } })
    const db = manager.database('app')
    const fault = new Error('listener fault')
    db.on('connect', () => {
      throw fault
    })
    await db.query('select 1')
    await clock.advance(10)
    expect(warned.mock.calls).toEqual([[fault]])
    const errors: unknown[] = []
    db.on('error', ({ error }) => errors.push(error))
    await Promise.all([db.query('select 1'), db.query('select 2'), clock.advance(10)])
    expect(errors).toEqual([fault])
    expect(warned).toHaveBeenCalledTimes(1)
    await manager.close()
  } finally {
    warned.mockRestore()
  }
})

test('a database tells of a replica that does not say how far behind it is', async () => {
  const secretive = new Set<number>()
  driver.options.onConnect = (attempt, { settings }) => {
    if (settings.endpoint.port === 6000) secretive.add(attempt)
    return undefined
  }
  driver.options.onStatement = ({ text }, { info }) =>
    secretive.has(info.backendPid!) && text.includes('pg_last_wal_replay_lsn')
      ? { error: new DatabaseError('permission denied', { code: '42501', severity: 'ERROR' }) }
      : undefined
  const manager = manage({ app: { primary: LOCAL, replicas: [{ ...LOCAL, port: 6000 }] } })
  const told: unknown[] = []
  const db = manager.database('app')
  db.on('unidentified', (event) => told.push(event))
  await Promise.all([db.query('select 1', [], { intent: 'read' }), clock.advance(1_000)])
  expect(told).toMatchObject([{ reason: expect.stringContaining('permission denied') }])
  await manager.close()
})

test('is ready when every database answers, and not while one is down', async () => {
  const manager = manage({ app: { primary: LOCAL } })
  const { livez, readyz } = createHealthHandlers(manager, { timeoutMs: 200, details: true })
  isAway = true
  const asking = readyz.answer()
  await clock.advance(300)
  expect(await asking).toMatchObject({ status: 503, body: { status: 'unavailable' } })
  expect(await livez.answer()).toEqual({ status: 200, body: { status: 'ok' } })
  expect(manager.health().reasons[0]).toMatch(/connection refused/)
  isAway = false
  const again = readyz.answer()
  await clock.advance(10_000)
  await again
  const last = readyz.answer()
  await clock.advance(300)
  expect(await last).toEqual({ status: 200, body: { status: 'ok' } })
  await manager.ready()
  manager.leaving()
  expect(await readyz.answer()).toMatchObject({ status: 503, body: { reasons: ['shutting down'] } })
  await manager.close()
})

test('answers node:http, Fastify and Hono', async () => {
  const source = {
    health: () => ({
      live: true,
      ready: true,
      degraded: true,
      reasons: ['b is unreachable'],
      databases: {},
    }),
    ready: async () => {},
  }
  const { readyz } = createHealthHandlers(source, { details: true })
  const node = { statusCode: 0, setHeader: vi.fn(), end: vi.fn() }
  await readyz.node({}, node)
  expect(node.statusCode).toBe(200)
  expect(node.end).toHaveBeenCalledWith('{"status":"degraded","reasons":["b is unreachable"]}')
  const reply = { code: vi.fn(), send: vi.fn() }
  await readyz.fastify({}, reply)
  expect(reply.code).toHaveBeenCalledWith(200)
  expect(await readyz.hono({ json: (body, status) => ({ body, status }) })).toMatchObject({
    status: 200,
  })
})

test('T36: answers hold no host, port, database, user or reason without details', async () => {
  const manager = manage({ app: { primary: LOCAL } })
  isAway = true
  for (const options of [undefined, {}, { details: false }, { details: undefined }]) {
    const { livez, readyz } = createHealthHandlers(
      manager,
      options && { timeoutMs: 200, ...options },
    )
    const told: unknown[] = []
    const node = { statusCode: 0, setHeader: vi.fn(), end: (body: string) => told.push(body) }
    const reply = { code: vi.fn(), send: (body: unknown) => told.push(JSON.stringify(body)) }
    for (const handler of [livez, readyz]) {
      const all = Promise.all([
        handler.node({}, node),
        handler.fastify({}, reply),
        handler.hono({ json: (body) => told.push(JSON.stringify(body)) }),
        handler.answer().then(({ body }) => told.push(JSON.stringify(body))),
      ])
      for (let step = 0; step < 8; step++) await clock.advance(300)
      await all
    }
    expect(new Set(told)).toEqual(new Set(['{"status":"ok"}', '{"status":"unavailable"}']))
  }
  expect(manager.health().reasons.join()).toMatch(/localhost:5432\/app/)
  await Promise.all([manager.close({ timeoutMs: 0 }), clock.advance(10_000)])
})

test.each([
  [{ details: 'false' }, /details must be true or false/],
  [{ details: 1 }, /details must be true or false/],
  [{ detail: true }, /unknown option "detail"; did you mean "details"/],
])('T36: refuses %j, which may be meant either way', (options, message) => {
  const manager = manage({ app: { primary: LOCAL } })
  expect(() => createHealthHandlers(manager, options as never)).toThrow(message)
})

test('S91: shuts down in order: fails readiness, refuses new work, serves running and waiting calls within graceMs', async () => {
  const manager = manage({ app: { primary: LOCAL, pool: { max: 1 } } })
  const db = manager.database('app')
  const lease = await db.acquire()
  const waiting = db.query('select 1')
  const down = manager.shutdown({ graceMs: 1_000 })
  expect(manager.health()).toMatchObject({ live: true, ready: false })
  await clock.advance(100)
  await expect(db.query('select 2')).rejects.toMatchObject({ code: 'POOLHOUSE_POOL_CLOSED' })
  await lease.query('select 3')
  lease.release()
  await waiting
  await clock.advance(100)
  await down
  expect(driver.open.size).toBe(0)
  expect(clock.pendingTimers).toBe(0)
})

test('closes at the end of graceMs even if calls still run', async () => {
  const manager = manage({ app: { primary: LOCAL } })
  const lease = await manager.database('app').acquire()
  const down = manager.shutdown({ graceMs: 1_000, delayMs: 500 })
  await clock.advance(400)
  await manager.database('app').query('select 1')
  await clock.advance(5_000)
  await down
  expect(driver.open.size).toBe(0)
  lease.release()
})

test('T86: readiness fails for delayMs before the sources of new work are stopped', async () => {
  const calls: string[] = []
  const startedAt = performance.now()
  const manager = {
    leaving: () => void calls.push('leaving'),
    shutdown: async (options: object = {}) =>
      void calls.push(`shutdown ${JSON.stringify(options)}`),
  }
  const before = (): void => {
    calls.push(performance.now() - startedAt > 25 ? 'before' : 'too soon')
  }
  const takeBack = shutdownOnSignals(manager, {
    signals: ['SIGUSR2'],
    delayMs: 30,
    graceMs: 5,
    exit: false,
    before,
  })
  process.emit('SIGUSR2')
  expect(calls).toEqual(['leaving'])
  await vi.waitFor(() => expect(calls).toEqual(['leaving', 'before', 'shutdown {"graceMs":5}']))
  takeBack()
})

test('starts one shutdown at the first signal, and stops listening on request', async () => {
  const calls: string[] = []
  const manager = {
    leaving: () => void calls.push('leaving'),
    shutdown: async ({ graceMs }: { graceMs?: number | undefined } = {}) =>
      void calls.push(`shutdown ${graceMs}`),
  }
  const options = {
    signals: ['SIGUSR2'] as const,
    graceMs: 5,
    exit: false,
    before: () => void calls.push('before'),
  }
  const takeBack = shutdownOnSignals(manager, options)
  process.emit('SIGUSR2')
  process.emit('SIGUSR2')
  await vi.waitFor(() => expect(calls).toEqual(['leaving', 'before', 'shutdown 5']))
  takeBack()
  expect(process.listenerCount('SIGUSR2')).toBe(0)
})

test('keeps one value for each name, and closes the former one when the key changes', async () => {
  const made: string[] = []
  const closed: string[] = []
  const make = (key: string) => (): { close(): void } => {
    made.push(key)
    return { close: () => void closed.push(key) }
  }
  const first = singleton('test', make('a'), { key: 'a' })
  expect(singleton('test', make('a'), { key: 'a' })).toBe(first)
  expect(singleton('test', make('b'), { key: 'b' })).not.toBe(first)
  await clock.settle()
  expect({ made, closed }).toEqual({ made: ['a', 'b'], closed: ['a'] })
})

test('accepts the options that only a new pool can take, at the start and at a reload', async () => {
  const pool = { prepare: 'off', reset: 'always', errorDetail: 'drop', failFast: false } as const
  const manager = createManager({
    drivers: { fake: fakeDriver({ clock }) },
    databases: { app: { primary: LOCAL as Record<string, string>, pool } },
    clock,
  })
  const answer = manager.database('app').query('select 1')
  await clock.settle()
  await answer
  manager.reload({ app: { primary: LOCAL, pool: { ...pool, max: 3 } } } as never)
  expect(manager.database('app').stats().max).toBe(3)
  await manager.close()
})

test('checks multiplex of a database before its first call, together with its other options', () => {
  const cases: [pool: object, message: RegExp][] = [
    [{ multiplex: true }, /pool\.multiplex: must be 'auto', false or an object such as/],
    [{ multiplex: { maxInflight: 2 } }, /pool\.multiplex: .*did you mean "maxInFlight"/],
    [{ multiplex: { connections: 0 } }, /pool\.multiplex\.connections/],
    [{ multiplex: { maxInFlight: 10_001 } }, /pool\.multiplex\.maxInFlight/],
    [
      { max: 3, multiplex: { connections: 4 } },
      /pool\.multiplex\.connections: must not exceed max \(3\), got 4/,
    ],
    [
      { reset: 'always', multiplex: 'auto' },
      /pool\.multiplex: must be false or left out with reset 'always'/,
    ],
    [
      { pooler: 'pgbouncer', multiplex: {} },
      /pool\.multiplex: must be 'auto', false or left out with pooler 'pgbouncer'/,
    ],
  ]
  for (const [pool, message] of cases) {
    const make = (): unknown => manage({ app: { primary: LOCAL, pool } })
    expect(make).toThrow(ConfigError)
    expect(make).toThrow(message)
  }
  for (const pool of [
    { multiplex: false, reset: 'always' },
    { multiplex: 'auto', pooler: 'pgbouncer' },
    { multiplex: { connections: 3 }, max: 3 },
    { multiplex: {}, max: 1 },
  ] as const)
    expect(() => manage({ app: { primary: LOCAL, pool } })).not.toThrow()
})

test('tenants with fewer connections than their database shares get and keep their pools', async () => {
  const manager = createManager({
    drivers: { fake: driver },
    databases: {
      app: {
        primary: LOCAL as Record<string, string>,
        pool: { max: 20, multiplex: { connections: 15 } },
      },
    },
    tenants: { resolve: () => ({ database: 'one', limits: { max: 2 } }) },
    clock,
  })
  const next = (pool: object): void => manager.reload({ app: { primary: LOCAL, pool } } as never)
  const tenant = manager.tenant('one')
  const answer = tenant.query('select 1')
  await clock.settle()
  await answer
  next({ max: 20, multiplex: { connections: 10, maxInFlight: 5 } })
  next({ max: 20, multiplex: 'auto' })
  next({ max: 20, multiplex: false })
  expect(() => next({ max: 20, multiplex: true })).toThrow(ConfigError)
  expect(() => next({ max: 20, reset: 'always' })).toThrow(/pool\.reset.*need a new manager/)
  await tenant.query('select 2')
  expect(tenant.stats().max).toBe(2)
  await manager.close()
})

import { inspect } from 'node:util'
import { type ConnectionPool, createPool, type Pool } from '@poolhouse/core'
import { checkNumber, parseConnectionUrl } from '@poolhouse/core/kit'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { typeParsers } from '@poolhouse/core/types'
import { dns, hosts, patroni, withFailover } from '@poolhouse/failover'
import { createHealthHandlers, createManager, loadConfig, singleton } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { expressReplicas, lexerClassifier, runWith, withReplicas } from '@poolhouse/read-replicas'
import { startCluster, startHaproxy, startPgBouncer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'

// Words that stand nowhere else, and that a search finds also where a text was cut.
const WORD = 'hunterzwei'
const PASSWORD = `${WORD}4711`
const TEXTS: readonly (readonly [string, string])[] = [
  ['a URL', `postgres://app:${PASSWORD}@db.example:5432/shop`],
  ['a URL with a password in its query', `postgresql://db/shop?user=app&password=${PASSWORD}`],
  ['keywords', `host=db.example password=${PASSWORD} dbname=shop`],
  ['keywords that begin with the password', `password='${PASSWORD}' host=db`],
  [
    'a key',
    `-----BEGIN PRIVATE KEY-----\n${PASSWORD}${PASSWORD}${PASSWORD}\n-----END PRIVATE KEY-----\n`,
  ],
]

type Place = readonly [where: string, call: (text: string) => unknown]

const clock = virtualClock()
const driver = fakeDriver({ clock })
const connection = { host: 'db.example', user: 'app', ssl: false } as const
const pool = (name = 'a', more: object = {}): ConnectionPool =>
  createPool({ driver, clock, name, connection: { ...connection, host: name }, ...more })

/**
 * One call for each option, with the text as its value, and one with the text as the name of an
 * option.
 */
function eachOption(
  where: string,
  names: readonly string[],
  call: (options: Record<string, unknown>) => unknown,
): Place[] {
  return [
    ...names.map((name): Place => [`${where} ${name}`, (text) => call({ [name]: text })]),
    [`${where}, as the name of an option`, (text) => call({ [text]: 1 })],
  ]
}

const POOL_OPTIONS = [
  'driver',
  'name',
  'max',
  'min',
  'acquireTimeoutMs',
  'connectTimeoutMs',
  'statementTimeoutMs',
  'idleTimeoutMs',
  'maxLifetimeMs',
  'maxUses',
  'maxPending',
  'leakWarningMs',
  'validateAfterIdleMs',
  'prepare',
  'pooler',
  'types',
  'requireAuth',
  'overload',
  'budget',
  'multiplex',
  'clock',
  'random',
  'reset',
]

const ofCore: Place[] = [
  ['createPool', (text) => createPool(text as never)],
  ...eachOption('createPool', POOL_OPTIONS, (options) =>
    createPool({ driver, clock, connection, ...options } as never),
  ),
  ...eachOption(
    'connection',
    ['host', 'hostaddr', 'port', 'user', 'database', 'applicationName', 'ssl', 'parameters'],
    (options) => createPool({ driver, clock, connection: { ...connection, ...options } as never }),
  ),
  ...eachOption('connection', ['channelBinding', 'routing'], (options) =>
    createPool({ driver, clock, connection: { ...connection, ...options } as never }),
  ),
  ...eachOption(
    'connection.ssl',
    ['mode', 'negotiation', 'serverName', 'sni', 'minVersion', 'maxVersion'],
    (ssl) => createPool({ driver, clock, connection: { ...connection, ssl: ssl as never } }),
  ),
  ...eachOption('connection.parameters', ['work_mem\0'], (parameters) =>
    createPool({ driver, clock, connection: { ...connection, parameters: parameters as never } }),
  ),
  ...eachOption('overload', ['targetMs', 'intervalMs'], (overload) =>
    createPool({ driver, clock, connection, overload: overload as never }),
  ),
  ...eachOption('multiplex', ['connections', 'maxInFlight'], (multiplex) =>
    createPool({ driver, clock, connection, multiplex: multiplex as never }),
  ),
  ...eachOption('types', ['int8'], (types) =>
    createPool({ driver, clock, connection, types: types as never }),
  ),
  ['requireAuth[0]', (text) => pool('a', { requireAuth: [text] })],
  ['typeParsers', (text) => typeParsers(text as never)],
  ['checkNumber', (text) => checkNumber('test', 'max', text, { min: 1, max: 2 })],
  ['on', (text) => pool().on(text as never, () => {})],
  ['on, listener', (text) => pool().on('error', text as never)],
  ['query signal', (text) => pool().query('select 1', [], { signal: text as never })],
  ...eachOption('query', ['signal', 'timeoutMs', 'intent', 'maxStalenessMs'], (options) =>
    pool().query('select 1', [], options as never),
  ),
  ...eachOption('acquire', ['signal', 'timeoutMs', 'priority', 'intent'], (options) =>
    pool().acquire(options as never),
  ),
  ...eachOption(
    'transaction',
    ['signal', 'timeoutMs', 'isolation', 'readOnly', 'deferrable', 'retry', 'resolver', 'intent'],
    (options) => pool().transaction(async () => 1, options as never),
  ),
  ['transaction, work', (text) => pool().transaction(text as never)],
  ['use', (text) => pool().use(text as never)],
  ['listen', (text) => pool().listen(`${text}${'x'.repeat(64)}`, () => {})],
  ['listen, listener', (text) => pool().listen('a', text as never)],
  ['resize', (text) => pool().resize({ max: text as never })],
  ['warm', (text) => pool().warm(text as never)],
  ...eachOption('close', ['timeoutMs', 'waiters'], (options) => pool().close(options as never)),
  ...eachOption('reconfigure', ['max', 'connection'], (options) =>
    pool().reconfigure(
      'connection' in options
        ? { connection: { ...connection, host: options['connection'] as string } }
        : (options as never),
    ),
  ),
  ...eachOption('openSession', ['applicationName', 'onNotification', 'timeoutMs'], (options) =>
    pool().openSession(options as never),
  ),
  ...eachOption('stream', ['batchSize', 'signal'], (options) =>
    pool().stream('select 1', [], options as never),
  ),
  ['copyFrom', (text) => pool().copyFrom('copy a from stdin', text.length as never)],
  ['nodePostgres', (text) => nodePostgres(text as never)],
  ...eachOption('nodePostgres', ['pg'], (options) => nodePostgres(options as never)),
  ['postgresJs', (text) => postgresJs(text as never)],
  ...eachOption('postgresJs', ['postgres'], (options) => postgresJs(options as never)),
]

const found = { name: 'found', next: async () => ({ nodes: [] }) }
const failover = (options: object = {}): Pool =>
  withFailover([pool('a'), pool('b')], { clock, ...options } as never)

const ofFailover: Place[] = [
  ['withFailover', (text) => withFailover(text as never)],
  ['withFailover([…])', (text) => withFailover([text] as never)],
  ['withFailover, options', (text) => withFailover([pool()], text as never)],
  ...eachOption('withFailover, source', ['discover', 'pool', 'intervalMs'], (options) =>
    withFailover({ discover: found, pool: () => pool(), ...options } as never),
  ),
  ...eachOption(
    'withFailover',
    ['name', 'probe', 'watchdog', 'hold', 'fence', 'minimumTimeline', 'retryBudget', 'clock'],
    failover,
  ),
  ...eachOption('probe', ['intervalMs', 'timeoutMs'], (probe) => failover({ probe })),
  ...eachOption('watchdog', ['silenceMs', 'probes', 'everyMs'], (watchdog) =>
    failover({ watchdog }),
  ),
  ...eachOption('hold', ['timeoutMs', 'maxCalls'], (hold) => failover({ hold })),
  ['drain', (text) => (failover() as never as { drain(id: string): unknown }).drain(text)],
  [
    'acceptSystem',
    (text) => (failover() as never as { acceptSystem(id: string): unknown }).acceptSystem(text),
  ],
  [
    'switchover',
    (text) => (failover() as never as { switchover(fn: unknown): unknown }).switchover(text),
  ],
  ['hosts', (text) => hosts(`${text}&nonsense=1`)],
  ['hosts, a list', (text) => hosts([text] as never)],
  ['patroni', (text) => patroni(text as never)],
  ...eachOption('patroni', ['urls', 'timeoutMs', 'tls'], (options) =>
    patroni({ urls: ['http://a'], ...options } as never),
  ),
  ['patroni, urls[0]', (text) => patroni({ urls: [text] })],
  ['patroni, a URL with a password', () => patroni({ urls: [`http://app:${PASSWORD}@a:8008`] })],
  ['dns', (text) => dns(text as never)],
  ...eachOption('dns', ['port', 'family', 'timeoutMs', 'resolver'], (options) =>
    dns({ name: 'a', ...options } as never),
  ),
  ...eachOption('dns', ['name', 'srv'], (options) => dns(options as never)),
]

const replicas = (options: object = {}) =>
  withReplicas(pool('a'), [pool('b')], { clock, ...options } as never)

const ofReplicas: Place[] = [
  ['withReplicas', (text) => withReplicas(text as never, [])],
  ['withReplicas, replicas', (text) => withReplicas(pool(), text as never)],
  ['withReplicas, replicas[0]', (text) => withReplicas(pool(), [text] as never)],
  ['withReplicas, options', (text) => withReplicas(pool(), [], text as never)],
  ...eachOption(
    'withReplicas',
    [
      'name',
      'strategy',
      'weights',
      'maxStalenessMs',
      'maxStalenessBytes',
      'whenStale',
      'zone',
      'maxReadsPerNode',
      'slowStartMs',
      'primaryShare',
      'readRetries',
      'hedgeAfterMs',
      'waitForTokenMs',
      'tokenSecret',
      'onLostToken',
      'classify',
      'clock',
      'random',
    ],
    replicas,
  ),
  ...eachOption('weights', ['b'], (weights) => replicas({ weights })),
  ...eachOption('whenStale', ['waitMs', 'otherwise'], (whenStale) => replicas({ whenStale })),
  ...eachOption('reader', ['maxStalenessMs', 'maxStalenessBytes', 'whenStale'], (options) =>
    replicas().reader(options as never),
  ),
  ['session', (text) => replicas().session(text)],
  ['session, options', (text) => replicas().session(undefined, text as never)],
  ...eachOption('runWith', ['intent', 'maxStalenessMs', 'session'], (options) =>
    runWith(options as never, () => 1),
  ),
  ['runWith', (text) => runWith(text as never, () => 1)],
  ['lexerClassifier', (text) => lexerClassifier(text as never)],
  ...eachOption('lexerClassifier', ['mode', 'readOnlyFunctions', 'allow'], (options) =>
    lexerClassifier(options as never),
  ),
  ['expressReplicas', (text) => expressReplicas(text as never)],
  ...eachOption('expressReplicas', ['header', 'cookie', 'intent'], (options) =>
    expressReplicas(replicas(), options as never),
  ),
]

const databases = { app: { primary: { ...connection }, driver } }
const manager = (options: object) => createManager({ databases, clock, ...options } as never)
const database = (options: object) =>
  manager({ databases: { app: { ...databases.app, ...options } } }).database('app' as never)
const tenant = (target: object, id = 'one') => {
  const made = manager({ tenants: { resolve: () => target } })
  return made
    .tenant(id)
    .query('select 1')
    .finally(() => void made.close())
}

const ofManager: Place[] = [
  ['createManager', (text) => createManager(text as never)],
  ...eachOption(
    'createManager',
    ['drivers', 'databases', 'tenants', 'budget', 'origins', 'env'],
    manager,
  ),
  ...eachOption('drivers', ['pg'], (drivers) => manager({ drivers })),
  ['the name of a database', (text) => manager({ databases: { [text]: databases.app } })],
  ['a database that is a broken URL', (text) => manager({ databases: { app: `${text}&x=1` } })],
  ...eachOption(
    'databases.app',
    ['driver', 'replicas', 'discover', 'connection', 'pool', 'failover', 'reads', 'weight'],
    database,
  ),
  ...eachOption('databases.app.primary', ['host', 'port', 'database', 'user', 'ssl'], (options) =>
    database({ primary: { ...connection, ...options } }).query('select 1'),
  ),
  ...eachOption(
    'databases.app.pool',
    POOL_OPTIONS.filter((name) => name !== 'name'),
    (options) => database({ pool: options }),
  ),
  ...eachOption('budget', ['perServer', 'instances', 'servers'], (budget) => manager({ budget })),
  ...eachOption('tenants', ['resolve', 'ttlMs', 'limits', 'idleMs', 'maxPools'], (tenants) =>
    manager({ tenants: { resolve: () => undefined, ...tenants } }),
  ),
  ['database', (text) => manager({}).database(text as never)],
  [
    'an unknown tenant',
    (text) =>
      manager({ tenants: { resolve: () => undefined } })
        .tenant(text)
        .query('select 1'),
  ],
  ['a tenant with a database', (text) => tenant({ database: 'shop' }, text)],
  ...eachOption('resolve', ['on', 'database', 'schema', 'settings', 'user', 'limits'], (options) =>
    tenant({ ...('on' in options && { database: 'shop' }), ...options }),
  ),
  ...eachOption('loadConfig', ['file', 'directory', 'env', 'code'], (options) =>
    loadConfig({ file: false, env: false, ...options } as never),
  ),
  ...eachOption('loadConfig, env', ['prefix', 'names', 'variables'], (env) =>
    loadConfig({ file: false, env }),
  ),
  [
    'a variable',
    (text) => loadConfig({ file: false, env: { DATABASE_URL: `${text}\u0000&x` } }).then(manager),
  ],
  ['PGPORT', (text) => loadConfig({ file: false, env: { PGPORT: text } })],
  ['PGSSLMODE', (text) => loadConfig({ file: false, env: { PGHOST: 'a', PGSSLMODE: text } })],
  ['PGHOSTADDR', (text) => loadConfig({ file: false, env: { PGHOSTADDR: text } })],
  ['PGOPTIONS', (text) => loadConfig({ file: false, env: { PGHOST: 'a', PGOPTIONS: text } })],
  ['createHealthHandlers', (text) => createHealthHandlers(text as never)],
  ['singleton', (text) => singleton(text, () => ({}))],
]

const ofTestkit: Place[] = [
  ['startCluster', (text) => startCluster(text as never)],
  ...eachOption('startCluster', ['replicas', 'binaries', 'auth', 'tls'], (options) =>
    startCluster(options as never),
  ),
  ['startHaproxy', (text) => startHaproxy({ targets: [`${text}&nonsense=1`] } as never)],
  ['startPgBouncer', (text) => startPgBouncer({ target: `${text}&nonsense=1` } as never)],
]

/**
 * Everything that can be printed of a value: its message, causes, stack, JSON, what inspect shows,
 * its name and statistics.
 */
function printed(value: unknown): string {
  const parts: string[] = []
  const seen = new Set<unknown>()
  for (let each = value; each !== undefined && !seen.has(each); each = causeOf(each)) {
    seen.add(each)
    parts.push(inspect(each, { depth: 9, showHidden: true, maxStringLength: null }), String(each))
    try {
      parts.push(JSON.stringify(each) ?? '')
    } catch {
      // Some of it cannot be written as JSON.
    }
    const { stack, name, stats, explainConfig } = (each ?? {}) as Record<string, unknown>
    parts.push(String(stack), String(name))
    if (typeof stats === 'function') parts.push(inspect(stats.call(each), { depth: 9 }))
    if (typeof explainConfig === 'function') parts.push(inspect(explainConfig.call(each)))
  }
  return parts.join('\n')
}

function causeOf(value: unknown): unknown {
  return (value as { cause?: unknown } | null | undefined)?.cause
}

/**
 * What a call comes to: what it returns or throws, at once or later. Undefined if it waits for a
 * server.
 */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    const value = call()
    if (!(value instanceof Promise)) return value
    value.catch(() => {})
    const turns = async (): Promise<undefined> => {
      for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate)
      return undefined
    }
    return await Promise.race([value, turns()])
  } catch (error) {
    return error
  }
}

describe.each([
  ['core and its drivers', ofCore],
  ['failover', ofFailover],
  ['read-replicas', ofReplicas],
  ['manager', ofManager],
  ['testkit', ofTestkit],
])('T31: a secret in the wrong place of %s', (_package, places) => {
  it.each(places)('%s: is in nothing that is printed', async (where, call) => {
    for (const [what, text] of TEXTS) {
      const result = await outcome(() => call(text))
      // A test may say what it was.
      expect(printed(result), `${what} as ${where}`).not.toContain(WORD)
      const { close } = (result ?? {}) as { close?: () => Promise<void> }
      if (typeof close === 'function') await outcome(() => close.call(result))
    }
  })
})

describe('T31: what is said in place of a URL', () => {
  const url = `postgres://app:${PASSWORD}@db/shop`

  it.each([
    [() => createPool(url as never), /options must be an object such as \{ driver.* got a URL/],
    [() => withFailover([url] as never), /nodes\[0\].*got a URL; make a pool of each server/],
    [() => withFailover(url as never), /got a URL; make a pool of each server.*hosts\(url\)/],
    [() => withReplicas(url as never, []), /primary.*got a URL; make a pool of each server/],
    [() => createManager(url as never), /got a URL; give the URL a name: .*databases: \{ app/],
  ])('tells what was meant: %s', (call, message) => {
    expect(call).toThrow(TypeError)
    expect(call).toThrow(message)
  })
})

describe('T31: a secret in every part of a URL', () => {
  const key = encodeURIComponent(`-----BEGIN PRIVATE KEY-----\n${PASSWORD}\n-----END`)

  it.each([
    `?sslpassword=a&${WORD}=1`,
    `?password=a&${WORD}=1`,
    `?password=a&${WORD}`,
    `?sslkey=${key}`,
    `?sslkey=${PASSWORD}`,
    `?sslcert=${key}`,
    `?sslrootcert=${key}`,
    `?sslrootcert=${PASSWORD}`,
    `?sslcrl=${key}`,
    `?passfile=${PASSWORD}`,
    `?service=${PASSWORD}`,
    `?service=a&servicefile=${PASSWORD}`,
    `?scram_client_key=${PASSWORD}`,
    `?oauth_client_secret=${PASSWORD}&${WORD}=1`,
    `?port=${PASSWORD}`,
    `?hostaddr=${PASSWORD}`,
    `?sslmode=${PASSWORD}`,
    `?options=${PASSWORD}`,
    `?options=-c%20${PASSWORD}`,
    `?channel_binding=${PASSWORD}`,
    `?target_session_attrs=${PASSWORD}`,
    `?connect_timeout=${PASSWORD}`,
    `?connection_limit=${PASSWORD}`,
    `?require_auth=${PASSWORD}`,
    `?client_encoding=${PASSWORD}`,
    `?user=a@b&pasword=${PASSWORD}`,
    `?host=a,b&hostaddr=1.1.1.1&password=${PASSWORD}`,
  ])('%s', (query) => {
    for (const start of ['postgres://app@db/shop', `postgres://app:${PASSWORD}@db:5432/shop`]) {
      let error: unknown
      try {
        createPool({ driver, clock, connection: `${start}${query}` })
      } catch (caught) {
        error = caught
      }
      // A password that the URL has makes that of a file needless.
      if (!query.startsWith('?passfile')) expect(error).toBeInstanceOf(TypeError)
      expect(printed(error)).not.toContain(WORD)
    }
  })

  it.each([
    `postgres://app:a@${WORD}@db:x/shop`,
    `postgres://app:a#${WORD}@db/shop`,
    `postgres://app:a/${WORD}@db/shop`,
    `postgres://app:a?${WORD}@db/shop`,
    `postgres://app:a?${WORD}=b@db/shop`,
    `postgres://app:a&${WORD}@db/shop?x=1`,
    `postgres://app:%zz${WORD}@db/shop`,
    `postgres://app:${WORD}%@db/shop`,
    `postgres://app:${WORD}@db:${WORD}/shop`,
    `postgres://app:${WORD}@[::1/shop`,
    `postgres:/app:${WORD}@db/shop`,
    `postgres//app:${WORD}@db/shop`,
    `app:${WORD}@db/shop`,
    `${WORD}`,
    `  postgres://app:${WORD}@db/shop`,
    `jdbc:postgresql://db/shop?user=app&password=${WORD}`,
    `postgresql+psycopg2://app:${WORD}@db/shop`,
    `Host=db;Username=app;Password=${WORD}`,
    `password=${WORD} ${WORD} host=db`,
    `host=db password='${WORD}`,
    `host=db pass word=${WORD}`,
  ])('%s, broken', (text) => {
    let error: unknown
    try {
      parseConnectionUrl('test', text)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(TypeError)
    expect(printed(error)).not.toContain(WORD)
  })
})

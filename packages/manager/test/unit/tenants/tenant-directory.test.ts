import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { UnknownTenantError } from '@poolhouse/core'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import {
  createManager,
  type Manager,
  type TenantOptions,
  type TenantTarget,
} from '../../../src/index.js'
import { quoteName } from '../../../src/tenants/identity.js'
import { settingsStatement } from '../../../src/tenants/scoped-database.js'
import { TenantDirectory } from '../../../src/tenants/tenant-directory.js'
import { UnknownTenants } from '../../../src/tenants/unknown-tenants.js'

let clock: VirtualClock
let driver: FakeDriver
let connected: { database: string; searchPath: string | undefined; applicationName: string }[]

beforeEach(() => {
  clock = virtualClock()
  connected = []
  driver = fakeDriver({
    clock,
    onConnect: (_attempt, { settings }) => {
      const { endpoint, parameters, applicationName } = settings
      connected.push({
        database: endpoint.database,
        searchPath: parameters['search_path'],
        applicationName,
      })
      return undefined
    },
  })
})

function manage(resolve: TenantOptions['resolve'], options: Partial<TenantOptions> = {}): Manager {
  return createManager({
    drivers: { fake: driver },
    databases: { app: { primary: { host: 'localhost', user: 'u', database: 'app' } } },
    budget: { perServer: 10 },
    tenants: { resolve, ...options },
    clock,
    random: () => 0.5,
  }) as Manager
}

test('S87: caches unknown tenants for negativeTtlMs and known ones for ttlMs', async () => {
  const asked: string[] = []
  const manager = manage((id) => {
    asked.push(id)
    return id === 'acme' ? { database: 'acme' } : undefined
  })
  const call = (id: string): Promise<unknown> => manager.tenant(id).query('select 1')
  await call('acme')
  await expect(call('missing')).rejects.toBeInstanceOf(UnknownTenantError)
  await clock.advance(4_000)
  await expect(call('missing')).rejects.toBeInstanceOf(UnknownTenantError)
  await call('acme')
  expect(asked).toEqual(['acme', 'missing'])
  await clock.advance(2_000)
  await expect(call('missing')).rejects.toBeInstanceOf(UnknownTenantError)
  await clock.advance(60_000)
  await call('acme')
  expect(asked).toEqual(['acme', 'missing', 'missing', 'acme'])
  await manager.close()
})

test('a call rejects with the error of resolve, which is not cached', async () => {
  let works = false
  const manager = manage(() => {
    if (works) return { database: 'd' }
    throw new Error('the directory is away')
  })
  await expect(manager.tenant('a').query('select 1')).rejects.toThrow('the directory is away')
  works = true
  await manager.tenant('a').query('select 1')
  await manager.close()
})

test('a tenant that has moved is found at its new place, and running calls end at the former one', async () => {
  let database = 'old'
  const manager = manage(() => ({ database }), { ttlMs: 1_000 })
  const lease = await manager.tenant('a').acquire()
  database = 'new'
  await clock.advance(1_500)
  await manager.tenant('a').query('select 1')
  expect(connected.map((each) => each.database)).toEqual(['old', 'new'])
  await lease.query('select 2')
  lease.release()
  await clock.settle()
  expect(driver.open.size).toBe(1)
  await manager.close()
})

test('S85: closes the pools of unused tenants, and none with running or waiting calls', async () => {
  const manager = manage((id) => ({ database: id }), { idleMs: 5_000 })
  await manager.tenant('idle').query('select 1')
  const lease = await manager.tenant('busy').acquire()
  expect(manager.stats().tenantPools).toBe(2)
  await clock.advance(20_000)
  expect(manager.stats().tenantPools).toBe(1)
  await lease.query('select 1')
  lease.release()
  // The next call makes a new pool.
  await manager.tenant('idle').query('select 1')
  await manager.close()
  expect(driver.open.size).toBe(0)
})

test('X13: beyond maxPools the least recently used pools are closed', async () => {
  const manager = manage((id) => ({ database: id }), { maxPools: 3 })
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    await manager.tenant(id).query('select 1')
    await clock.advance(10)
  }
  const { tenants, tenantPools } = manager.stats({ tenants: ['a', 'b', 'c', 'd', 'e'] })
  expect(tenantPools).toBe(3)
  expect(Object.keys(tenants)).toEqual(['c', 'd', 'e'])
  await manager.close()
})

test('T103: beyond maxPools a tenant that was used again stays, and the one used longest ago goes', async () => {
  const asked: string[] = []
  const manager = manage(
    (id) => {
      asked.push(id)
      return { database: id }
    },
    { maxPools: 3, ttlMs: 1_000 },
  )
  const use = async (...ids: string[]): Promise<void> => {
    for (const id of ids) {
      await manager.tenant(id).query('select 1')
      await clock.advance(10)
    }
  }
  const open = (): string[] =>
    Object.keys(manager.stats({ tenants: ['a', 'b', 'c', 'd', 'e', 'f'] }).tenants)
  await use('a', 'b', 'c', 'a', 'd')
  expect(open()).toEqual(['a', 'c', 'd'])
  await use('c', 'e')
  expect(open()).toEqual(['c', 'd', 'e'])
  // A tenant that is resolved again after its time was used too.
  await clock.advance(1_000)
  await use('c', 'f')
  expect(open()).toEqual(['c', 'e', 'f'])
  expect(asked.filter((id) => id === 'c')).toHaveLength(2)
  await manager.close()
})

test('T103: beyond maxPools no tenant goes that has a call under way, nor one whose first call is about to begin', async () => {
  let asked = 0
  const manager = manage(
    (id) => {
      asked++
      return { database: id }
    },
    { maxPools: 2 },
  )
  const open = (): string[] => Object.keys(manager.stats({ tenants: ['a', 'b', 'c', 'd'] }).tenants)
  const lease = await manager.tenant('a').acquire()
  await clock.advance(10)
  await manager.tenant('b').query('select 1')
  await clock.advance(10)
  await manager.tenant('c').query('select 1')
  expect(open()).toEqual(['a', 'c'])
  await lease.query('select 1')
  // All at once: no pool may be closed before its first call.
  await clock.advance(10)
  asked = 0
  const calls = ['e', 'f', 'g'].map((id) => manager.tenant(id).query('select 1'))
  for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('fulfilled')
  expect(asked).toBe(3)
  expect(open()).toContain('a')
  lease.release()
  await clock.advance(20_000)
  expect(open().length).toBeLessThanOrEqual(2)
  await manager.close()
})

test('T103: a tenant that is used all the time is not swept as unused', async () => {
  const manager = manage((id) => ({ database: id }), { idleMs: 5_000, ttlMs: 600_000 })
  await manager.tenant('unused').query('select 1')
  for (let second = 0; second < 20; second++) {
    await manager.tenant('used').query('select 1')
    await clock.advance(1_000)
  }
  expect(Object.keys(manager.stats({ tenants: ['used', 'unused'] }).tenants)).toEqual(['used'])
  expect(driver.attempts).toBe(2)
  await manager.close()
})

test('X21: statistics name only tenants that were asked for, at most a hundred', async () => {
  const manager = manage((id) => ({ database: id }))
  await manager.tenant('acme').query('select 1')
  await manager.tenant('other').query('select 1')
  expect(JSON.stringify(manager.stats())).not.toMatch(/acme|other/)
  expect(JSON.stringify(manager.stats({ tenants: ['acme'] }))).not.toMatch(/other/)
  // Neither does the application_name, which every role can read.
  expect(connected.map(({ applicationName }) => applicationName)).toEqual(['app', 'app'])
  const many = Array.from({ length: 101 }, (_, index) => `t${index}`)
  expect(() => manager.stats({ tenants: many })).toThrow(/at most 100/)
  await manager.close()
})

test('X12: a tenant has its own limits, also on shared connections', async () => {
  const targets: Record<string, TenantTarget> = {
    own: { database: 'd', limits: { max: 1, maxPending: 2 } },
    shared: { settings: { 'app.tenant': 'x' }, limits: { max: 1, maxPending: 2 } },
  }
  const manager = manage((id) => targets[id])
  for (const id of ['own', 'shared']) {
    const tenant = manager.tenant(id)
    await tenant.query('select 1')
    const calls = [1, 2, 3, 4].map((call) => tenant.query(`select ${call}`))
    const ends = await Promise.allSettled(calls)
    expect(ends.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
    ])
    expect((ends[3] as PromiseRejectedResult).reason).toMatchObject({
      code: 'POOLHOUSE_POOL_OVERLOADED',
      executed: 'no',
    })
  }
  await manager.close()
})

test('X03: a call behind row-level security is a transaction that starts with its settings as bound parameters', async () => {
  const manager = manage((id) => ({ settings: { 'app.tenant': id } }))
  await manager.tenant(`a'; drop table x; --`).query('select secret from notes')
  const [connection] = driver.open
  expect(connection!.statements).toEqual([
    'BEGIN',
    'select pg_catalog.set_config($1, $2, true)',
    'select secret from notes',
    'COMMIT',
    // The pool has seen a set_config, and does not rely on its third argument.
    'reset session',
  ])
  const tenant = manager.tenant('a')
  const refused: (() => Promise<unknown>)[] = [
    () => tenant.acquire(),
    () => tenant.use(async () => undefined),
    () => tenant.copyFrom('copy notes from stdin', []),
    () => tenant.stream('select secret from notes').next(),
    () => tenant.copyTo('copy notes to stdout').next(),
    () => tenant.listen('news', () => undefined),
  ]
  for (const call of refused) {
    await expect(call()).rejects.toMatchObject({ code: 'POOLHOUSE_SESSION_STATE' })
  }
  await expect(manager.tenant('a').query('commit')).rejects.toThrow(/transaction/i)
  await manager.close()
})

test('refuses targets that name no place, or several', async () => {
  const wrong: [TenantTarget, RegExp][] = [
    [{}, /exactly one of database, schema and settings/],
    [{ database: 'a', schema: 'b' }, /exactly one/],
    [{ schema: '' }, /must not be empty/],
    [{ database: 'a\0' }, /NUL/],
    [{ schema: '\ud800' }, /well-formed/],
    [{ on: 'ap', database: 'a' }, /did you mean "app"/],
    [{ databse: 'a' } as never, /unknown key "databse"; did you mean "database"/],
    [{ settings: {} }, /must not be empty/],
    [{ settings: { a: 'b' }, user: 'u' }, /exclude each other/],
  ]
  for (const [target, message] of wrong) {
    const manager = manage(() => target)
    await expect(manager.tenant('t').query('select 1')).rejects.toThrow(message)
    expect(driver.attempts).toBe(0)
    await manager.close()
  }
})

test('T72: refuses reserved schemas as schema and in also, before it connects', async () => {
  const reserved = [
    '$user',
    '$USER',
    'pg_temp',
    'pg_temp_3',
    'pg_toast',
    'pg_catalog',
    'PG_Catalog',
    'pg_',
    'information_schema',
    'Information_Schema',
  ]
  const impossible = ['', 'a\0', '\ud800', 'a'.repeat(64), 'ü'.repeat(32)]
  for (const name of [...reserved, ...impossible]) {
    for (const schema of [name, { name }, { name: 'mine', also: ['public', name] }]) {
      const manager = manage(() => ({ schema }))
      const where =
        typeof schema === 'string' ? 'schema' : 'also' in schema ? 'also\\[1\\]' : 'name'
      await expect(manager.tenant('t').query('select 1')).rejects.toMatchObject({
        name: 'ConfigError',
        message: expect.stringMatching(new RegExp(`${where} (?:must|has)`)),
      })
      expect(driver.attempts).toBe(0)
      await manager.close()
    }
  }
  // Names that only look reserved.
  for (const name of ['user', 'pgtemp', 'my_pg_temp', '$users', 'public', ' $user']) {
    const manager = manage(() => ({ schema: name }))
    await manager.tenant('t').query('select 1')
    await manager.close()
  }
  expect(connected.map(({ searchPath }) => searchPath)).toEqual(
    ['user', 'pgtemp', 'my_pg_temp', '$users', 'public', ' $user'].map(quoteName),
  )
})

test('T73: the schemas in also are searched after that of the tenant, each name quoted as a whole', async () => {
  const schema = { name: 'a", public, "b', also: ['public', 'x.y'] }
  const manager = manage(() => ({ schema }))
  await manager.tenant('t').query('select 1')
  expect(connected[0]!.searchPath).toBe('"a"", public, ""b", "public", "x.y"')
  await manager.close()
  for (const [wrong, message] of [
    [{ also: ['public'] }, /schema\.name/],
    [{ name: 'a', also: 'public' }, /schema\.also/],
    [{ name: 'a', als: [] }, /unknown key "als"; did you mean "also"/],
    [['a'], /schema/],
  ] as const) {
    const other = manage(() => ({ schema: wrong }) as never)
    await expect(other.tenant('t').query('select 1')).rejects.toThrow(message)
    await other.close()
  }
})

test('T73: a list of schemas that resolve changes in place counts as a new target', async () => {
  const schema = { name: 'mine', also: ['public'] }
  const manager = manage(() => ({ schema }), { ttlMs: 10 })
  await manager.tenant('t').query('select 1')
  schema.also.push('shared')
  await clock.advance(20)
  await manager.tenant('t').query('select 1')
  expect(connected.map(({ searchPath }) => searchPath)).toEqual([
    '"mine", "public"',
    '"mine", "public", "shared"',
  ])
  await manager.close()
})

test('X04, X05, S89: ten thousand hostile names each lead to a separate place, or are refused before a connection', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '"',
      "'",
      ';',
      '--',
      '\\',
      '$1',
      '%00',
      '\0',
      '\n',
      '/',
      '@',
      ':',
      '?',
      '__proto__',
      'constructor',
      'ü',
      '😀',
      ' ',
      '../',
      'ﬀ',
      '\ud800',
    ),
    fc.string({ maxLength: 8, unit: 'binary' }),
  )
  const names = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
  const manager = manage((id) => ({ schema: id }), { maxPools: 300, negativeTtlMs: 0 })
  const isLegal = (name: string): boolean =>
    name !== '' &&
    !name.includes('\0') &&
    !/\p{Surrogate}/u.test(name) &&
    Buffer.byteLength(name) <= 63 &&
    !/^(?:\$user$|pg_|information_schema$)/i.test(name)
  const call = async (name: string): Promise<string> => {
    try {
      await manager.tenant(name).query('select 1')
      return 'served'
    } catch {
      return 'refused'
    }
  }
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(names, { minLength: 100, maxLength: 100 }), async (hundred) => {
      connected = []
      const ends = Promise.all(hundred.map(call))
      await clock.advance(1_000)
      expect(await ends).toEqual(hundred.map((name) => (isLegal(name) ? 'served' : 'refused')))
      const reached = connected.map(({ searchPath, database, applicationName }) => {
        expect({ database, applicationName }).toEqual({ database: 'app', applicationName: 'app' })
        // A single quoted identifier whose content is the name.
        expect(searchPath).toMatch(/^"(?:[^"]|"")+"$/)
        return searchPath!.slice(1, -1).replaceAll('""', '"')
      })
      const legal = new Set(hundred.filter(isLegal))
      expect(new Set(reached).size).toBe(reached.length)
      for (const name of reached) expect(legal.has(name)).toBe(true)
    }),
    { numRuns: 100 },
  )
  await manager.close()
}, 60_000)

test('names are quoted, and settings are bound, with any content', () => {
  expect(quoteName('a"b')).toBe('"a""b"')
  expect(settingsStatement({ 'app.a': `'); drop`, 'app.b': '$3' })).toEqual({
    text: 'select pg_catalog.set_config($1, $2, true), pg_catalog.set_config($3, $4, true)',
    values: ['app.a', `'); drop`, 'app.b', '$3'],
  })
})

function collect(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

test('S87, X13: a hundred thousand unknown names cost less than 20 MB and no connection', async () => {
  const manager = manage(() => undefined)
  const ask = (id: string): Promise<unknown> =>
    manager
      .tenant(id)
      .query('select 1')
      .catch(() => {})
  for (let warm = 0; warm < 1_000; warm++) await ask(`warm ${warm}`)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let name = 0; name < 100_000; name++) await ask(`${'unknown '.repeat(20)}${name}`)
  collect()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20 * 2 ** 20)
  expect(driver.attempts).toBe(0)
  await manager.close()
}, 60_000)

test('X13: caches at most ten thousand unknown tenants, and none with a very long name', () => {
  const unknown = new UnknownTenants(() => clock.now(), 5_000)
  for (let name = 0; name < 100_000; name++) unknown.add(`n${name}`)
  unknown.add('x'.repeat(100_000))
  expect(unknown.size).toBeLessThanOrEqual(10_000)
  expect(unknown.has('n99999')).toBe(true)
  expect(unknown.has('n0')).toBe(false)
  expect(unknown.has('x'.repeat(100_000))).toBe(false)
})

test('keeps the pools of a tenant while its answer says the same, whichever object says it', async () => {
  const also = ['shared']
  const answers: TenantTarget[] = [
    { database: 'app', schema: { name: 'acme', also } },
    { database: 'app', schema: { name: 'acme', also: ['shared'] } },
    { database: 'app', schema: { name: 'acme', also } },
  ]
  let made = 0
  const host = { clock, make: () => ({ pool: ++made }) as never, report: () => {} }
  const directory = new TenantDirectory({ resolve: () => answers.shift() }, host)
  const first = await directory.find('acme')
  expect(await directory.find('acme')).toBe(first)
  also.push('more')
  const second = await directory.find('acme')
  expect([made, first.gone, second.gone]).toEqual([2, true, false])
  expect(directory.underWay).toBe(0)
  await directory.close()
  expect(second.gone).toBe(true)
})

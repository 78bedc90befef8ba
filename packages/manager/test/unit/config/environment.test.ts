import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@poolhouse/core'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createManager, loadConfig } from '../../../src/index.js'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'poolhouse-environment-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const load = (env: object) => loadConfig({ file: false, env: env as never })
const databases = async (env: object) => (await load(env)).databases
const main = async (env: object): Promise<Record<string, unknown>> =>
  (await databases(env))['app'] as never

/** The connection of the main database. */
async function connected(env: object): Promise<Record<string, unknown>> {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  const seen: unknown[] = []
  const watching = {
    ...driver,
    connect: (context: Parameters<typeof driver.connect>[0]) => {
      seen.push({ ...context, ssl: context.settings.ssl })
      return driver.connect(context)
    },
  }
  const { databases: found } = await load(env)
  const manager = createManager({ drivers: { fake: watching }, databases: found, clock })
  await manager.database('app').query('select 1')
  await manager.close()
  return seen[0] as never
}

describe('T32: variables of libpq', () => {
  test('have the effect of the same parameters in a URL', async () => {
    const ca = file('ca.crt', 'CA')
    const context = await connected({
      PGHOST: 'db.example',
      PGHOSTADDR: '10.1.2.3',
      PGUSER: 'u',
      PGPASSWORD: ' p ',
      PGDATABASE: 'd',
      PGSSLMODE: 'verify-ca',
      PGSSLROOTCERT: ca,
      PGSSLCERT: file('client.crt', 'CERT'),
      PGSSLKEY: file('client.key', 'KEY'),
      PGREQUIREAUTH: 'scram-sha-256',
      PGCHANNELBINDING: 'require',
      PGOPTIONS: '-c work_mem=4MB',
      PGTZ: 'Europe/Berlin',
      PGCONNECT_TIMEOUT: '3',
    })
    expect(context).toMatchObject({
      password: ' p ',
      timeoutMs: 3_000,
      requireAuth: ['scram-sha-256'],
      ssl: { mode: 'verify-ca', ca: 'CA', cert: 'CERT', key: 'KEY' },
      settings: {
        endpoint: { host: 'db.example', database: 'd' },
        hostaddr: '10.1.2.3',
        channelBinding: 'require',
        parameters: { work_mem: '4MB', timezone: 'Europe/Berlin' },
      },
    })
  })

  test.each([
    ['PGSSLCRLDIR', '/crl', 'use sslcrl'],
    ['PGREQUIREPEER', 'postgres', 'rights of its directory'],
    ['PGGSSENCMODE', 'require', 'use sslmode=verify-full'],
    ['PGSSLMODE', 'allow', 'use prefer'],
    ['PGSSLCERTMODE', 'require', 'clientcert'],
    ['PGCLIENTENCODING', 'LATIN1', 'UTF-8 alone'],
    ['PGMINPROTOCOLVERSION', '3.2', 'version 3.0'],
    ['PGCONNECT_TIMEOUT', 'soon', 'must be a whole number'],
    ['PGHOSTADDR', 'db.example', 'must be an IP address'],
    ['PGOPTIONS', '-d 3', 'must have the form'],
    ['PGCHANNELBINDING', 'maybe', 'must be one of disable, prefer, require'],
    ['PGREQUIREAUTH', 'gss', 'must list each once'],
    ['PGTARGETSESSIONATTRS', 'nonsense', 'must be one of any'],
    ['PGSSLROOTCERT', '/nowhere/ca.pem', 'sslrootcert'],
  ])('%s=%s is refused by its name', async (variable, value, message) => {
    const error = await load({ PGHOST: 'db', [variable]: value }).catch((caught: Error) => caught)
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as Error).message).toContain(message)
    if (variable !== 'PGSSLROOTCERT') expect((error as Error).message).toContain(variable)
  })

  test('a password keeps its spaces, and an empty variable is ignored', async () => {
    expect(await main({ PGHOST: 'db', PGPASSWORD: '  ', PGUSER: '' })).toEqual({
      primary: { host: 'db', password: '  ' },
    })
  })

  test('none is read while DATABASE_URL is set', async () => {
    const env = { DATABASE_URL: 'postgres://u@a/app', PGHOST: 'b', PGSSLCRLDIR: '/crl' }
    expect(await main(env)).toEqual({ primary: 'postgres://u@a/app' })
  })
})

describe('T32: PGPASSFILE and PGSERVICE', () => {
  const lines = [
    '# a comment',
    'other:*:*:*:wrong',
    'db\\:x:5432:shop:u:first',
    'db:6000:shop:u:of\\:port\\\\6000',
    'db:*:*:u:for-all',
    '*:*:*:*:last',
  ].join('\n')

  test.each([
    [{ PGHOST: 'db', PGPORT: '6000', PGUSER: 'u', PGDATABASE: 'shop' }, 'of:port\\6000'],
    [{ PGHOST: 'db', PGUSER: 'u', PGDATABASE: 'shop' }, 'for-all'],
    [{ PGHOST: 'db', PGUSER: 'v' }, 'last'],
    [{ PGHOST: 'db', PGUSER: 'u', PGPASSWORD: 'own' }, 'own'],
  ])('the first line that fits %j is its password', async (env, password) => {
    const PGPASSFILE = file('pgpass', lines)
    expect(await main({ ...env, PGPASSFILE })).toMatchObject({ primary: { password } })
  })

  test('the password of each host of a cluster comes from its own line', async () => {
    const PGPASSFILE = file('pgpass', 'a:*:*:*:one\nb:*:*:*:two\n')
    const env = { PGHOST: 'a,b', PGUSER: 'u', PGPASSFILE }
    expect(await main(env)).toMatchObject({ nodes: [{ password: 'one' }, { password: 'two' }] })
  })

  test('a file that others may read, or that is missing, is refused', async () => {
    const open = { PGHOST: 'db', PGUSER: 'u', PGPASSFILE: file('open', lines, 0o640) }
    await expect(load(open)).rejects.toThrow(/password file.*chmod 0600/)
    const missing = { PGHOST: 'db', PGUSER: 'u', PGPASSFILE: join(directory, 'none') }
    await expect(load(missing)).rejects.toThrow(/password file.*cannot be read \(ENOENT\)/)
    await expect(load({ ...missing, PGPASSFILE: directory })).rejects.toThrow(/is not a file/)
  })

  const services = [
    '# services',
    '[other]',
    'host=other',
    '',
    '[shop]',
    'host=service-host',
    'port=6001',
    'dbname=shop',
    'user=service-user',
    'sslmode=require',
    'host=second',
  ].join('\n')

  test('a service supplies what the variables leave out', async () => {
    const PGSERVICEFILE = file('service.conf', services)
    expect(await main({ PGSERVICE: 'shop', PGSERVICEFILE, PGUSER: 'u' })).toEqual({
      primary: {
        host: 'service-host',
        port: 6001,
        database: 'shop',
        user: 'u',
        ssl: { mode: 'require' },
      },
    })
  })

  test.each([
    ['[shop]\nldap://db', 'by LDAP'],
    ['[shop]\nhost', 'is not keyword=value'],
    ['[shop]\nservice=other', 'names another service'],
    ['[shop]\nhots=a', 'unknown parameter'],
    ['[shop]\nsslcrldir=/x', 'sslcrldir is not supported'],
    ['[other]\nhost=a', 'no section of that name'],
  ])('a service file %j is refused', async (text, message) => {
    const PGSERVICEFILE = file('broken.conf', text)
    await expect(load({ PGSERVICE: 'shop', PGSERVICEFILE })).rejects.toThrow(message)
  })

  test('PGSYSCONFDIR is the folder of the system-wide service file', async () => {
    file('pg_service.conf', '[shop]\nhost=of-the-system\n')
    const env = { PGSERVICE: 'shop', PGSYSCONFDIR: directory }
    // The home folder may hold a service file, which would take precedence.
    const found = await main(env).catch((error: Error) => error.message)
    expect(JSON.stringify(found)).toMatch(/of-the-system|no section of that name/)
  })
})

describe('T33: target_session_attrs in the manager', () => {
  const make = (app: unknown) =>
    createManager({
      drivers: { fake: fakeDriver({ clock: virtualClock() }) },
      databases: { app } as never,
    })

  test.each(['primary', 'read-write'])(
    '%s follows the primary, also with a single host',
    async (word) => {
      const url = `postgres://u@a/app?target_session_attrs=${word}`
      expect(make(url).database('app' as never)).toHaveProperty('switchover')
      expect(await main({ DATABASE_URL: url })).toEqual({ nodes: url })
      expect(await main({ PGHOST: 'a', PGTARGETSESSIONATTRS: word })).toEqual({
        nodes: [{ host: 'a' }],
      })
      expect(() =>
        make({ nodes: `postgres://u@a,b/app?target_session_attrs=${word}` }),
      ).not.toThrow()
    },
  )

  test('a role is refused for a fixed server', () => {
    for (const word of ['primary', 'standby', 'read-only']) {
      const url = `postgres://u@a/app?target_session_attrs=${word}`
      const message = /asks for a server by its role.*give the servers as nodes/
      expect(() => make({ primary: url })).toThrow(message)
      expect(() => make({ primary: 'postgres://u@b/app', replicas: [url] })).toThrow(message)
    }
  })

  test('standbys are refused where the primary is followed, and unknown words everywhere', () => {
    const url = 'postgres://u@a,b/app?target_session_attrs='
    expect(() => make(`${url}standby`)).toThrow(/any, read-write or primary.*reader\(\)/)
    expect(() => make({ nodes: `${url}prefer-standby` })).toThrow(/any, read-write or primary/)
    for (const app of [`${url}nonsense`, { nodes: `${url}nonsense` }]) {
      expect(() => make(app)).toThrow(/target_session_attrs must be one of any, read-write/)
    }
    expect(() => make({ primary: 'postgres://u@a/app?target_session_attrs=nonsense' })).toThrow(
      /target_session_attrs must be one of/,
    )
  })
})

describe('T75: the variables that are read as databases', () => {
  test('hold a PostgreSQL URL and are no other address of the main database', async () => {
    const found = await databases({
      DATABASE_URL: 'postgres://u@a/app',
      DATABASE_PUBLIC_URL: 'postgres://u@proxy.rlwy.net:12345/app',
      DATABASE_PRIVATE_URL: 'postgres://u@postgres.railway.internal/app',
      DATABASE_CONNECTION_POOL_URL: 'postgres://u@a:5433/app',
      DATABASE_UNPOOLED_URL: 'postgres://u@a/app',
      DATABASE_PUBLIC_UNPOOLED_URL: 'postgres://u@a/app',
      DATABASE_DIRECT_URL: 'postgres://u@a/app',
      DATABASE_URL_UNPOOLED: 'postgres://u@a/app',
      DATABASE_API_URL: 'https://api.example/database',
      DATABASE_CACHE_URL: 'redis://cache',
      DATABASE_LEGACY_URL: 'mysql://u:p@legacy/app',
      DATABASE_ASYNC_URL: 'postgresql+asyncpg://u@a/app',
      DATABASE_JDBC_URL: 'jdbc:postgresql://a/app',
      DATABASE_DOCS_URL: 'name=value',
      DATABASE_API_REPLICA_URL: 'https://api.example/replica',
      DATABASE_ANALYTICS_URL: 'postgresql://u@b/dw',
      DATABASE_AUDIT_URL: 'host=c dbname=audit',
    })
    expect(Object.keys(found).sort()).toEqual(['analytics', 'app', 'audit'])
  })

  test('are listed with the reason, never with the value, if they are ignored', async () => {
    const variables = {
      DATABASE_URL: 'postgres://u:secret@a/app',
      DATABASE_PUBLIC_URL: 'postgres://u:secret@proxy.rlwy.net:12345/app',
      DATABASE_CONNECTION_POOL_URL: 'postgres://u:secret@a:5433/app',
      DATABASE_API_URL: 'https://secret@api.example/database',
      DATABASE_API_REPLICA_URL: 'https://secret@api.example/replica',
      DATABASE_APP_URL: 'https://secret@api.example/app',
      DATABASE_EMPTY_URL: '',
      DATABASE_URL_UNPOOLED: 'postgres://u:secret@a/app',
      PGHOST: 'secret',
    }
    const { databases: taken, origins, skipped } = await loadConfig({ file: false, env: variables })
    expect(Object.keys(taken)).toEqual(['app'])
    expect(skipped).toEqual({
      DATABASE_PUBLIC_URL: expect.stringMatching(/another address .* list "public" in env\.names/),
      DATABASE_CONNECTION_POOL_URL: expect.stringMatching(/list "connection_pool" in env\.names/),
      DATABASE_API_URL: 'it holds no PostgreSQL URL',
      DATABASE_API_REPLICA_URL: 'it holds no PostgreSQL URL',
      DATABASE_APP_URL: 'it holds no PostgreSQL URL',
      PGHOST: 'DATABASE_URL is set',
    })
    const driver = fakeDriver({ clock: virtualClock() })
    const manager = createManager({
      databases: { app: { ...(taken['app'] as object), driver } },
      origins,
      skipped,
    })
    const explained = manager.explainConfig().filter(({ path }) => path.startsWith('environment.'))
    expect(explained.map(({ origin }) => origin)).toEqual(Object.keys(skipped))
    expect(explained[2]).toEqual({
      path: 'environment.DATABASE_API_URL',
      value: 'not taken: it holds no PostgreSQL URL',
      origin: 'DATABASE_API_URL',
    })
    expect(JSON.stringify([explained, skipped])).not.toContain('secret')
    const { skipped: named } = await loadConfig({
      file: false,
      env: { variables, names: ['public'] },
    })
    expect(named).toMatchObject({
      DATABASE_URL: 'env.names does not list "app"',
      DATABASE_CONNECTION_POOL_URL: 'env.names does not list "connection_pool"',
      PGHOST: 'env.names does not list "app"',
    })
    expect(named).not.toHaveProperty('DATABASE_PUBLIC_URL')
  })

  test('with a broken address fail the start', async () => {
    await expect(load({ DATABASE_AUDIT_URL: "host=a password='x" })).rejects.toThrow(
      /DATABASE_AUDIT_URL/,
    )
    await expect(
      load({ DATABASE_API_URL: 'https://a', DATABASE_API_REPLICA_URL: 'postgres://u@b/x' }),
    ).rejects.toThrow(/DATABASE_API_URL is not a PostgreSQL URL/)
  })

  test('are only those listed in names', async () => {
    const variables = {
      DATABASE_URL: 'postgres://u@a/app',
      DATABASE_PUBLIC_URL: 'postgres://u@b/app',
      DATABASE_ANALYTICS_URL: 'postgres://u@c/dw',
      PGHOST: 'd',
    }
    const names = async (...list: string[]): Promise<string[]> =>
      Object.keys(await databases({ variables, names: list }))
    expect(await names('app')).toEqual(['app'])
    expect(await names('public')).toEqual(['public'])
    expect(await names('app', 'analytics')).toEqual(['app', 'analytics'])
    expect(await names()).toEqual([])
  })

  test('start with prefix', async () => {
    const variables = {
      DATABASE_URL: 'postgres://u@a/app',
      SHOP_URL: 'postgres://u@b/app',
      SHOP_REPLICA_URLS: 'postgres://u@c/app,postgres://u@d/app',
      SHOP_ANALYTICS_URL: 'postgres://u@e/dw',
    }
    expect(await databases({ variables, prefix: 'SHOP' })).toEqual({
      app: {
        primary: 'postgres://u@b/app',
        replicas: ['postgres://u@c/app', 'postgres://u@d/app'],
      },
      analytics: { primary: 'postgres://u@e/dw' },
    })
  })

  test.each([
    [{ prefix: 'shop' }, /env\.prefix must be/],
    [{ names: 'app' }, /env\.names must be a list/],
    [{ names: ['APP'] }, /env\.names must be a list/],
    [{ prefix: 'SHOP', name: ['app'] }, /unknown option "name"; did you mean "names"/],
  ])('%j is refused', async (env, message) => {
    await expect(load(env)).rejects.toThrow(message)
  })
})

describe('T105: commas', () => {
  test('in a password separate neither hosts nor replicas', async () => {
    const url = 'postgres://u:a,b@host/app'
    const query = 'postgres://host/app?user=u&password=a,b'
    const replicas = 'postgres://u:c,d@r1/app,postgres://u:e,@r2/app\npostgres://u:f@r3/app'
    expect(await databases({ DATABASE_URL: url, DATABASE_REPLICA_URLS: replicas })).toEqual({
      app: {
        primary: url,
        replicas: ['postgres://u:c,d@r1/app', 'postgres://u:e,@r2/app', 'postgres://u:f@r3/app'],
      },
    })
    for (const one of [url, query, `host=h password='a,b'`]) {
      expect(await main({ DATABASE_URL: one })).toHaveProperty('primary')
    }
    expect(await main({ DATABASE_URL: 'postgres://u:a,b@c,d/app' })).toHaveProperty('nodes')
    expect(await main({ PGHOST: 'h', PGPASSWORD: 'a,b' })).toMatchObject({
      primary: { password: 'a,b' },
    })
  })
})

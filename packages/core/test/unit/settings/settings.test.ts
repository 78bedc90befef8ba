import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readPoolOptions } from '../../../src/api/pool-config.js'
import { createPool } from '../../../src/index.js'
import { formatEndpoint, parseConnectionUrl, parseLibpqEnvironment } from '../../../src/kit.js'
import { readConnectionSettings } from '../../../src/settings/connection-settings.js'
import type { Setting } from '../../../src/settings/setting.js'
import { SETTING_GROUPS } from '../../../src/settings/settings-table.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'poolhouse-settings-'))
  writeFileSync(join(directory, 'service.conf'), '[shop]\nhost=from-service\n')
})
afterAll(() => rmSync(directory, { recursive: true }))

const clock = virtualClock()
const driver = fakeDriver({ clock })
const settings: readonly Setting[] = SETTING_GROUPS.flatMap((group) => group.settings)
const named = settings.filter(({ name }) => name !== undefined)

// PQconninfoOptions of libpq 18, and what it takes for them in the environment.
const LIBPQ_18: Readonly<Record<string, string | undefined>> = {
  service: 'PGSERVICE',
  servicefile: 'PGSERVICEFILE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  channel_binding: 'PGCHANNELBINDING',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  dbname: 'PGDATABASE',
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  client_encoding: 'PGCLIENTENCODING',
  options: 'PGOPTIONS',
  application_name: 'PGAPPNAME',
  fallback_application_name: undefined,
  keepalives: undefined,
  keepalives_idle: undefined,
  keepalives_interval: undefined,
  keepalives_count: undefined,
  tcp_user_timeout: undefined,
  sslmode: 'PGSSLMODE',
  sslnegotiation: 'PGSSLNEGOTIATION',
  sslcompression: 'PGSSLCOMPRESSION',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcertmode: 'PGSSLCERTMODE',
  sslpassword: undefined,
  sslrootcert: 'PGSSLROOTCERT',
  sslcrl: 'PGSSLCRL',
  sslcrldir: 'PGSSLCRLDIR',
  sslsni: 'PGSSLSNI',
  requirepeer: 'PGREQUIREPEER',
  require_auth: 'PGREQUIREAUTH',
  min_protocol_version: 'PGMINPROTOCOLVERSION',
  max_protocol_version: 'PGMAXPROTOCOLVERSION',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  gssencmode: 'PGGSSENCMODE',
  krbsrvname: 'PGKRBSRVNAME',
  gsslib: 'PGGSSLIB',
  gssdelegation: 'PGGSSDELEGATION',
  replication: undefined,
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  load_balance_hosts: 'PGLOADBALANCEHOSTS',
  scram_client_key: undefined,
  scram_server_key: undefined,
  oauth_issuer: undefined,
  oauth_client_id: undefined,
  oauth_client_secret: undefined,
  oauth_scope: undefined,
  sslkeylogfile: undefined,
  requiressl: 'PGREQUIRESSL',
}

// A valid value other than the default, for settings that do not accept every text.
const SAMPLES: Readonly<Record<string, string>> = {
  hostaddr: '10.1.2.3',
  port: '6000',
  require_auth: 'md5',
  channel_binding: 'require',
  options: '-c work_mem=4MB',
  sslmode: 'require',
  requiressl: '1',
  sslnegotiation: 'direct',
  sslcertmode: 'disable',
  sslsni: '0',
  ssl_min_protocol_version: 'TLSv1.3',
  ssl_max_protocol_version: 'TLSv1.2',
  target_session_attrs: 'primary',
  pgbouncer: 'true',
  statement_cache_size: '0',
  sslaccept: 'strict',
  ssl: 'true',
  prepare: 'false',
}

describe('T34: the table of settings', () => {
  test('has every connection option and variable of libpq 18', () => {
    const table = new Map(named.map(({ name, variable }) => [name, variable]))
    for (const [name, variable] of Object.entries(LIBPQ_18)) {
      expect(table.has(name), name).toBe(true)
      expect(table.get(name), name).toBe(variable)
    }
    const variables = settings.flatMap(({ variable }) => variable ?? [])
    expect(variables).toEqual(
      expect.arrayContaining(['PGDATESTYLE', 'PGTZ', 'PGGEQO', 'PGSYSCONFDIR', 'PGLOCALEDIR']),
    )
  })

  test('lists each name and each variable once, with how it is treated', () => {
    const names = named.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    const variables = settings.flatMap(({ variable }) => variable ?? [])
    expect(new Set(variables).size).toBe(variables.length)
    for (const { name, how } of settings) expect(how.length, name).toBeGreaterThan(2)
  })

  const bare = 'postgres://u@db.example/app'
  const seen = (text: string): string => JSON.stringify(parseConnectionUrl('test', text))

  test.each(named.filter(({ treatment }) => treatment === 'honoured').map(({ name }) => name!))(
    'honours %s: it changes what is read, and so does its keyword',
    (name) => {
      const numeric = /timeout|lifetime|limit|^max$/.test(name)
      let value = SAMPLES[name] ?? (numeric ? '7' : 'some-value')
      let others = ''
      // They have no effect alone.
      if (name === 'service' || name === 'servicefile') {
        const file = join(directory, 'service.conf')
        value = name === 'service' ? 'shop' : file
        others = name === 'service' ? `&servicefile=${file}` : '&service=shop'
      }
      if (name === 'sslcertmode') others = '&sslcert=FILE'
      const query = `?${name}=${encodeURIComponent(value)}${others}`
      const url = name === 'host' || others.includes('service') ? 'postgres://' : bare
      expect(seen(`${url}${query}`)).not.toBe(
        seen(name === 'sslcertmode' ? `${url}?sslcert=FILE` : url),
      )
      if (others !== '') return
      expect(seen(`host=h ${name === 'host' ? '' : `${name}='${value}'`}`)).toBe(
        seen(`postgres://?host=h${name === 'host' ? '' : `&${name}=${encodeURIComponent(value)}`}`),
      )
    },
  )

  test.each(named.filter(({ treatment }) => treatment === 'ignored'))(
    'leaves $name out',
    ({ name, values }) => {
      expect(seen(`${bare}?${name}=${encodeURIComponent(values?.[0] ?? '1')}`)).toBe(seen(bare))
    },
  )

  test.each(named.filter(({ treatment }) => treatment === 'refused'))(
    'refuses $name and says what to use',
    ({ name, how }) => {
      const parse = (): unknown => parseConnectionUrl('test', `${bare}?${name}=hunter2`)
      expect(parse).toThrow(`test: connection: ${name} is not supported: ${how}`)
      expect(parse).not.toThrow('malformed')
      expect(parse).not.toThrow('hunter2')
    },
  )

  test.each(named.filter(({ values }) => values !== undefined))(
    'refuses any other value of $name, lists the allowed ones and does not repeat the given one',
    ({ name, values, otherwise }) => {
      const parse = (): unknown => parseConnectionUrl('test', `${bare}?${name}=hunter2`)
      expect(parse).toThrow(`${name} must be one of ${values!.join(', ')}`)
      if (otherwise !== undefined) expect(parse).toThrow(otherwise)
      expect(parse).not.toThrow('hunter2')
    },
  )

  test.each(settings.filter(({ variable }) => variable !== undefined))(
    'T32: $variable is treated as its parameter, and errors name the variable',
    (setting) => {
      const { name, variable, treatment, values } = setting
      const read = (value: string): string =>
        JSON.stringify(parseLibpqEnvironment('env', { PGDATABASE: 'app', [variable!]: value }))
      if (treatment === 'refused') expect(() => read('hunter2')).toThrow(`env: ${variable} is not`)
      if (values !== undefined)
        expect(() => read('hunter2')).toThrow(`env: ${variable} must be one`)
      const alone = JSON.stringify(parseLibpqEnvironment('env', { PGDATABASE: 'app' }))
      if (treatment === 'ignored') expect(read(values?.[0] ?? '1')).toBe(alone)
      const skipped = ['PGSERVICE', 'PGSERVICEFILE', 'PGSYSCONFDIR', 'PGSSLCERTMODE']
      if (treatment !== 'honoured' || skipped.includes(variable!)) return
      const numeric = variable === 'PGCONNECT_TIMEOUT'
      expect(read(SAMPLES[name ?? ''] ?? (numeric ? '7' : 'some-value'))).not.toBe(alone)
    },
  )

  test('an empty value counts as not given, and a name without a value is refused', () => {
    expect(seen(`${bare}?sslmode=&options=`)).toBe(seen(bare))
    expect(() => parseConnectionUrl('test', `${bare}?sslmode`)).toThrow(
      'the parameter "sslmode" has no "=" and no value',
    )
  })

  test('refuses an unknown parameter with the nearest name', () => {
    expect(() => parseConnectionUrl('test', `${bare}?conect_timeout=3`)).toThrow(
      'unknown parameter "conect_timeout", did you mean "connect_timeout"?',
    )
  })
})

describe('T34: pool options in a URL', () => {
  const read = (url: string, options: object = {}) =>
    readPoolOptions({ driver, clock, connection: url, ...options })

  test('are used unless an option of createPool sets them', () => {
    const url =
      'postgres://u@db/app?connect_timeout=3&connection_limit=5&pool_timeout=20&socket_timeout=9&idle_timeout=30&max_lifetime=60&require_auth=md5&prepare=false'
    expect(read(url)).toMatchObject({
      connectTimeoutMs: 3_000,
      max: 5,
      acquireTimeoutMs: 20_000,
      statementTimeoutMs: 9_000,
      idleTimeoutMs: 30_000,
      maxLifetimeMs: 60_000,
      prepare: undefined,
    })
    const own = { connectTimeoutMs: 11, max: 12, acquireTimeoutMs: 13, prepare: 'auto' as const }
    expect(read(url, own)).toMatchObject({ ...own, prepare: expect.any(Object) })
    expect(read(url, { max: undefined }).max).toBe(5)
  })

  test('read “no limit” as the longest time for a connect, and as 0 where 0 means none', () => {
    const url =
      'postgres://u@db/app?connect_timeout=0&pool_timeout=0&query_timeout=0&max_lifetime=0'
    expect(read(url)).toMatchObject({
      connectTimeoutMs: 0x7fffffff,
      acquireTimeoutMs: 0x7fffffff,
      statementTimeoutMs: 0,
      maxLifetimeMs: 0,
    })
  })

  test('are refused when two parameters set the same option', () => {
    expect(() => read('postgres://u@db/app?max=3&connection_limit=3')).toThrow(
      'max and connection_limit say the same',
    )
  })

  test('read Prisma’s schema as a quoted search path, and ignore public', () => {
    const path = (schema: string): unknown =>
      read(`postgres://u@db/app?schema=${encodeURIComponent(schema)}`).settings.parameters[
        'search_path'
      ]
    expect(path('shop')).toBe('"shop"')
    expect(path('a", "b')).toBe('"a"", ""b"')
    expect(path('public')).toBeUndefined()
  })
})

describe('T34: the address of a known pooler is treated as a pooler', () => {
  const read = (connection: unknown, options: object = {}) =>
    readPoolOptions({ driver, clock, connection: connection as string, ...options })

  test.each([
    ['postgres://u@ep-x-pooler.us-east-2.aws.neon.tech/db', true],
    ['postgres://u@EP-X-POOLER.us-east-2.aws.neon.tech/db', true],
    ['postgres://u@shop-pooler/db', true],
    ['postgres://u@ep-x.us-east-2.aws.neon.tech/db', false],
    ['postgres://u@pooler.example.com/db', false],
    ['postgres://u@db.x.supabase.co:6543/db', true],
    ['postgres://u@db.x.supabase.co:5432/db', false],
    ['postgres://u@aws-0.pooler.supabase.com:6543/db', true],
    ['postgres://u@aws-0.pooler.supabase.com/db', false],
    ['postgres://u@supabase.com.evil.example:6543/db', false],
    ['postgres://u@db:6543/db', false],
    ['postgres://u@db/db?pgbouncer=true', true],
    ['postgres://u@db/db?pgbouncer=false', false],
    ['postgres://u@pooled.db.prisma.io/db', true],
    ['host=ep-x-pooler.neon.tech hostaddr=127.0.0.1 user=u', true],
  ])('%s: %s', (url, pooled) => {
    const config = read(url)
    expect(config.pooler).toBe(pooled ? 'pgbouncer' : undefined)
    if (pooled) expect(config.prepare).toBeUndefined()
  })

  test('an options object is checked as a URL is', () => {
    expect(read({ host: 'ep-x-pooler.neon.tech', user: 'u' }).pooler).toBe('pgbouncer')
    expect(read({ host: 'db.x.supabase.co', port: 6543, user: 'u' }).pooler).toBe('pgbouncer')
  })

  test('an option that contradicts the pooler is refused, and the message says how the pooler was recognised', () => {
    const url = 'postgres://u@ep-x-pooler.neon.tech/db'
    const from =
      'with pooler \'pgbouncer\' (taken from the connection: the first part of the host name ends in "-pooler"; the option pooler goes before it)'
    expect(() => read(url, { prepare: 'auto' })).toThrow(
      `prepare must be 'off' or left out ${from}`,
    )
    expect(() => read(`${url}?options=-c%20work_mem%3D1MB`)).toThrow(
      `connection.parameters must not set work_mem ${from}`,
    )
    expect(() => read(`${url}?pgbouncer=true`, { prepare: 'auto' })).toThrow(
      'taken from the connection: its URL says pgbouncer=true',
    )
  })
})

describe('T34: TLS in a URL', () => {
  const ssl = (query: string) =>
    readConnectionSettings('test', `postgres://u@db.example/app?${query}`, 'pool').ssl

  test.each([
    ['sslmode=require&sslaccept=strict', 'verify-full'],
    ['sslaccept=strict', 'verify-full'],
    ['sslmode=require&sslaccept=accept_invalid_certs', 'require'],
    ['ssl=true', 'verify-full'],
    ['ssl=true&sslmode=require', 'require'],
    ['ssl=0', 'disable'],
    ['ssl=require', 'require'],
    ['requiressl=1', 'require'],
    ['sslsni=1', 'verify-full'],
    ['', 'verify-full'],
    ['hostaddr=127.0.0.1', 'verify-full'],
  ])('%s is %s', (query, mode) => {
    expect(ssl(query).mode).toBe(mode)
  })

  test.each([
    ['sslaccept=accept_invalid_certs', 'needs sslmode=require'],
    ['sslmode=verify-full&sslaccept=accept_invalid_certs', 'contradict'],
    ['sslmode=disable&ssl=true', 'contradict'],
    ['sslmode=require&ssl=false', 'contradict'],
    ['sslmode=require&requiressl=1', 'say the same'],
    ['sslmode=allow', 'allow begins in plain text: use prefer'],
    ['sslmode=no-verify', 'no-verify is called require here'],
    ['uselibpqcompat=false', 'use sslmode=verify-full to verify'],
    ['ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2', 'no version is left'],
    ['ssl_max_protocol_version=TLSv1.1', 'older versions are broken'],
    ['gssencmode=require', 'use sslmode=verify-full'],
    ['client_encoding=LATIN1', 'both drivers speak UTF-8 alone'],
    ['replication=database', 'a client of their own'],
  ])('%s is refused', (query, message) => {
    expect(() => ssl(query)).toThrow(message)
  })

  test('a local host name with hostaddr of another machine is not local', () => {
    const mode = (query: string): string =>
      readConnectionSettings('test', `postgres://u@localhost/app?${query}`, 'pool').ssl.mode
    expect(mode('hostaddr=127.0.0.1')).toBe('disable')
    expect(mode('hostaddr=10.0.0.1')).toBe('verify-full')
  })
})

test('T34: the directory of a Unix socket is shown unchanged, with its colons', () => {
  const show = (host: string): string => formatEndpoint({ host, port: 5432, database: 'app' })
  expect(show('/cloudsql/project:region:shop')).toBe('/cloudsql/project:region:shop:5432/app')
  expect(show('::1')).toBe('[::1]:5432/app')
})

describe('T34: URLs of other databases', () => {
  test.each([
    ['jdbc:postgresql://db/app?user=u&password=hunter2', 'jdbc: is for Java'],
    ['postgresql+asyncpg://u:hunter2@db/app', 'the name of a driver of SQLAlchemy'],
    ['postgres+psycopg://u:hunter2@db/app', 'the name of a driver of SQLAlchemy'],
    ['prisma+postgres://accelerate.prisma-data.net/?api_key=hunter2', 'Prisma Accelerate'],
    ['cockroachdb://u:hunter2@db/app', 'write postgresql://'],
    ['https://u:hunter2@api.example', 'the address of a web server'],
    ['postgres:u:hunter2@db', 'two slashes'],
    ['POSTGRES://u:hunter2@db', 'in small letters'],
    ['"postgres://u:hunter2@db/app"', 'leave the marks out'],
    ["psql 'postgres://u:hunter2@db/app'", 'leave out the command'],
  ])('%s: says what to write', (text, message) => {
    const parse = (): unknown => parseConnectionUrl('test', text)
    expect(parse).toThrow(message)
    expect(parse).not.toThrow('hunter2')
  })
})

describe('T33: target_session_attrs of createPool', () => {
  const make = (query: string): unknown =>
    createPool({ driver, clock, connection: `postgres://u@db/app?${query}` })

  test('is refused, with what to use instead, if one server may not have that role', () => {
    for (const word of ['primary', 'read-write']) {
      expect(() => make(`target_session_attrs=${word}`)).toThrow(
        /target_session_attrs=.* asks for a server by its role.*hosts\(url\).*withFailover.*manager/,
      )
    }
    for (const word of ['standby', 'read-only']) {
      expect(() => make(`target_session_attrs=${word}`)).toThrow(/withReplicas.*reader\(\)/)
    }
  })

  test('is accepted where it makes no difference for one host, and an unknown value is refused', () => {
    expect(() => make('target_session_attrs=any')).not.toThrow()
    expect(() => make('target_session_attrs=prefer-standby')).not.toThrow()
    expect(() => make('target_session_attrs=nonsense')).toThrow(
      'target_session_attrs must be one of any, read-write, read-only, primary, standby, prefer-standby',
    )
  })

  test('T78: a URL with several hosts is refused, with the functions that accept it', () => {
    const url = 'postgres://u:hunter2@a,b/app?target_session_attrs=read-write'
    const make = (): unknown => createPool({ driver, clock, connection: url })
    expect(make).toThrow(/names 2 hosts.*hosts\(url\).*withFailover.*manager/)
    expect(make).not.toThrow('hunter2')
  })
})

describe('T35: a NUL cannot add a field to the start-up message', () => {
  const nul = 'x\0user\0admin'
  test.each([
    [{ parameters: { work_mem: nul } }, 'connection.parameters.work_mem contains a NUL'],
    [{ parameters: { [`a\0b`]: 'x' } }, 'contains a NUL'],
    [{ user: nul }, 'connection.user contains a NUL'],
    [{ database: nul }, 'connection.database contains a NUL'],
    [{ applicationName: nul }, 'connection.applicationName contains a NUL'],
    [{ host: nul }, 'connection.host contains a NUL'],
    [{ routing: 'endpoint=a\0b' }, 'connection.routing must be'],
    [{ parameters: { 'a b': 'x' } }, 'not the name of a parameter'],
    [{ parameters: { 'a=b': 'x' } }, 'not the name of a parameter'],
  ])('%j is refused', (connection, message) => {
    expect(() => readConnectionSettings('test', { user: 'u', ...connection }, 'pool')).toThrow(
      message,
    )
  })

  test.each([
    'options=-c%20a%3Db%00user%00admin',
    'options=endpoint%3Da%00b',
    'user=a%00b',
    'dbname=a%00b',
    'application_name=a%00b',
    'fallback_application_name=a%00b',
    'password=a%00b',
    'host=a%00b',
    'schema=a%00b',
    'sslrootcert=a%00b',
  ])('?%s is refused by its name', (query) => {
    const [name] = query.split('=', 1)
    expect(() => parseConnectionUrl('test', `postgres://db/app?${query}`)).toThrow(
      `${name} contains a NUL character`,
    )
  })

  test.each([
    'postgres://a%00b@db',
    'postgres://u:a%00b@db',
    'postgres://u@d%00b',
    'postgres://u@db/a%00b',
  ])('%s is refused', (url) => {
    expect(() => parseConnectionUrl('test', url)).toThrow('contains a NUL character')
  })

  test('a NUL in a keyword or in a variable is refused', () => {
    expect(() => parseConnectionUrl('test', "host=db user='a\0b'")).toThrow('user contains a NUL')
    expect(() => parseLibpqEnvironment('env', { PGHOST: 'db', PGUSER: 'a\0b' })).toThrow(
      'PGUSER contains a NUL',
    )
  })
})

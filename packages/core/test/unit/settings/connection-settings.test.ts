import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { readConnectionSettings } from '../../../src/settings/connection-settings.js'

const read = (connection: unknown) => readConnectionSettings('createPool', connection, 'pool')

test('has defaults: loopback, port 5432, the user as database, the name of the pool', () => {
  expect(read({ user: 'me' }).toJSON()).toEqual({
    endpoint: 'localhost:5432/me',
    user: 'me',
    password: undefined,
    applicationName: 'pool',
    ssl: { mode: 'disable' },
    channelBinding: 'prefer',
    parameters: {},
    pool: {},
  })
})

test.each([
  ['localhost', 'disable'],
  ['127.0.0.1', 'disable'],
  ['127.9.9.9', 'disable'],
  ['::1', 'disable'],
  ['/var/run/postgresql', 'disable'],
  ['db.example', 'verify-full'],
  ['10.0.0.1', 'verify-full'],
  ['127.0.0.1.evil.example', 'verify-full'],
  ['localhost.evil.example', 'verify-full'],
])('X07: the default for %s is TLS mode %s', (host, mode) => {
  expect(read({ host, user: 'me' }).ssl.mode).toBe(mode)
  // Options without a mode ask for the strictest.
  expect(read({ host, user: 'me', ssl: {} }).ssl.mode).toBe('verify-full')
  expect(read({ host, user: 'me', ssl: { ca: 'PEM' } }).ssl.mode).toBe('verify-full')
  expect(read({ host, user: 'me', ssl: false }).ssl.mode).toBe('disable')
  expect(read({ host, user: 'me', ssl: { mode: 'require' } }).ssl.mode).toBe('require')
})

test('X07: the URL means the same as the object', () => {
  expect(read('postgres://me@db.example').ssl.mode).toBe('verify-full')
  expect(read('postgres://me@localhost').ssl.mode).toBe('disable')
  expect(read('postgres://me@db.example?sslmode=require').ssl.mode).toBe('require')
  expect(read('postgres://me@db.example?sslrootcert=system').ssl.mode).toBe('verify-full')
})

test('X06: prints everything but the password', () => {
  for (const connection of [
    'postgres://me:hunter2@db',
    { user: 'me', password: 'hunter2' },
    { user: 'me', password: () => 'hunter2' },
  ]) {
    const settings = read(connection)
    const printed =
      inspect(settings, { depth: 9, showHidden: true }) +
      JSON.stringify(settings) +
      String(settings)
    expect(printed).not.toContain('hunter2')
    expect(printed).toContain('[redacted]')
    expect({ ...settings }).not.toHaveProperty('password')
    const source = settings.password
    expect(typeof source === 'function' ? source() : source).toBe('hunter2')
  }
})

test('keeps the password under another application name', () => {
  const settings = read('postgres://me:pw@db').withApplicationName('other')
  expect(settings).toMatchObject({ applicationName: 'other', password: 'pw', user: 'me' })
})

test('X07: reads TLS and authentication parameters of a URL, and never prints the passphrase', () => {
  const settings = read('postgres://me@db?sslnegotiation=direct&sslpassword=hush&require_auth=md5')
  expect(settings.ssl).toMatchObject({
    mode: 'verify-full',
    negotiation: 'direct',
    passphrase: 'hush',
  })
  expect(settings.requireAuth).toEqual(['md5'])
  expect(settings.withApplicationName('other').requireAuth).toEqual(['md5'])
  expect(inspect(settings, { depth: 9, showHidden: true })).not.toContain('hush')
  expect(JSON.stringify(settings)).not.toContain('hush')
})

test('X16: accepts parameters of any name without touching prototypes', () => {
  const parameters = JSON.parse('{"__proto__":"x","constructor":"y","work_mem":4}') as Record<
    string,
    string
  >
  const settings = read({ user: 'me', parameters })
  expect(Object.entries(settings.parameters)).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['work_mem', '4'],
  ])
})

test.each([
  [undefined, 'connection is missing'],
  [null, 'got null'],
  [7, 'got number'],
  [[], 'got an array'],
  [{ hots: 'db' }, 'unknown option "hots"; did you mean "host"?'],
  [{ host: '' }, 'connection.host must be a non-empty string'],
  [{ host: 7 }, 'connection.host'],
  [{ user: 'a\0b' }, 'contains a NUL character'],
  [{ port: 0 }, 'connection.port must be a whole number from 1 to 65535, got 0'],
  [{ port: '5432' }, 'connection.port must be a number, got "5432"'],
  [{ port: 1.5 }, 'connection.port'],
  [{ password: 7 }, 'connection.password must be a string or a function'],
  [{ ssl: true }, 'connection.ssl must be false or an object'],
  [{ ssl: { mode: 'on' } }, 'connection.ssl.mode must be one of'],
  [{ ssl: { negotiation: 'tls' } }, 'connection.ssl.negotiation must be one of'],
  [{ ssl: { mode: 'prefer', negotiation: 'direct' } }, 'cannot fall back to plain text'],
  [{ ssl: { passphrase: 7 } }, 'connection.ssl.passphrase must be a string'],
  [{ requireAuth: ['md5'] }, 'unknown option "requireAuth"'],
  [
    'postgres://me@db?sslmode=prefer&sslnegotiation=direct',
    'cannot fall back to plain text as mode "prefer" may',
  ],
  [{ ssl: { rejectUnauthorized: false } }, 'unknown option "rejectUnauthorized"'],
  [{ parameters: { a: {} } }, 'connection.parameters.a'],
  [{ parameters: [] }, 'connection.parameters'],
  ['postgres://a,b/app', 'make a pool for each and give them to withFailover'],
  [
    'postgres://me@db?sslrootcert=/nowhere/ca.pem',
    'cannot read the file named by sslrootcert (ENOENT)',
  ],
])('refuses %j and says why', (connection, reason) => {
  expect(() => read(connection)).toThrow(`createPool: `)
  expect(() => read(connection)).toThrow(reason)
})

test('has a frozen endpoint and frozen parameters', () => {
  const settings = read({ user: 'me', parameters: { a: 'b' } })
  expect(Object.isFrozen(settings.endpoint) && Object.isFrozen(settings.parameters)).toBe(true)
})

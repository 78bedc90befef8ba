import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPool } from '../../../src/index.js'
import { type ParsedConnectionUrl, parseConnectionUrl } from '../../../src/kit.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

const parse = (text: string): ParsedConnectionUrl => parseConnectionUrl('test', text)

test('reads every part of a URL', () => {
  expect(
    parse('postgresql://me:pw@db.example:6432/app?sslmode=require&application_name=web'),
  ).toEqual({
    hosts: [{ host: 'db.example', port: 6432 }],
    user: 'me',
    password: 'pw',
    database: 'app',
    applicationName: 'web',
    targetSessionAttrs: undefined,
    ssl: { mode: 'require', rootCertFile: undefined, certFile: undefined, keyFile: undefined },
    parameters: Object.create(null),
  })
})

test.each([
  ['postgres://', []],
  ['postgres:///app', []],
  ['postgres://?host=db', [{ host: 'db', port: undefined }]],
  ['postgres://db', [{ host: 'db', port: undefined }]],
  ['postgres://db:', [{ host: 'db', port: undefined }]],
  ['postgres://:6432', [{ host: undefined, port: 6432 }]],
  ['postgres://[::1]', [{ host: '::1', port: undefined }]],
  ['postgres://[2001:db8::1]:6432/app', [{ host: '2001:db8::1', port: 6432 }]],
  ['postgres://%2Fvar%2Frun%2Fpostgresql/app', [{ host: '/var/run/postgresql', port: undefined }]],
  [
    'postgres:///app?host=/var/run/postgresql&port=6432',
    [{ host: '/var/run/postgresql', port: 6432 }],
  ],
  [
    'postgres://a,b:2,[::1]:3/app',
    [
      { host: 'a', port: undefined },
      { host: 'b', port: 2 },
      { host: '::1', port: 3 },
    ],
  ],
  [
    'postgres://a,b/app?port=7',
    [
      { host: 'a', port: 7 },
      { host: 'b', port: 7 },
    ],
  ],
  [
    'postgres:///app?host=a,b&port=1,2',
    [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
  ],
])('finds the hosts of %s', (text, hosts) => {
  expect(parse(text).hosts).toEqual(hosts)
})

test('decodes user, password and database, and keeps an at sign in a password', () => {
  expect(parse('postgres://a%40b:p%3A%2F%23%3F%25@db/my%20app')).toMatchObject({
    user: 'a@b',
    password: 'p:/#?%',
    database: 'my app',
  })
  expect(parse('postgres://me:p@ss@db/app')).toMatchObject({
    password: 'p@ss',
    hosts: [{ host: 'db' }],
  })
  expect(parse('postgres://me:a:b@db')).toMatchObject({ user: 'me', password: 'a:b' })
})

test('parameters of the query override the parts of the URL', () => {
  expect(parse('postgres://a:b@c/d?user=e&password=f&dbname=g')).toMatchObject({
    user: 'e',
    password: 'f',
    database: 'g',
  })
})

test('reads run-time parameters from options, in every form libpq knows', () => {
  const url = parse(
    'postgres://db?options=-c%20search_path%3Da,b%20-cwork_mem%3D4MB%20--statement-timeout%3D5s',
  )
  expect(url.parameters).toEqual({ search_path: 'a,b', work_mem: '4MB', statement_timeout: '5s' })
  const polluting = parse('postgres://db?options=-c%20__proto__%3Dx')
  expect(Object.keys(polluting.parameters)).toEqual(['__proto__'])
  expect(({} as Record<string, unknown>)['x']).toBeUndefined()
})

test('reads the TLS parameters', () => {
  expect(
    parse('postgres://db?sslmode=verify-ca&sslrootcert=/ca&sslcert=/cert&sslkey=/key').ssl,
  ).toEqual({
    mode: 'verify-ca',
    rootCertFile: '/ca',
    certFile: '/cert',
    keyFile: '/key',
  })
  expect(parse('postgres://db').ssl).toBeUndefined()
})

test.each([
  ['mysql://db', 'does not start with postgres://'],
  ['postgres:db', 'does not start with postgres://'],
  ['', 'does not start with postgres://'],
  ['postgres://db#x', 'it contains "#"'],
  ['postgres://me:%zz@db', 'the password is not valid percent-encoding'],
  ['postgres://%@db', 'the user is not valid percent-encoding'],
  ['postgres://db/%E0%A4%A', 'the database is not valid percent-encoding'],
  ['postgres://[::1', 'lacks its closing bracket'],
  ['postgres://[::1]x', 'something follows the bracket'],
  ['postgres://::1/app', 'several colons'],
  ['postgres://db:0', 'the port is not a number from 1 to 65535'],
  ['postgres://db:65536', 'the port is not a number'],
  ['postgres://db:5e3', 'the port is not a number'],
  ['postgres://db?port=x', 'the port is not a number'],
  ['postgres:///app?host=a,b&port=1,2,3', '3 ports for 2 hosts'],
  ['postgres://db?sslmod=require', 'unknown parameter "sslmod", did you mean "sslmode"?'],
  ['postgres://db?pgbouncer=maybe', 'pgbouncer must be one of true, false, 1, 0'],
  ['postgres://db?sslmode=a&sslmode=b', 'the parameter "sslmode" is given twice'],
  ['postgres://db?options=-d', 'options must have the form -c name=value'],
  ['postgres://db?options=-c%20x', 'options must have the form'],
  ['postgres://db?sslnegotiation=tls', 'sslnegotiation must be one of postgres, direct'],
  ['postgres://db?sslmode=require&sslrootcert=system', 'needs sslmode=verify-full'],
  ['postgres://db?require_auth=gss', 'require_auth must list each once of none, password'],
  ['postgres://db?require_auth=md5,md5', 'require_auth'],
  ['postgres://db?require_auth=md5,!none', 'all of them or none with a "!"'],
  ['postgres://db?sslmode=on', 'sslmode'],
])('refuses %s and says why', (text, reason) => {
  expect(() => parse(text)).toThrow(TypeError)
  expect(() => parse(text)).toThrow(reason)
})

test('says how to write special characters when a password breaks the URL', () => {
  for (const text of [
    'postgres://me:pa/ss@db/app',
    'postgres://me:1/ss@db/app',
    'postgres://me:p#s@db',
  ]) {
    expect(() => parse(text), text).toThrow('percent-encode special characters')
  }
})

test('X06: no error and no printed pool repeats a password, however it breaks the URL', () => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  const special = fc.constantFrom(
    '/',
    '?',
    '#',
    '@',
    ':',
    '%',
    '&',
    '=',
    '[',
    ']',
    ',',
    ' ',
    '$',
    'é',
    '?sslmode=',
  )
  const password = fc
    .array(fc.oneof(special, fc.constantFrom('x', '1', '23')), { maxLength: 8 })
    .map((parts) => parts.join(''))
  const template = fc.constantFrom(
    (secret: string) => `postgres://me:${secret}@db/app`,
    (secret: string) => `postgres://me:${secret}@db:5432/app?sslmode=disable`,
    (secret: string) => `postgres://me:${secret}@[::1]/app`,
    (secret: string) => `postgres://db/app?user=me&password=${secret}`,
    (secret: string) => `postgres://db/app?password=${encodeURIComponent(secret)}`,
    (secret: string) => `postgres://me:${encodeURIComponent(secret)}@db/app`,
  )
  // Words that occur nowhere else, at both ends and in the middle: none may appear in anything that
  // is printed.
  const words = ['hunterone', 'huntertwo', 'hunterthree']
  fc.assert(
    fc.property(password, password, template, (left, right, write) => {
      const text = write(`${words[0]}${left}${words[1]}${right}${words[2]}`)
      let printed: string
      try {
        const pool = createPool({ driver, connection: text, clock })
        printed = inspect([pool, pool.stats(), pool.inspect()], { depth: 9, showHidden: true })
        printed += JSON.stringify(pool) + pool.name
      } catch (error) {
        expect(error).toSatisfy((e) => e instanceof TypeError || e instanceof RangeError)
        printed = inspect(error, { depth: 9, showHidden: true }) + String((error as Error).stack)
      }
      for (const word of words) expect(printed).not.toContain(word)
    }),
    { numRuns: 3_000 },
  )
})

test('throws only TypeError and RangeError, whatever the text', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'postgres://',
      'a',
      ':',
      '@',
      '/',
      '?',
      '&',
      '=',
      ',',
      '[',
      ']',
      '%',
      '%41',
      '#',
      'host=',
      'port=',
      'options=-c ',
      '5432',
      'sslmode=',
      '\0',
    ),
    fc.string({ maxLength: 3 }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (parts) => {
      try {
        parse(`postgres://${parts.join('')}`)
      } catch (error) {
        expect(error).toSatisfy((e) => e instanceof TypeError || e instanceof RangeError)
      }
    }),
    { numRuns: 3_000 },
  )
})

test('X17: reads a megabyte in linear time', () => {
  for (const text of ['@', ':', ',', '[', 'a&', '%41', '?', '=&'].map((part) =>
    part.repeat(1_000_000 / part.length),
  )) {
    const began = performance.now()
    try {
      parse(`postgres://${text}`)
    } catch {
      // Whether it throws does not matter here.
    }
    try {
      parse(`postgres://db?${text}`)
    } catch {
      // It does not matter here either.
    }
    // Quadratic work on a megabyte would take minutes.
    expect(performance.now() - began).toBeLessThan(20_000)
  }
})

test.each([
  ['none,scram-sha-256', ['none', 'scram-sha-256']],
  ['!password,!md5', ['none', 'scram-sha-256']],
  ['!none', ['password', 'md5', 'scram-sha-256']],
])('X08: reads require_auth=%s as libpq does', (text, methods) => {
  expect(parse(`postgres://db?require_auth=${text}`).pool?.requireAuth).toEqual(methods)
})

test('X07: reads sslnegotiation, sslpassword and sslrootcert=system', () => {
  expect(
    parse('postgres://db?sslnegotiation=direct&sslpassword=a%20b&sslrootcert=system').ssl,
  ).toEqual({
    mode: undefined,
    rootCertFile: 'system',
    certFile: undefined,
    keyFile: undefined,
    keyPassword: 'a b',
    negotiation: 'direct',
  })
})

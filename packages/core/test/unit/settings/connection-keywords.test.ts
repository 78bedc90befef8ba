import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readConnectionUrl } from '../../../src/index.js'
import { connectionUrl, parseConnectionUrl } from '../../../src/kit.js'

test.each([
  ['host=db port=6432 dbname=app user=me', 'postgres://me@db:6432/app'],
  ['  host = db   dbname= app\n', 'postgres://db/app'],
  ["host=db password='a b''", undefined],
  ["host=db password='it\\'s \\\\ two'", "postgres://db?password=it's%20%5C%20two"],
  ['host=db password=a\\ b', 'postgres://db?password=a%20b'],
  [
    'host=a,b port=1,2 target_session_attrs=primary',
    'postgres://a:1,b:2?target_session_attrs=primary',
  ],
  ['host=/var/run/postgresql dbname=app', 'postgres:///app?host=/var/run/postgresql'],
  ["dbname='' user=me", 'postgres://me@/'],
  [
    'sslmode=require application_name=web require_auth=scram-sha-256',
    'postgres://?sslmode=require&application_name=web&require_auth=scram-sha-256',
  ],
  ["options='-c statement_timeout=5s'", 'postgres://?options=-c%20statement_timeout%3D5s'],
])('reads %s as libpq does', (keywords, url) => {
  if (url === undefined) expect(() => parseConnectionUrl('test', keywords)).toThrow(TypeError)
  else expect(parseConnectionUrl('test', keywords)).toEqual(parseConnectionUrl('test', url))
})

test('returns a URL unchanged', () => {
  for (const url of ['postgres://a/b?x=1', 'postgresql://a', 'a', ''])
    expect(connectionUrl('test', url)).toBe(url)
})

test('X06: refuses malformed text without repeating any of it', () => {
  const cases: [string, RegExp][] = [
    ['host=db s3cret', /list of keywords: a keyword is not followed by "="/],
    ["host=db password='s3cret", /a quoted value does not end/],
    ["host=db password='s3'cret", /something follows a quoted value/],
    ['host=db pasword=s3cret', /unknown parameter "pasword", did you mean "password"/],
    ['password=a cret=x', /unknown parameter;/],
    ['host=a host=b', /"host" is given twice/],
    ['host=db port=s3cret', /the port is not a number/],
    ['hostadd=127.0.0.1', /unknown parameter "hostadd", did you mean "hostaddr"/],
  ]
  for (const [text, message] of cases) {
    expect(() => parseConnectionUrl('test', text)).toThrow(message)
    expect(() => parseConnectionUrl('test', text)).not.toThrow(/cret/)
  }
})

// A NUL is refused, as PostgreSQL cannot take it.
const anyText = fc
  .oneof(
    fc.string({ minLength: 1, unit: 'grapheme' }),
    fc.string({ minLength: 1, unit: 'binary-ascii' }),
  )
  .filter((text) => !text.includes('\0'))

test('any password is read back unchanged, in quotes and without', () => {
  fc.assert(
    fc.property(anyText, (password) => {
      const quoted = `host=db password='${password.replaceAll(/['\\]/g, '\\$&')}' dbname=app`
      const bare = `host=db password=${password.replaceAll(/['\\\s]/g, '\\$&')} dbname=app`
      for (const text of [quoted, bare]) {
        expect(readConnectionUrl('test', text)[0]).toMatchObject({ password, database: 'app' })
      }
    }),
  )
})

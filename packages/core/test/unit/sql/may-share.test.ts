import { expect, test } from 'vitest'
import { mayShare } from '../../../src/sql/may-share.js'

test.each([
  'select 1',
  'select id, name from users where id = $1',
  'SELECT * FROM t WHERE a = 1 AND b <> $2 ORDER BY c LIMIT 10',
])('shares its connection: %s', (text) => {
  expect(mayShare(text)).toBe(true)
})

test.each([
  '',
  'select 1; select 2',
  'insert into t select 1',
  'select * from t for update',
  'select * into u from t',
  'select pg_sleep(1)',
  'select * from pg_locks',
  'show all',
  "select 'a",
  'begin',
])('has a connection of its own: %s', (text) => {
  expect(mayShare(text)).toBe(false)
})

test('a text of more than 16,384 characters has a connection of its own', () => {
  expect(mayShare(`select 1${' '.repeat(16_376)}`)).toBe(true)
  expect(mayShare(`select 1${' '.repeat(16_377)}`)).toBe(false)
})

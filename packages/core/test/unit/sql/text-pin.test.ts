import { expect, test } from 'vitest'
import { isSeveral } from '../../../src/sql/is-several.js'
import { asksSession, pinOf } from '../../../src/sql/text-pin.js'

test.each([
  'select 1',
  'select 1;',
  'select 1 ; ; ',
  'insert into t values ($1)',
  'savepoint s',
  `select ';' as text`,
  'set local work_mem = 1',
])('a lone statement pins nothing: %s', (text) => {
  expect(pinOf(text)).toMatchObject({ binds: false, stays: false })
})

test.each([
  'begin',
  'START TRANSACTION',
  'commit',
  'rollback',
  'copy t from stdin',
  'select 1; select 2',
])('what needs a session of its own pins it while it lasts: %s', (text) => {
  expect(pinOf(text)).toMatchObject({ binds: true, stays: false })
})

test.each([
  'set work_mem = 1',
  'listen a',
  'prepare p as select 1',
  'deallocate all',
  'create temp table t (n int)',
  'declare c cursor with hold for select 1',
  'select pg_advisory_lock(1)',
  `load 'x'`,
  'discard all',
  'select 1; set work_mem = 1',
  'call p()',
])('what changes the session pins it until the release: %s', (text) => {
  expect(pinOf(text)).toMatchObject({ binds: true, stays: true, changes: true, intent: undefined })
})

test.each([
  ['begin read only', 'read'],
  ['BEGIN TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ', 'read'],
  ['start transaction read only deferrable', 'read'],
  ['begin isolation level serializable read only', undefined],
  ['begin read write', undefined],
  ['begin', undefined],
  ['begin -- read only', undefined],
])('a transaction says where it may be: %s', (text, intent) => {
  expect(pinOf(text).intent).toBe(intent)
})

test.each([
  ['select 1', false],
  ['select 1;', false],
  ['select 1; -- no more', false],
  ['select 1; select 2', true],
  [`select ';'; select 2`, true],
  [`select $$;$$, '; select'`, false],
  ['create function f() returns int begin atomic select 1; select 2; end', false],
])('tells several statements from one: %s', (text, several) => {
  expect(isSeveral(text)).toBe(several)
})

test.each([
  ['select lastval()', true],
  [`select currval('s')`, true],
  ['select pg_catalog."lastval"()', true],
  ['select u&"l\\0061stval"()', true],
  ['select lastval, currval from t', false],
  ['select LASTVAL /* of this session */ ()', true],
  [`select 'lastval()'`, false],
  ['select 1 -- lastval()', false],
  [`select nextval('s')`, false],
])('tells what asks for a former statement of its session: %s', (text, asks) => {
  expect(asksSession(text)).toBe(asks)
})

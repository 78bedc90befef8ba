import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CHANGES_NAMING,
  CHANGES_SESSION,
  CONTROLS_TRANSACTION,
  commitsMidway,
  SPOILS_SESSION,
  traitsOf,
} from '../../src/statement-traits.js'

test.each([
  'select 1',
  'insert into t values (1)',
  'update "set" set a = 1',
  'with x as (select 1) select * from x',
  'set transaction read only',
  'set constraints all deferred',
  'savepoint a',
  'release savepoint a',
  'rollback to savepoint a',
  'rollback to a',
  "select 'set role admin'",
  "select 'it''s; commit'",
  "select e'it\\'s; commit'",
  "select E'\\\\', 1",
  "select U&'d\\0061t; commit'",
  'select "temp", "listen; commit"',
  'select "temporary" from "pg_settings"',
  'select * from pg_settings',
  'select $$ set a = 1; commit $$',
  'select $body$ $$ commit; $x$ begin $body$',
  'select $1, $2',
  'select 1 -- ; commit',
  'select 1 /* ; commit /* nested ; */ set a = 1 */',
  'select pg_advisory_xact_lock(1)',
  'select commit_ts, begin_at, settings from t',
  'select a$b$c from t',
  '',
  ' ; ; ',
])('leaves the session as it is: %s', (text) => {
  expect(traitsOf(text)).toBe(0)
})

test.each([
  'set search_path = a',
  '  SeT a TO 1',
  '/* x */ set a = 1',
  '-- x\nset a = 1',
  'set session characteristics as transaction read only',
  'reset all',
  'discard temp',
  'listen events',
  'unlisten *',
  'prepare p as select 1',
  'deallocate p',
  "load 'x'",
  'do $$ begin perform 1; end $$',
  'call p()',
  "select set_config('a', 'b', false)",
  'select pg_advisory_lock(1)',
  'select pg_catalog.pg_try_advisory_lock(1)',
  'create temp table t (a int)',
  'CREATE TEMPORARY VIEW v as select 1',
  'select 1 into temp t',
  'declare c cursor with hold for select 1',
  'select 1; set a = 1',
  'set local a = 1; set b = 2',
  "select 'x'; set a = 1",
  `select "set_config"('a', 'b', false)`,
  'select pg_catalog."pg_advisory_lock"(1)',
  'select U&"pg\\005fadvisory\\005flock"(1)',
  'create table "pg_temp"."t" (a int)',
  "update pg_settings set setting = '1'",
  'update pg_catalog."pg_settings" set setting = \'1\'',
])('may change the session: %s', (text) => {
  expect(traitsOf(text) & CHANGES_SESSION).toBe(CHANGES_SESSION)
})

test.each([
  'begin',
  'BEGIN isolation level serializable',
  'start transaction',
  'commit',
  'commit and chain',
  'end',
  'abort',
  'rollback',
  'rollback and chain',
  "prepare transaction 'x'",
  'select 1; commit',
  "select ';'; commit",
  '/* a */ /* b */ commit',
  'select 1;\n-- x\nrollback',
  'rollback to a; rollback',
])('begins or ends a transaction: %s', (text) => {
  expect(traitsOf(text) & CONTROLS_TRANSACTION).toBe(CONTROLS_TRANSACTION)
})

test.each([
  "commit prepared 'x'",
  "rollback prepared 'x'",
  'create function f() returns int language sql begin atomic select 1; select 2; end',
  'create or replace procedure p() begin atomic insert into t values (case when true then 1 else 2 end); delete from t; end',
])('does not begin or end a transaction of its session: %s', (text) => {
  expect(traitsOf(text) & CONTROLS_TRANSACTION).toBe(0)
})

test('sees a commit behind the body of a function', () => {
  const text = 'create function f() returns int begin atomic select 1; end; commit'
  expect(traitsOf(text) & CONTROLS_TRANSACTION).toBe(CONTROLS_TRANSACTION)
})

test.each([
  ['a long string', `select '${'x; commit '.repeat(110_000)}'`],
  ['many quotes', `select ${"''".repeat(500_000)}`],
  ['an unclosed comment', `select ${'/*'.repeat(500_000)}`],
  ['many dollars', `select ${'$a'.repeat(500_000)}`],
  ['dollars and spaces', `select ${'$ '.repeat(500_000)}`],
  ['distinct unclosed tags', Array.from({ length: 90_000 }, (_, i) => `$t${i}x`).join(' ')],
  ['many statements', 'select 1;'.repeat(110_000)],
  ['many words', 'a '.repeat(500_000)],
  ['open quoted identifiers', '"'.repeat(1_000_001)],
])('X17: reads a megabyte of %s in linear time', (_what, text) => {
  const began = performance.now()
  traitsOf(text)
  // Quadratic work on a megabyte would take minutes.
  expect(performance.now() - began).toBeLessThan(20_000)
})

test('answers the same the second time, also after thousands of other texts', () => {
  const texts = Array.from({ length: 5_000 }, (_, i) => (i % 3 ? `select ${i}` : `set a = ${i}`))
  const first = texts.map(traitsOf)
  expect(texts.map(traitsOf)).toEqual(first)
})

test('never throws, whatever the text', () => {
  const pieces = fc.constantFrom(
    "'",
    '"',
    '$$',
    '$a$',
    '$',
    '/*',
    '*/',
    '--',
    '\n',
    ';',
    'e',
    "E'",
    '\\',
    'commit',
    ' ',
    'set',
    '😀',
    '\0',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
      expect(traitsOf(parts.join(''))).toBeTypeOf('number')
    }),
    { numRuns: 2_000 },
  )
})

test('a statement behind anything quoted completely is always seen', () => {
  const quoted = fc.oneof(
    fc.string().map((text) => `'${text.replaceAll("'", "''")}'`),
    fc.string().map((text) => `"${text.replaceAll('"', '""')}"`),
    fc.string().map((text) => `$q$${text.replaceAll('$', '')}$q$`),
    fc.string().map((text) => `/*${text.replaceAll('*', '').replaceAll('/', '')}*/`),
    fc.string().map((text) => `--${text.replaceAll('\n', '')}\n`),
    fc.string().map((text) => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
  )
  fc.assert(
    fc.property(fc.array(quoted, { maxLength: 6 }), (parts) => {
      const text = `select ${parts.join(' , ')}`
      expect(traitsOf(text) & CONTROLS_TRANSACTION).toBe(0)
      expect(traitsOf(`${text} ; commit`) & CONTROLS_TRANSACTION).toBe(CONTROLS_TRANSACTION)
    }),
    { numRuns: 1_000 },
  )
})

test.each([
  ['do $$ begin commit; end $$', true],
  ['/* x */ CALL p()', true],
  ['select 1; call p()', true],
  ['insert into t values (1); commit; insert into t values (2)', true],
  ['commit; begin', true],
  ['commit', false],
  ['COMMIT;', false],
  ['insert into t values (1); insert into t values (2)', false],
  ["select 'call p()'", false],
  ['select 1 as do', false],
  ['rollback to savepoint a; select 1', false],
  ['', false],
])('may commit a part and fail in another: %s (%s)', (text, expected) => {
  expect(commitsMidway(text)).toBe(expected)
})

test.each([
  "select dblink_connect('host=x')",
  `select public."dblink_connect_u"('a', 'host=x')`,
  'select setseed(0.5)',
  'SELECT SetSeed($1)',
  'set seed = 0.5',
  'set local seed to 0.5',
  "load 'auto_explain'",
  "select 1; LOAD 'x'",
  "select pg_replication_origin_session_setup('o')",
  "select pg_create_logical_replication_slot('s', 'test_decoding', true)",
  "select pg_backup_start('x')",
])('T09: leaves what no reset undoes: %s', (text) => {
  expect(traitsOf(text) & (SPOILS_SESSION | CHANGES_SESSION)).toBe(SPOILS_SESSION | CHANGES_SESSION)
})

test.each([
  'select 1',
  'set work_mem = 1',
  'create temp table t (a int)',
  'select pg_advisory_lock(1)',
  'listen a',
  "select 'setseed(0.5)'",
  'select seed from plants',
])('T09: leaves nothing that a reset does not undo: %s', (text) => {
  expect(traitsOf(text) & SPOILS_SESSION).toBe(0)
})

test.each([
  'set search_path = a',
  'set local search_path = a',
  'SET LOCAL role admin',
  'set role admin',
  'reset all',
  'discard all',
  'execute p',
  'do $$ begin end $$',
  'call p()',
  "select set_config($1, 'x', true)",
  "update pg_settings set setting = 'x'",
])('T03: may change what names mean: %s', (text) => {
  expect(traitsOf(text) & CHANGES_NAMING).toBe(CHANGES_NAMING)
})

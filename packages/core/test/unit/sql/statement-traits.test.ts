import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commitsMidway } from '../../../src/sql/commits-midway.js'
import { traitsOf } from '../../../src/sql/statement-traits.js'
import {
  CHANGES_NAMING,
  CHANGES_SESSION,
  CONTROLS_TRANSACTION,
  COPIES,
  LOCKS_SESSION,
  READ_IN_TWO_WAYS,
  SPOILS_SESSION,
} from '../../../src/sql/trait-flags.js'

/** A name each of whose characters is an escape. */
function escaped(name: string): string {
  return [...name].map((letter) => `\\+0000${letter.charCodeAt(0).toString(16)}`).join('')
}

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
  'select temp, temporary from t',
  'insert into t (temp) values (1)',
  'create table t (temp int)',
  'create trigger r after insert on t execute function f()',
  'grant execute on function f() to me',
  'create rule r as on insert to t do also (delete from u; delete from v)',
  'create or replace rule r as on insert to t do instead (notify a; (select 1); notify b)',
  "select 'a'\n'; set x = 1'",
  "select e'a'\n'\\'; set x = 1'",
  "select e'a' -- x'\r\n  -- y'\n'\\'; set x = 1'",
  "select u&'\\0027; set x = 1'",
  'select $1$a$; set x = 1$a$',
  'select 1 --\u2028; set x = 1',
  'select 1 --\u0085; set x = 1',
  'select @--; set x = 1',
  'select 1 */* /* */ ; set x = 1 */ 1',
  'copy (select stdin from t) to $$file$$',
  'set local a.b = 1',
  'set local transaction read only',
  'select 1 as set; select 2 set',
  'select a$b$c from t',
  'select 4 / 2, 4 */ 2',
  'create table t (temporary int, execute int)',
  'select execute, hold from t',
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
  '-- x\rset a = 1',
  '-- x\r\nset a = 1',
  '--\rset a = 1',
  '/* /* */ -- */\fset a = 1',
  '\vset a = 1',
  'select 1 +--\rset\r1; set a = 1',
  "select e'a\\''\n'\\\\'; set a = 1",
  "select 'a' -- x\n'b'; set a = 1",
  "select 'a' /* x */ 'b'; set a = 1",
  "select 'a\\'; set a = 1 --'",
  'select $a$b$a$; set a = 1',
  'select a$b$; set a = 1; select $b$',
  'select $1$$$$; set a = 1',
  'select $é$ $e$ $é$; set a = 1',
  "select 1e''; set a = 1",
  'create table begin (atomic int); set a = 1',
  'create table t (begin atomic, b int); set a = 1; end',
  'create function f() returns int return 1; set a = 1',
  'create function f() returns int return (select 1); set a = 1',
  'create function f() returns int begin atomic select 1 as case; end; set a = 1',
  'create function f() returns int begin atomic select 1 case; end; set a = 1',
  'create function f() returns int begin atomic select case when true then 1 end; end; set a = 1',
  'create function f() returns int begin atomic select t.end from t; end; set a = 1',
  'create procedure p() begin atomic end; set a = 1',
  'create function f() returns int begin/**/atomic select 1; end; set a = 1',
  'create function f() returns int begin atomic select 1; set a = 1',
  'create view begin as select 1 atomic; set a = 1',
  'create rule r as on insert to t do also (delete from u; delete from v); set a = 1',
  'create schema s create table t (a int); set a = 1',
  'set local.a = 1',
  'set transaction.a = 1',
  'set constraints.a = 1',
  'set session.a = 1',
  'set local seed = 0.5',
  'set local search_path = pg_temp',
  "set local search_path to 'pg_temp', public",
  "set local search_path = public, 'pg_temp'",
  'set constraints = 1',
  'set transaction = 1',
  'prepare transaction as select 1',
  'execute p',
  'explain execute p',
  'explain (analyze, costs off) execute p(1)',
  'create table t as execute p',
  'create unlogged table t as -- x\r execute p',
  'create table pg_temp_3.t (a int)',
  'create table "pg_temp_3".t (a int)',
  'create table U&"pg\\005ftemp\\005f3".t (a int)',
  'create table U&"pg!005ftemp" uescape \'!\'.t (a int)',
  'drop table pg_toast_temp_3.t',
  'create global temporary table t (a int)',
  'create or replace temp view v as select 1',
  'create temp recursive view v (a) as select 1',
  'select 1 into local temp t',
  'with a as (select 1) select 1 into temporary table t from a',
  'select set_limit(0.5)',
  "select 'no end",
  'select /* no end',
  'select 1\0',
  "update pg_settings set setting = '1'",
  "with a as (select 1) update pg_settings set setting = '1'",
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
  'begin;;commit',
  '--\rcommit',
  'select 1 --\r;commit',
  "select 'a\\'; commit --'",
  "select e'a'\n'\\''; commit",
  'create table begin (atomic int); commit',
  'create function f() returns int begin atomic select 1 as case; end; commit',
  ';commit',
  '(((;commit',
  'end',
  'end and chain',
])('begins or ends a transaction: %s', (text) => {
  expect(traitsOf(text) & CONTROLS_TRANSACTION).toBe(CONTROLS_TRANSACTION)
})

test.each([
  "commit prepared 'x'",
  "rollback prepared 'x'",
  'rollback work to savepoint a',
  'ROLLBACK TRANSACTION TO a',
  'prepare transaction (int) as select 1',
  'create function f() returns int begin atomic select 1 as end; select 2 end; end',
  'create function f() returns int begin atomic select case when a then 1 end; select 2; end',
  'create function f() returns int begin atomic; ; end',
  "select 'begin; commit'",
  'create function f() returns int language sql begin atomic select 1; select 2; end',
  'create or replace procedure p() begin atomic insert into t values (case when true then 1 else 2 end); delete from t; end',
])('does not begin or end a transaction of its session: %s', (text) => {
  expect(traitsOf(text) & CONTROLS_TRANSACTION).toBe(0)
})

test('sees a commit after the body of a function', () => {
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

test('returns the same answer the second time, even after thousands of other texts', () => {
  const texts = Array.from({ length: 5_000 }, (_, i) => (i % 3 ? `select ${i}` : `set a = ${i}`))
  const first = texts.map((text) => traitsOf(text))
  expect(texts.map((text) => traitsOf(text))).toEqual(first)
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
    fc.string({ minLength: 1 }).map((text) => `"${text.replaceAll('"', '""')}"`),
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
  ['-- x\rcall p()', true],
  ['--\r\n/* /* */ */do $$ $$', true],
  ['select 1; -- x\r call p()', true],
  ["select e'a'\n'\\''; call p()", true],
  ["select '\\'; call p(); --'", true],
  ["select '\\''; call p(); --'", true],
  ['explain analyze execute p', false],
  ['execute p', false],
  ['create function call() returns int return 1', false],
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
  "select set_config('seed', '0.5', true)",
  "select set_config('SEED', '0.5', false)",
  'select U&"setsee\\0064"(0.5)',
  'select (0.5::float8).setseed',
  '--\rload $$x$$',
  'do $$ begin perform setseed(0.5); end $$',
  "do $$ begin execute 'load ''x'''; end $$",
  "do 'begin perform SetSeed(0.5); end'",
  'do language plperl $$ $_SHARED{a} = 1 $$',
  "do $$ x $$ language 'plpython3u'",
  'prepare p as select setseed(0.5)',
  "explain analyze select dblink_connect('x')",
])('T09: leaves something that no reset undoes: %s', (text) => {
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
  'do $$ begin perform 1; end $$',
  "do language plpgsql $$ begin perform 'x'; end $$",
  'create function f() returns int begin atomic select 1; end',
])('T09: leaves only what a reset undoes: %s', (text) => {
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
  'set schema $$a$$',
  'set session authorization other',
  'set local session authorization other',
  'reset session authorization',
  'reset role',
  'reset search_path',
  'set "search_path" = a',
  'set "Role" = a',
  "set session time zone 'utc'",
  "set local timezone = 'utc'",
  'set datestyle = german',
  'set xml option document',
  "select set_config('search_path', 'x', true)",
  "select set_config('Role', 'x', true)",
  "select set_config(setting_name => 'search_path', new_value => 'x', is_local => true)",
  "select set_config(e'role', 'x', true)",
  "select set_config('app.x' || $1, 'x', true)",
  'create temp table users (id text)',
  'create table pg_temp.users (id text)',
  'explain analyze execute p',
  'select 1; -- x\r set role a',
])('T03: may change what names mean: %s', (text) => {
  expect(traitsOf(text) & CHANGES_NAMING).toBe(CHANGES_NAMING)
})

test.each([
  'select 1',
  "select set_config('app.tenant', $1, true)",
  "select pg_catalog.set_config('app.tenant', $1, true)",
  "set local statement_timeout = '1s'",
  'set work_mem = 1',
  'reset work_mem',
  'set transaction read only',
  "select 'set role a'",
  'select role, search_path from t',
])('T03: leaves names what they are: %s', (text) => {
  expect(traitsOf(text) & CHANGES_NAMING).toBe(0)
})

test.each([
  'select pg_advisory_lock(7)',
  'SELECT Pg_Advisory_Lock_Shared(7, 8)',
  'select pg_try_advisory_lock(7)',
  'select pg_try_advisory_lock_shared (7)',
  'select pg_advisory_unlock(7)',
  'select pg_advisory_unlock_shared(7)',
  'select pg_advisory_unlock_all()',
  'select pg_catalog.pg_advisory_lock(7)',
  'select "pg_advisory_lock"(7)',
  'select "pg_catalog" . "pg_advisory_lock" /* x */ (7)',
  'select U&"pg\\005fadvisory\\005flock"(7)',
  'select u&"pg!005fadvisory!005flock" uescape \'!\' (7)',
  `select U&"${escaped('pg_advisory_lock')}"(7)`,
  'create unlogged table t as select pg_advisory_lock(7)',
  'select (7::bigint).pg_advisory_lock',
  'select ((7)::bigint) . "pg_advisory_lock"',
  'select $1.pg_advisory_lock',
  'select (array[7])[1].pg_advisory_lock',
  'select x.pg_advisory_lock from generate_series(1::bigint, 1) x',
  'select "x" . pg_try_advisory_lock from generate_series(1::bigint, 1) as X',
  'select generate_series.pg_advisory_lock from generate_series(1::bigint, 1)',
  'select x.pg_advisory_lock from rows from (generate_series(1::bigint, 1)) x',
  'select 1 where pg_try_advisory_lock(7)',
  'select * from pg_advisory_lock(7)',
  'select * from t, pg_advisory_lock(7) as l',
  'select * from t join pg_try_advisory_lock(7) as l on l',
  'select 1, pg_advisory_lock(7)',
  'with l as (select pg_advisory_lock(7)) select * from l',
  'insert into t select pg_advisory_lock(7)',
  'insert into t values (pg_try_advisory_lock(7))',
  'update t set a = pg_try_advisory_lock(7)',
  'delete from t where pg_try_advisory_lock(id)',
  'create table t as select pg_advisory_lock(7)',
  'create materialized view v as select pg_try_advisory_lock(7)',
  'explain (analyze) select pg_advisory_lock(7)',
  'copy (select pg_advisory_lock(7)) to stdout',
  'copy t from stdin where pg_try_advisory_lock(id)',
  'select 1; -- x\rselect pg_advisory_lock(7)',
  "select e'a'\n'\\'', pg_advisory_lock(7)",
  '(select pg_advisory_lock(7))',
  'values (pg_advisory_lock(7))',
  'select case when pg_try_advisory_lock(7) then 1 end',
  'select 1 operator(pg_catalog.+) pg_advisory_unlock_all()',
])('T19: takes or gives back a lock of the session: %s', (text) => {
  expect(traitsOf(text) & LOCKS_SESSION).toBe(LOCKS_SESSION)
})

test.each([
  'select pg_advisory_xact_lock(7)',
  'select pg_try_advisory_xact_lock(7)',
  'select pg_advisory_xact_lock_shared(7)',
  "select 'pg_advisory_lock(7)'",
  'select $$pg_advisory_lock(7)$$',
  'select 1 -- pg_advisory_lock(7)',
  'select 1 /* pg_advisory_lock(7) */',
  'select pg_advisory_lock from t',
  'select "pg_advisory_lock" from t',
  'select t.pg_advisory_lock, s.t."pg_advisory_lock" from t',
  'select * from pg_advisory_lock',
  'select a as pg_advisory_lock from t',
  'select * from t as pg_advisory_lock(a)',
  'insert into pg_advisory_lock (id) values (1)',
  'insert into app.pg_advisory_lock (id) values (1)',
  'create table pg_advisory_lock (id int)',
  'create table t (pg_advisory_lock int)',
  'create index on pg_advisory_lock (id)',
  'with pg_advisory_lock (a) as (select 1) select * from pg_advisory_lock',
  'with recursive pg_advisory_lock (a) as (select 1) select * from pg_advisory_lock',
  'with x as (select 1), pg_advisory_lock (a) as materialized (select 1) select 1',
  'copy pg_advisory_lock (id) to stdout',
  'create function f() returns void begin atomic select pg_advisory_lock(7); end',
  'create function pg_advisory_lock(text) returns void language sql as $$ $$',
  'create view v as select pg_try_advisory_lock(7)',
  'create or replace view v as select pg_try_advisory_lock(7)',
  'comment on function pg_advisory_lock(bigint) is null',
  'grant execute on function pg_advisory_lock(bigint) to me',
  'explain select pg_advisory_lock(7)',
  'alter table pg_advisory_lock add pg_advisory_unlock int',
])('T19: takes no lock of the session: %s', (text) => {
  expect(traitsOf(text) & LOCKS_SESSION).toBe(0)
})

test.each([
  ["select '\\'; commit; --'", true, false],
  ["select 'a\\', '; commit; --'", false, true],
  ["select 'a\\\\'; commit", true, true],
  ["select '\\''; commit; --'", false, true],
  ["select 'a'\n'\\'; commit; --'", true, false],
])('T07: reads %s by the setting of its session', (text, on, off) => {
  expect((traitsOf(text) & CONTROLS_TRANSACTION) !== 0).toBe(on)
  expect((traitsOf(text, true) & CONTROLS_TRANSACTION) !== 0).toBe(off)
  expect((traitsOf(text) & READ_IN_TWO_WAYS) !== 0).toBe(on !== off)
  // The cached answer for one setting is not used for the other.
  expect((traitsOf(text) & CONTROLS_TRANSACTION) !== 0).toBe(on)
})

test.each([
  ['copy t from stdin', true],
  ['copy (select 1) to stdout', true],
  ['-- x\rcopy t (a, b) from stdin with (format csv)', true],
  ['copy (select a from stdin) to $$file$$', false],
  ['copy t from program $$stdin$$', false],
  ['select 1 from stdin', false],
])('sees a COPY whose data goes through the connection: %s (%s)', (text, expected) => {
  expect((traitsOf(text) & COPIES) !== 0).toBe(expected)
})

import { describe, expect, test } from 'vitest'
import { mayShare } from '../../../src/sql/may-share.js'

/** The texts of a list for which `mayShare` says something else. */
function except(expected: boolean, texts: readonly string[]): string[] {
  return texts.filter((text) => mayShare(text) !== expected)
}

describe('shares its connection', () => {
  test.each([
    [
      'one query, in any of its forms',
      [
        'select 1',
        'select',
        ' SELECT id, "Name" FROM app.users u WHERE u.id = $1 ORDER BY u.name DESC LIMIT 10 ; ;',
        'table t',
        'values (1, 2), ($1, null)',
        '((select a from t) union all (values (1))) except table u',
        'with a as (select 1), b(c) as not materialized (table t) select * from a, b',
        'with recursive t(n) as (values (1) union all select n + 1 from t where n < 9) select sum(n) from t',
        '/* a /* b */ */ select 1 -- c',
      ],
    ],
    [
      'functions and syntax of the server',
      [
        'select count(*), max(a), string_agg(b, $1 order by c desc) from t',
        'select pg_catalog.lower(a), "upper"(b), COALESCE(c, nullif(d, 1)), greatest(e, f) from t',
        'select a, row_number() over (partition by b, c order by d desc nulls last, e) from t',
        'select sum(a) over w, lag(b, 1) over (order by c rows between 1 preceding and current row) from t window w as (order by a, b desc)',
        'select sum(a) over (partition by (b), (c)), sum(a) over (w partition by d) from t window w as (order by (e))',
        'select count(*) filter (where a > 0), percentile_cont(0.5) within group (order by b) from t',
        'select a, b from t group by grouping sets ((a), (a, b), ())',
        'select a, b from t group by rollup (a, b)',
        'select * from t, lateral (select max(b) from u where u.a = t.a) l',
        'select * from generate_series(1, 3) with ordinality as g(n, o)',
        'select * from t tablesample system (1), u tablesample bernoulli (10) where exists (select 1 from u) and a in (1, 2)',
        "select extract(year from a), substring(b from 'x' for '#'), trim(both 'x' from c), position('a' in d) from t",
        "select a at time zone 'utc', overlay(b placing 'x' from 1), (c, d) overlaps (e, f) from t",
        'select case a when 1 then $1 else $2 end, array[1, 2], row(a, b), (array(select 1))[1:2] from t',
        'select current_user, current_date, localtimestamp, current_schema, now(), random(), gen_random_uuid() from t',
        'select to_jsonb(t), jsonb_build_object($1, a), json_agg(t.b) from t',
        'select pg_typeof(a), pg_column_size(b), format_type($1, null), obj_description($1) from t',
      ],
    ],
    [
      'operators of the server',
      [
        "select a -> 'b' ->> 'c', a @> b, a && b, a ? 'x', a || b, - a, a !~* b from t",
        "select * from t where a like 'x%' and b not like 'y' escape '#' and c ilike $1 and d similar to 'z'",
        "select * from t where a = any ($1) and b > all (select c from u) and d between 'a' and 'b'",
        'select a operator(pg_catalog.+) b from t where c is not distinct from d and e <> f and g != h',
      ],
    ],
    [
      'types of the server, in every notation',
      [
        'select $1::int, a::numeric(10, 2), b::timestamp with time zone, c::double precision, d::text[] from t',
        'select cast($1 as bigint), cast(a as varchar(3)), cast(b as pg_catalog.uuid) from t',
        'select a::"char", b::"text", c::pg_catalog."timestamptz", d::regclass::oid from t',
        "select date '2020-01-01', interval '1 day', timestamp with time zone '2020-01-01', double precision '1', jsonb '{}'",
        'select * from jsonb_to_recordset($1) as r(id int, name text, at timestamptz, "n" numeric(3, 1), c pg_catalog.int8)',
        'select * from rows from (json_to_record($1) as (a int, b double precision), generate_series(1, 2)) as r(x, y, z)',
        'select xmlserialize(content a as text) from t',
        "select json_object('a': b returning jsonb) from t",
      ],
    ],
    [
      'strings of any spelling',
      [
        "select 'a''b', E'a\\'b', $$;$$, $x$ $$ $x$, B'1', X'f', U&'\\0041', 'a'\n'b' from t",
        "select 'for update', 'pg_temp', 'nextval(1)' as \"into\"",
        "select * from t where a = 'x' and b in ('y', 'z') and not c = 'w'",
      ],
    ],
    [
      'the catalog',
      [
        'select * from pg_catalog.pg_class c join pg_attribute a on a.attrelid = c.oid where c.oid = $1::regclass',
        'select column_name from information_schema.columns',
        'select pg_class.relname from pg_class',
        "select to_regclass('a') is not null, has_table_privilege('a', 'select')",
      ],
    ],
  ])('%s', (_, texts) => {
    expect(except(true, texts)).toEqual([])
  })
})

describe('has a connection of its own', () => {
  test.each([
    [
      'what is no query',
      [
        '',
        '-- select 1',
        ';',
        'begin',
        'show all',
        'set a = 1',
        'explain select 1',
        'copy t to stdout',
        'copy (select 1) to stdout',
        'fetch all from c',
        'execute p',
        'call p()',
        'do $$ begin end $$',
        'listen a',
        'declare c cursor for select 1',
      ],
    ],
    ['more than one statement', ['select 1; select 2', 'select 1; commit', 'select 1;;x']],
    [
      'a write',
      [
        'insert into t select 1',
        'with x as (insert into t values (1) returning *) select * from x',
        'with x as (delete from t returning a) select * from x',
        'with x as (select 1) update t set a = 1',
        'select * into u from t',
        'select 1 union select 2 into temp u',
      ],
    ],
    [
      'locks of rows',
      [
        'select * from t for update',
        'select * from t for no key update skip locked',
        'select * from (select * from t for share) s',
        'select * from t for key share of t',
      ],
    ],
    [
      'functions that change the session or wait on purpose',
      [
        "select set_config('a.b', 'c', true)",
        'select setseed(0.5)',
        'select pg_sleep(1)',
        'select pg_sleep_for($1)',
        'select pg_advisory_xact_lock(1)',
        'select pg_try_advisory_lock(1)',
        "select nextval('s')",
        "select currval('s'), lastval()",
        'select txid_current()',
        'select pg_backend_pid()',
        "select current_setting('a.b')",
        "select pg_notify('a', 'b')",
        'select lo_create(0)',
        "select query_to_xml('select 1', true, true, '')",
        "select * from ts_stat('select 1')",
        'select * from dblink($1) as t(a int)',
        'select pg_relation_size(1), pg_database_size(1)',
        'select pg_get_viewdef(1)',
      ],
    ],
    [
      'functions in the form of columns',
      [
        'select (0.5::float8).setseed',
        'select x.setseed from unnest(array[0.5::float8]) x',
        'select $1.pg_advisory_lock',
        'select x.pg_sleep from unnest(array[1::float8]) x',
        "select ('s'::regclass).nextval",
        'select x."ts_stat" from unnest($1::text[]) x',
        'select x.lo_unlink from unnest($1::oid[]) x',
        'select (t).a from t',
        'select setseed from t',
      ],
    ],
    [
      'functions that are not of every server, or of none',
      [
        'select f(1)',
        'select app.lower(a) from t',
        'select similarity(a, b), uuid_generate_v4(), digest(a, b) from t',
        'select uuidv7()',
        'select any_value(a) from t',
        'select json_array(1), json_scalar(a) from t',
        'select json(a) from t',
        'select merge_action()',
        'select "LOWER"(a) from t',
        'select lo\u212a(a) from t',
        'select * from t tablesample app.some (10)',
        'select * from t tablesample lower (10)',
        'select * from t tablesample like (10)',
        'select substring(a, 1), f (a) from t',
        'select U&"\\006cower"(a) from t',
        'select treat(0.5 as setseed)',
        'select json_populate_record(t, $1) from t',
      ],
    ],
    [
      'operators that are not the server’s',
      [
        'select a <=> b from t',
        'select * from t order by a <-> $1',
        'select a === b from t',
        'select a operator(app.+) b from t',
        'select a ! b from t',
        'select ` a from t',
        'select * from t order by a using operator(app.<)',
      ],
    ],
    [
      'types that are not the server’s',
      [
        'select a::kind from t',
        'select a::app.kind from t',
        'select a::app.int from t',
        'select a::pg_catalog.kind from t',
        'select a::pg_catalog.integer from t',
        'select a::"integer" from t',
        'select a::double from t',
        'select a::text.b%type from t',
        'select a::setof int from t',
        'select a::int4::kind[] from t',
        'select cast(a as kind) from t',
        'select cast((select b as int from t) as kind)',
        'select cast(cast(a as text) as app.kind(3)) from t',
        'select xmlserialize(content a as kind) from t',
        'select treat(a as text) from t',
        "select kind 'a'",
        "select app.kind 'a', app.date 'b'",
        "select kind(3) 'a'",
        'select "date" \'a\'',
        "select a, like 'b' from t",
        "select not like 'b'",
        "select zone 'b'",
        "select N'a'",
        "select x.date 'a' from t",
        'select * from json_to_record($1) as r(a kind)',
        'select * from json_to_record($1) as r(a int, b kind)',
        'select * from json_to_record($1) r(a int, b app.kind)',
        'select * from json_to_record($1) as (a kind[])',
        'select * from json_to_record($1) as r(a like)',
        'select * from json_to_record($1) as r(a is (3, 1), b int)',
        'select * from json_to_record($1) as r(partition by)',
        'select * from json_to_record($1) as r(a kind collate "C")',
        'select * from json_to_record($1) as r(a "kind")',
        'select * from json_to_record($1) as r(a double)',
        'select * from json_to_record($1) abs(a kind)',
        'select * from rows from (json_to_record($1) as (a kind)) as r',
        'select * from rows from (json_to_record($1) as (a int array, b kind array)) as r',
        "select * from json_table($1, '$' columns (a kind))",
        "select * from xmltable('a' passing b columns c kind)",
        "select json_object('a': b returning kind) from t",
      ],
    ],
    [
      'relations of one session, and views of the server at work',
      [
        'select * from pg_temp.t',
        'select * from pg_temp_3.t',
        'select pg_temp.f()',
        'select * from pg_locks',
        'select * from pg_catalog.pg_stat_activity',
        'select * from pg_settings',
        'select * from pg_cursors',
        'select * from pg_timezone_names',
        'select * from pg_stat_statements',
        'select * from "pg_prepared_statements"',
        'select * from PG_VIEWS',
      ],
    ],
    [
      'texts that servers refuse, or read in two ways',
      [
        "select 'a",
        'select (1',
        'select 1)',
        "select '\\', pg_sleep(1) --'",
        'select 1\0',
        'select U&"d!0061" uescape \'!\' from t',
        'select 1a',
        'select 0x1g',
      ],
    ],
  ])('%s', (_, texts) => {
    expect(except(false, texts)).toEqual([])
  })

  test('a text of more than 16,384 characters', () => {
    expect(mayShare(`select 1${' '.repeat(16_376)}`)).toBe(true)
    expect(mayShare(`select 1${' '.repeat(16_377)}`)).toBe(false)
  })
})

test('the answer for a text is the same when it is asked again', () => {
  for (const text of ['select lower($1)', 'select f($1)']) {
    expect(mayShare(text)).toBe(mayShare(text))
  }
})

/**
 * Pieces of a select list that hide semicolons, quotes and comments from a lexer that is not
 * PostgreSQL's.
 */
const VALUES: readonly string[] = [
  "'a'",
  "'it''s; begin'",
  "'a\\\\'",
  "'a\\'",
  "'\\''",
  "'\\'''",
  "e'\\'; commit'",
  "E'a'\n'\\'; commit'",
  "e'a' -- b'\r '\\\\'",
  "'a'\n'b;'",
  "'a'\n-- c'\r\n--;\n'b'",
  "'a\\'\n'b'",
  "u&'\\0061;'",
  "u&'!0061' uescape '!'",
  "n'a;'",
  "b'1'\n'0'",
  "x'ff'",
  '$$;$$',
  '$$ $ \' " $$',
  '$a$;$$;$b$;$a$',
  '$é$ $a$; $é$',
  '$A$ $a$ ; $A$',
  '1',
  '1.',
  '.5',
  '1e5',
  '1.5e-3',
  '1 -- ;\r',
  '1 -- ;\n',
  '1 --;\r\n',
  '1 /* ; */',
  "1 /* /* ; */ ' */",
  '1 /***/',
  '1 /* */*/* ; */ 2',
  '1 -/* ; */ 2',
  '1 +--;\r 2',
  '1 @--;\n 2',
  '1 operator(pg_catalog.+) 2',
  '1 as a$b$c',
  '1 as "a;b"',
  '1 as "a""b"',
  '1 as u&"a;\\0062"',
  `1 as u&"a!0062" uescape '!'`,
  '1 as é',
  '1 as a\u00a0b',
  '1 as "é;"',
  '1 end',
  '1 "end"',
  '1 as end',
  'case when true then 1 end',
  "'a'::text",
  'array[1,2][1]',
  '(array[1,2])[1:2]',
  '1=-1',
  '1<>+1',
  '- - 1',
]

/**
 * Whole statements, with the words of their command tags for the few that their first word does not
 * tell.
 */
const STATEMENTS: readonly string[] = [
  'begin',
  'commit',
  'end',
  'rollback',
  'abort',
  'start transaction',
  'set local a.b = 1',
  'set a.b = 1',
  'reset a.b',
  'show a.b',
  'notify a',
  'listen a',
  'unlisten a',
  'values (1)',
  '(select 1)',
  '((values (1)))',
  'with a as (select 1) select * from a',
  'explain select 1',
  "do '/* '",
  'do $$ begin perform 1; end $$',
  'do $b$ begin perform $$;$$; end $b$',
  'discard plans',
  'select',
  '',
]

/**
 * Texts with bodies of functions, rules and words that look like them. Each cleans up behind itself
 * or can be run again.
 */
const DEFINITIONS: readonly string[] = [
  'create table begin (atomic int); drop table begin; set a.b = 1',
  'create table t (begin int, atomic int); drop table t',
  'create view v as select 1 as begin, 2 as atomic; drop view v',
  'create function f() returns int language sql begin atomic select 1; end; drop function f; set a.b = 1',
  'create or replace function f() returns int language sql begin atomic select 1; select 2; end; select 1; drop function f',
  'create function f() returns int language sql begin atomic select case when true then 1 else 2 end; end; drop function f; set a.b = 1',
  'create function f() returns int language sql begin atomic select 1 as case; end; drop function f; set a.b = 1',
  'create function f() returns int language sql begin atomic select 1 case; end; drop function f; set a.b = 1',
  'create function f() returns int language sql begin atomic select 1 end; end; drop function f; set a.b = 1',
  'create function f() returns int language sql begin/**/atomic/* end; */select 1;end;drop function f',
  'create function f() returns int language sql return 1; drop function f; set a.b = 1',
  'create function f() returns int language sql return (select case when true then 1 end); drop function f',
  "create function f() returns int language sql as 'select 1; -- '; drop function f; set a.b = 1",
  'create function begin() returns int language sql begin atomic select 1; end; drop function begin; set a.b = 1',
  'create procedure p() language sql begin atomic end; drop procedure p; set a.b = 1',
  'create procedure p(begin int) language sql begin atomic; ; end; drop procedure p; set a.b = 1',
  'create procedure p() language sql begin atomic select 1; end; call p(); drop procedure p',
  'create table t (a int); create rule r as on insert to t do also (delete from t; delete from t where a = 1); drop table t; set a.b = 1',
  'create table t (a int); create or replace rule r as on insert to t do instead (notify x; (select 1)); drop table t',
  'create schema s create table t (a int) create view v as select 1; drop schema s cascade; set a.b = 1',
  'create function f() returns trigger language plpgsql as $$ begin return new; end $$; create table t (a int); create trigger g after insert on t execute function f(); drop table t; drop function f',
  'prepare transaction as select 1; execute transaction; deallocate transaction',
  'savepoint a; release a',
  'begin; savepoint a; rollback work to a; rollback transaction to savepoint a; commit',
  'begin;; commit;',
  ';;;select 1',
  'set local.a = 1; set transaction.a = 2; set constraints.a = 3; set session.a = 4',
  'select 1;\fselect 2; \vselect 3',
  'select 1\u00a0; select 2',
  "select 'a\\'; commit; --'; select 1",
  "select 'a\\', '; begin; --'",
  "select '\\'''; select 2; --'",
  'select $1$$$',
  'select 1a; select 2',
  'select 1e',
  'select 0x1F; select 1_000; select 0b11',
  "select 1e'\\''; select 2",
  'select 0x1$a$; set a.b = 1; --$a$',
  'select ""',
  "select 'no end; select 1",
  'select /* no end; select 1',
  'select $a$ no end; select 1',
  'select 1; end; select 2; (select 3; select 4)',
]

const SEPARATORS: readonly string[] = [
  ';',
  ';;',
  '; ',
  ';--x\r',
  ';--;\n',
  ';/*;*/',
  '\r;\n',
  ';\t;',
]

/** Picks from a list; a `SeededRandom` does. */
export interface Choice {
  /** One of the list. */
  pick<T>(list: readonly T[]): T
  /** A whole number between these. */
  int(low: number, high: number): number
}

/** So many texts of one to four statements, and all that are written out. */
export function hostileTexts(random: Choice, count: number): string[] {
  const texts = [...DEFINITIONS]
  while (texts.length < DEFINITIONS.length + count) {
    let text = random.pick(['', ' ', '--;\r', '/* ; */', '\n'])
    for (let left = random.int(1, 4); left > 0; left--) {
      text += random.int(0, 2) === 0 ? random.pick(STATEMENTS) : select(random)
      if (left > 1) text += random.pick(SEPARATORS)
    }
    texts.push(text)
  }
  return texts
}

function select(random: Choice): string {
  const values: string[] = []
  for (let left = random.int(1, 3); left > 0; left--) values.push(random.pick(VALUES))
  return `select ${values.join(random.pick([', ', ',\n', ',--;\r']))}`
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FunctionRules } from '../../../src/classify/function-rules.js'
import { classifyByTokens, lexerClassifier } from '../../../src/classify/lexer-classifier.js'

import { parserClassifier } from '../../../src/parser.js'

const lexer = lexerClassifier()
const parser = await parserClassifier()
const BOTH = [
  { by: 'tokens', classifier: lexer },
  { by: 'the parser', classifier: parser },
]

describe.each(BOTH)('a text classified by $by', ({ by, classifier }) => {
  const verdictOf = (text: string): string => classifier.classify(text).verdict

  test.each([
    'select 1',
    ' SELECT a, b FROM t WHERE c = $1 ORDER BY lower(d) LIMIT 10 ; ; ',
    'table t',
    'values (1, 2), (3, 4)',
    '(select 1) union all (select 2)',
    'with recursive t(n) as (values (1) union all select n + 1 from t where n < 9) select sum(n) from t',
    'with a(x) as materialized (select 1), b(y) as not materialized (select 2) select * from a, b',
    'select count(*) filter (where x > 0) over (partition by (y) order by (z)) from t',
    "select x::numeric(10, 2), cast(y as varchar(3)), extract(year from z), position('a' in b) from t",
    'select a, b from t group by grouping sets ((a), (b))',
    'select a, b from t group by rollup (a, b)',
    'select * from generate_series(1, 3) as g(n) join lateral (select n + 1) as l(m) on (true)',
    'select * from t tablesample bernoulli (10) where a in (1, 2) and exists (select 1)',
    'select pg_catalog.lower(x), "lower"(y), LOWER(z) from t',
    'explain select 1',
    'explain (analyze, buffers, format json) select 1',
    'explain analyze verbose select 1',
    'explain (select 1) union (select 2)',
    'copy t to stdout',
    'copy app.t (a, b) to stdout with (format csv, header)',
    'copy (select lower(a) from t) to stdout',
    'select t.update, t.delete from t',
    'select count(*) as insert from t',
  ])('S19, S22, S23: is a read: %s', (text) => {
    expect(classifier.classify(text)).toEqual({ verdict: 'read', reason: 'it only reads' })
  })

  test.each([
    'select (1::bigint).pg_advisory_lock',
    'select (array[1::bigint])[1].pg_advisory_lock',
    'select $1.pg_advisory_lock',
    'select (1::bigint) . "pg_advisory_lock"',
    'select x.pg_advisory_lock from generate_series(1::bigint, 1) x',
    'select x.PG_TRY_ADVISORY_LOCK_SHARED from generate_series(1::bigint, 1) x',
    'select (0.5::float8).setseed',
    'select 1 from t where x is distinct from y.setseed',
    'select x.setseed from unnest(array[0.5::float8]) x',
    "select ('s'::regclass).pg_sequence_last_value",
    "select ('s'::regclass).currval",
    "select ('s'::regclass).nextval",
    "select ('c'::text).dblink_connect",
    'select (16400::oid).lo_get',
    'select o.pg_advisory_lock from t o order by 1',
    'select last_value from s',
    'select s.last_value from s',
    'select "last_value", log_cnt from app.s',
    'select t.a from t where (select is_called from s)',
    'select * from pg_sequences',
    'select * from pg_catalog.pg_sequences',
    'table orders_id_seq',
    'select * from app.orders_id_seq',
    'select * from t join orders_id_seq on true',
    'copy (select last_value from s) to stdout',
    'explain analyze select s.last_value from s',
    "select pg_sequence_last_value('s')",
    'select a.x from a, lateral (select pg_advisory_lock(a.x)) l',
    'select * from rows from (pg_advisory_lock(1)) r',
    'values ((1::bigint).pg_advisory_lock)',
    'select treat(7 as pg_advisory_lock)',
    'select a, TREAT /* x */ (0.5 as "setseed") from t',
    "select treat(treat('s' as text) as nextval)",
  ])('T59: is a write in any notation: %s', (text) => {
    expect(verdictOf(text)).toBe('write')
  })

  test.each([
    'select (1::bigint).grab',
    'select ($1).grab from t',
    'select (t).grab from t',
    'select (t).a.grab from t',
    'select a[1].grab from t',
    'select a === b from t',
    'select a operator(app.+) b from t',
    'select a operator(app.===) b from t',
    'select * from t order by a using operator(app.<)',
    "select app.upper('x')",
    'select * from t tablesample app.some (10)',
  ])('T59: is unknown, because it may call an unknown function: %s', (text) => {
    expect(verdictOf(text)).toBe('unknown')
  })

  test.each([
    'select t.id, t."name", app.t.note from app.t',
    'select t.*, (t).* from t',
    'select max(a) as last_value, min(b) is_called from t',
    'select last_value(a) over (order by b), first_value(a) over w from t window w as (order by b)',
    'select c.relname, pg_catalog.pg_class.oid from pg_catalog.pg_class c, pg_class',
    'select * from information_schema.sequences',
    'select o.lo_price, r.http_status from o join r on o.id = r.id',
    'select a operator(pg_catalog.+) b, a operator(pg_catalog.||) b from t',
    "select a -> 'b' ->> 'c', a @> b, a && b, a <-> b, a <=> b, a !~* b, a <> b, a != b from t",
    'select x::pg_catalog.int4, a collate pg_catalog."C" from t',
    'select (a).name, (b).text from t',
    'select event_seq from events order by events.event_seq',
    'select a from t where a between 1 and 2 and b not in (1) and c like d and e is not distinct from f',
    'select * from t where a > all (select b from u) and c = any ($1)',
  ])('T59: is still a read: %s', (text) => {
    expect(verdictOf(text)).toBe('read')
  })

  test.each([
    'select * from t for update',
    'select * from t\n  FOR\n  UPDATE OF t NOWAIT;',
    'select * from t for update skip locked',
    'select * from (select * from t for update) s',
    'select * from t for share',
    'select * from t for no key update',
    'select * from t for key share of t',
  ])('S17, S18: is a write, because it locks rows: %j', (text) => {
    expect(verdictOf(text)).toBe('write')
  })

  test.each([
    'with x as (insert into t values (1) returning *) select * from x',
    'with x as (update t set a = 1 returning *) select * from x',
    'with x as (delete from t returning *) select * from x',
    'with a as (select 1), x(y) as materialized (merge into t using s on t.a = s.a when matched then delete returning 1) select * from x',
    'select * from (with x as (insert into t values (1) returning *) select * from x) s',
    'with x as (select 1) insert into t select * from x',
    'select * into u from t',
    'select 1 union select 2 into u',
    'insert into t values (1)',
    'explain analyze insert into t values (1)',
    'explain (analyze) update t set a = 1',
    'explain insert into t values (1)',
    'explain analyze create table u as select 1',
    'explain execute p',
    'copy t from stdin',
    'copy (insert into t values (1) returning a) to stdout',
    "copy t to '/tmp/file'",
    "copy t to program 'cat'",
    'call p()',
    'do $$ begin end $$',
    'create temp table u (a int)',
    'lock table t',
    'listen c',
    'notify c',
    'vacuum t',
    'analyze t',
    'refresh materialized view v',
    'show transaction_read_only',
    'begin',
    'select 1; insert into t values (1)',
    'select 1; select 2',
    'select (1',
    'select 1)',
    'select $a$ 1',
    '',
    '  -- nothing',
    ';',
  ])('S19, S22, S23, S24, S26: is a write: %s', (text) => {
    expect(verdictOf(text)).toBe('write')
  })

  test.each([
    "select nextval('s')",
    "select setval('s', 1)",
    "select pg_notify('c', '')",
    'select pg_current_xact_id()',
    'select txid_current()',
  ])('S20: is a write, by its function: %s', (text) => {
    const { verdict, hazard, token } = classifier.classify(text)
    expect({ verdict, hazard }).toEqual({ verdict: 'write', hazard: undefined })
    expect(token).toEqual({ text: text.slice(7, text.indexOf('(')), position: 7 })
  })

  test.each([
    'select pg_advisory_lock(1)',
    'select pg_advisory_lock_shared(1)',
    'select pg_advisory_xact_lock(1)',
    'select pg_advisory_xact_lock_shared(1)',
    'select pg_try_advisory_lock(1)',
    'select pg_try_advisory_lock_shared(1)',
    'select pg_try_advisory_xact_lock(1)',
    'select pg_try_advisory_xact_lock_shared(1)',
    'select pg_advisory_unlock(1)',
    'select pg_advisory_unlock_all()',
    'select PG_ADVISORY_LOCK (1)',
    'select pg_catalog./* */"pg_advisory_lock"\n(1)',
    'select * from pg_advisory_lock(1)',
    'select 1 where (select true from (select pg_try_advisory_lock(1)) s)',
    "select set_config('a.b', 'c', false)",
    'select setseed(0.5)',
    'select pg_export_snapshot()',
    'select lo_create(0)',
    "select currval('s')",
    'select lastval()',
    "select * from dblink('host=a', 'select 1') as t(a int)",
    "select query_to_xml('select nextval(1)', true, true, '')",
    "select ts_stat('select 1')",
    "select pg_read_file('x')",
    'select pg_promote()',
    'select pg_switch_wal()',
    'select pg_terminate_backend(1), pg_cancel_backend(2)',
    'select pg_stat_reset()',
    'select pg_reload_conf()',
    'select pg_wal_replay_pause()',
    "select pg_create_physical_replication_slot('a')",
    'select pg_is_in_recovery()',
    'select pg_a_function_of_a_later_version()',
    'select inet_server_addr()',
    'select aws_lambda.invoke(a, b)',
    'select pg_temp.f(1)',
    'select * from pg_temp.t',
    'select * from pg_stat_activity',
    'select * from pg_catalog.pg_locks',
    'copy pg_stat_database to stdout',
    'set a = 1',
    'reset all',
    'discard all',
    'prepare p as insert into t values (1)',
    'execute p',
    'deallocate p',
    'declare c cursor with hold for select 1',
    'fetch all from c',
    'close c',
    "load 'x'",
    'checkpoint',
  ])('S21, S24: is a write that a replica would silently run wrongly: %j', (text) => {
    expect(classifier.classify(text)).toMatchObject({ verdict: 'write', hazard: true })
  })

  test.each([
    ["select 'insert into t; drop table t'"],
    ['select $x$ for update $x$'],
    ['select "update", "nextval", "into" from "delete"'],
    ["select U&'\\0069nsert'"],
    ['/* insert /* for update */ nextval() */ select 1 -- into t'],
    ["select E'\\'; insert into t values (1); --'"],
    ["select E'a'\n'\\', nextval(''s'') --', 1"],
    ['select nextval from nextval'],
    ['select pg_advisory_lock from t'],
  ])('S25: is a read although something in it looks like a write: %s', (text) => {
    expect(verdictOf(text)).toBe('read')
  })

  test.each([
    ["select 'a' /* ' */, nextval('s') -- '"],
    ['select $$ $x$ $$, nextval($x$s$x$)'],
    ["select '\\', nextval('s') --'"],
    ['select 1 -- x\r; insert into t values (1)'],
    ['select U&"\\006eextval"(\'s\')'],
    ['select 1.into t from t'],
    ['select 1 /* */ into /* */ t'],
  ])('S25: is a write although it does not look like one: %j', (text) => {
    expect(verdictOf(text)).toBe('write')
  })

  test('says which function it does not know, and where', () => {
    const text = 'select a, app.f(b), g(c) from t'
    const { verdict, reason, token } = classifier.classify(text)
    expect(verdict).toBe('unknown')
    expect(['f', 'g']).toContain(token?.text)
    expect(text.startsWith(by === 'tokens' ? token!.text : '', token!.position)).toBe(true)
    expect(reason).toBe(`"${token!.text}" is a function that nothing is known of`)
  })

  test('trusts a function of the server only in its own schema', () => {
    expect(verdictOf('select app.lower(a) from t')).toBe('unknown')
    expect(verdictOf('select app.nextval(a) from t')).toBe('write')
    // A quoted name is another name.
    expect(verdictOf('select "LOWER"(a) from t')).toBe('unknown')
    expect(verdictOf('select lo\u212a(a) from t')).toBe('unknown')
  })
})

describe('functions of the caller', () => {
  test('T59: are recognized in attribute notation too', async () => {
    const own = { writes: ['app.grab'], reads: ['app.total'] } as const
    for (const classifier of [
      lexerClassifier(own),
      lexerClassifier({ ...own, mode: 'optimistic' }),
      await parserClassifier(own),
    ]) {
      for (const text of ['select t.grab from t', 'select (t).grab from t', 'select (1).grab']) {
        expect([text, classifier.classify(text)]).toEqual([
          text,
          expect.objectContaining({ verdict: 'write', hazard: true }),
        ])
      }
      for (const text of ['select t.total from t', 'select (t).total from t']) {
        expect([text, classifier.classify(text).verdict]).toEqual([text, 'read'])
      }
    }
  })

  const options = { reads: ['search', 'app.find'], writes: ['app.take_turn', 'lower'] }
  const texts: [string, string][] = [
    ['select search(1)', 'read'],
    ['select app.search(1)', 'read'],
    ['select app.find(1)', 'read'],
    ['select find(1)', 'unknown'],
    ['select other.find(1)', 'unknown'],
    ['select app.take_turn()', 'write'],
    ['select take_turn()', 'unknown'],
    ['select lower(a) from t', 'write'],
  ]

  test.each(texts)('%s is %s', async (text, verdict) => {
    expect(lexerClassifier(options).classify(text).verdict).toBe(verdict)
    expect((await parserClassifier(options)).classify(text).verdict).toBe(verdict)
  })

  test('may not name functions that must never run on a replica', () => {
    expect(() => lexerClassifier({ reads: ['pg_advisory_lock'] })).toThrow(
      'lexerClassifier: reads names "pg_advisory_lock", which takes or gives back a lock',
    )
    expect(() => lexerClassifier({ reads: ['app.nextval'] })).toThrow(RangeError)
  })

  test('are checked by name', async () => {
    expect(() => lexerClassifier({ mode: 'brave' as never })).toThrow(
      'lexerClassifier: mode must be "conservative" or "optimistic", got "brave"',
    )
    expect(() => lexerClassifier({ read: [] } as never)).toThrow('did you mean "reads"')
    expect(() => lexerClassifier({ reads: 'f' as never })).toThrow('reads must be an array')
    expect(() => lexerClassifier({ reads: ['a.b.c'] })).toThrow('got "a.b.c"')
    expect(() => lexerClassifier({ reads: ['f'], writes: ['f'] })).toThrow('both name "f"')
    expect(() => lexerClassifier(7 as never)).toThrow('options must be an object, got 7')
    await expect(parserClassifier({ writes: [''] })).rejects.toThrow('parserClassifier: writes')
  })
})

describe('the parser', () => {
  test('sees what tokens cannot show', () => {
    for (const text of [
      'select update from t',
      'select a from t x(insert, b)',
      'select U&"\\006cower"(a) from t',
    ]) {
      expect(lexer.classify(text).verdict).toBe('write')
      expect(parser.classify(text).verdict).toBe('read')
    }
    expect(lexer.classify('select 1 from t u(a)').verdict).toBe('unknown')
    expect(parser.classify('select 1 from t u(a)').verdict).toBe('read')
  })

  test('leaves long texts to the tokens, which are much faster', () => {
    const text = `select update /* ${'x'.repeat(9_000)} */`
    expect(parser.classify(text)).toEqual(lexer.classify(text))
  })

  test('gives the same answer for texts that differ only in the comments around them', () => {
    const answer = parser.classify('select f(1)')
    expect(parser.classify("/* a */ select f(1) /* traceparent='00-1' */")).toBe(answer)
  })
})

// ── random statements ──

const { query } = fc.letrec<{ query: string; expression: string; source: string; name: string }>(
  (tie) => ({
    name: fc.constantFrom('a', 't', '"insert"', 'app.x', 'update', 'key', 'share', 'f', 'pg_locks'),
    expression: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('1', "'for update'", '$$into$$', 'a', 't.delete', '$1', '*', 'null'),
      fc
        .tuple(
          fc.constantFrom(
            'lower',
            'count',
            'f',
            'nextval',
            '"pg_advisory_lock"',
            'app.g',
            'pg_sleep',
          ),
          fc.constantFrom('', ' ', '/* x */', '\n'),
          tie('expression'),
        )
        .map(([name, space, inner]) => `${name}${space}(${inner})`),
      tie('query').map((inner) => `(${inner})`),
      tie('expression').map((inner) => `${inner}::numeric(10,2)`),
      fc.tuple(tie('expression'), tie('name')).map(([inner, name]) => `${inner} as ${name}`),
      fc.tuple(tie('expression'), tie('expression')).map((both) => both.join(', ')),
    ),
    source: fc.oneof(
      { maxDepth: 3 },
      tie('name'),
      fc.tuple(tie('name'), tie('name')).map(([name, alias]) => `${name} as ${alias}(a, b)`),
      fc.tuple(tie('query'), tie('name')).map(([inner, alias]) => `(${inner}) ${alias}`),
      tie('expression').map((inner) => `f(${inner})`),
      fc.tuple(tie('source'), tie('source')).map((both) => both.join(' cross join ')),
    ),
    query: fc.oneof(
      { maxDepth: 3 },
      tie('expression').map((list) => `select ${list}`),
      fc
        .tuple(tie('expression'), tie('source'))
        .map(([list, from]) => `select ${list} from ${from}`),
      fc
        .tuple(
          tie('query'),
          fc.constantFrom(
            'for update',
            'for no key update',
            'for share of t',
            'for key share',
            '',
            '',
          ),
        )
        .map((parts) => parts.join(' ')),
      fc
        .tuple(tie('name'), tie('query'), tie('query'))
        .map(
          ([name, inner, outer]) => `with ${name}(a) as (${inner}), b(c) as (${inner}) ${outer}`,
        ),
      fc
        .tuple(
          fc.constantFrom(
            'insert into t values (1) returning a',
            'delete from t returning a',
            'update t set a = 1 returning a',
          ),
          tie('query'),
        )
        .map(([write, outer]) => `with x as (${write}) ${outer}`),
      fc.tuple(tie('query'), tie('query')).map((both) => both.join(' union all ')),
      tie('query').map((inner) => `(${inner})`),
      tie('expression').map((list) => `select ${list} into u`),
      fc.constant('insert into t values (1)'),
    ),
  }),
)
const statement = fc
  .tuple(fc.constantFrom('', '', 'explain ', 'explain (analyze) ', '-- x\n'), query)
  .map((parts) => parts.join(''))

describe('random statements', () => {
  test('are never reads by their tokens if the parser of PostgreSQL finds a write in them', () => {
    let reads = 0
    fc.assert(
      fc.property(statement, (text) => {
        const byTokens = lexer.classify(text)
        if (byTokens.verdict === 'write') return
        const byTree = parser.classify(text)
        if (byTree.reason.startsWith('it does not parse')) return
        if (byTokens.verdict === 'read') reads++
        expect(byTree.verdict).not.toBe('write')
        if (byTokens.verdict === 'read') expect(byTree.verdict).toBe('read')
      }),
      { numRuns: 500 },
    )
    expect(reads).toBeGreaterThan(10)
  })

  const noise = fc
    .array(fc.constantFrom('/* select */', '-- select 1\n', ' ', '\n', ';', '/* /* */ */', '('), {
      maxLength: 5,
    })
    .map((parts) => parts.join(''))
  const dml = fc.constantFrom('insert', 'UPDATE', 'delete', 'Merge')
  const verb = fc.oneof(dml, fc.constantFrom('truncate', 'call', 'set', 'do'))

  test('are writes whenever one of several statements begins with a word that writes', () => {
    fc.assert(
      fc.property(noise, verb, dml, fc.string(), query, (before, word, inner, rest, read) => {
        expect(lexer.classify(`${before}${word} ${rest}`).verdict).toBe('write')
        expect(lexer.classify(`${read};${word} ${rest}`).verdict).toBe('write')
        expect(lexer.classify(`with x as (${inner} ${rest}) ${read}`).verdict).toBe('write')
      }),
      { numRuns: 400 },
    )
  })

  // Also halves of surrogate pairs, and zero bytes.
  const anything = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

  test('never make the classifier throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: anything }), (text) => {
        lexer.classify(text)
        lexer.classify(`select ${text}`)
        parser.classify(`select ${text}`)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a long text', () => {
  const rules = new FunctionRules([], [])
  const filled = (unit: string, length: number): string =>
    unit.repeat(Math.ceil(length / unit.length)).slice(0, length)
  const units: [string, string][] = [
    ['a string', "select 'x"],
    ['quotes', "''"],
    ['escapes', "E'\\'"],
    ['backslashes', '\\'],
    ['open comments', '/*'],
    ['comments', '/**/'],
    ['slashes and stars', '*/*'],
    ['lines', '--\n'],
    ['words', 'ab '],
    ['a list', 'a,'],
    ['open parentheses', '('],
    ['parentheses', '()'],
    ['dollars', '$'],
    ['open dollar quotes', '$a$b'],
    ['tags', '$abcdefgh '],
    ['quoted names', '"a""'],
    ['semicolons', ';'],
    ['calls', 'lower(a),'],
    ['calls of the unknown', 'f('],
    ['dots', 'a.b.'],
    ['numbers', '1e5.'],
    ['exponents', '1e'],
    ['WITH lists', 'with a(b) as (with '],
    ['names of WITH lists', 'a(b) as (select 1),'],
    ['letters beyond ASCII', 'ü'],
    ['spaces', ' '],
    ['one long word', 'a'],
  ]

  test.each(units)('X17: of %s is read in linear time', (_, unit) => {
    const steps = [20_000, 40_000].map((length) => {
      for (const start of ['', 'select ', 'with ', 'explain (', 'copy t (']) {
        const text = new CountedText(`${start}${filled(unit, length)}`)
        classifyByTokens(text as unknown as string, rules)
        // Every character is read a few times, and no part of the text is copied for each
        // character.
        expect(text.steps).toBeLessThan(16 * length)
      }
      const text = new CountedText(`select ${filled(unit, length)}`)
      classifyByTokens(text as unknown as string, rules)
      return text.steps
    }) as [number, number]
    expect(steps[1]).toBeLessThan(2.1 * steps[0] + 100)
  })
})

/** A text that counts the characters that are read. */
class CountedText {
  steps = 0
  readonly length: number
  readonly #text: string

  constructor(text: string) {
    this.#text = text
    this.length = text.length
  }

  charCodeAt(index: number): number {
    this.steps++
    return this.#text.charCodeAt(index)
  }

  slice(start: number, end: number): string {
    const part = this.#text.slice(start, end)
    this.steps += part.length
    return part
  }

  includes(part: string): boolean {
    this.steps += this.length
    return this.#text.includes(part)
  }

  indexOf(part: string, from: number): number {
    const found = this.#text.indexOf(part, from)
    this.steps += (found === -1 ? this.length : found + part.length) - from
    return found
  }
}

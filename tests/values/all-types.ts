/**
 * A built-in type, the text of one of its values as the server writes it, and what that is in
 * JavaScript.
 */
export interface TypeCase {
  /** The type's name in SQL. */
  readonly type: string
  /** A value as text; a session's default settings write it so. */
  readonly text: string
  /** The value in JavaScript. */
  readonly value: unknown
}

const JAVASCRIPT: readonly (readonly [type: string, text: string, value: unknown])[] = [
  ['boolean', 't', true],
  ['smallint', '-32768', -32768],
  ['integer', '2147483647', 2147483647],
  ['oid', '4294967295', 4294967295],
  ['real', '0.1', 0.1],
  ['double precision', '1.7976931348623157e+308', Number.MAX_VALUE],
  ['bytea', '\\x00ff', Buffer.from([0, 255])],
  ['json', '{"a": [1, "\\"\\\\"]}', { a: [1, '"\\'] }],
  ['jsonb', '{"b": [null, "{},\\"\\\\"]}', { b: [null, '{},"\\'] }],
  [
    'timestamp without time zone',
    '2026-01-31 23:59:59.123456',
    new Date(2026, 0, 31, 23, 59, 59, 123),
  ],
  [
    'timestamp with time zone',
    '2026-01-31 22:59:59.123456+00',
    new Date('2026-01-31T22:59:59.123Z'),
  ],
]

// The text is the value.
const TEXT: readonly (readonly [type: string, text: string])[] = [
  ['"char"', 'x'],
  ['name', 'a name'],
  ['text', 'a "b" \\ {c},NULL'],
  ['character', 'x'],
  ['character varying', ''],
  ['bigint', '-9223372036854775808'],
  ['numeric', '0.10000000000000000000001'],
  ['money', '$1,000.00'],
  ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['xml', '<a b="c"/>'],
  ['jsonpath', '$."a"[*]'],
  ['date', '2026-01-31'],
  ['time without time zone', '24:00:00'],
  ['time with time zone', '12:34:56.789+05:30'],
  ['interval', '1 year 2 mons -3 days +04:05:06.789'],
  ['bit', '1'],
  ['bit varying', '1011'],
  ['cidr', '10.0.0.0/8'],
  ['inet', '192.168.0.1/24'],
  ['macaddr', '08:00:2b:01:02:03'],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['point', '(1,2)'],
  ['line', '{1,2,3}'],
  ['lseg', '[(1,2),(3,4)]'],
  ['path', '((1,2),(3,4))'],
  ['box', '(3,4),(1,2)'],
  ['polygon', '((1,2),(3,4))'],
  ['circle', '<(1,2),3>'],
  ['int4range', '[1,5)'],
  ['int8range', 'empty'],
  ['numrange', '(,1.5]'],
  ['daterange', '[2026-01-31,2026-02-01)'],
  ['tsrange', '["2026-01-31 00:00:00",infinity)'],
  ['tstzrange', '["2026-01-31 00:00:00+00",)'],
  ['int4multirange', '{[1,2),[4,5)}'],
  ['int8multirange', '{}'],
  ['nummultirange', '{[1.5,2)}'],
  ['datemultirange', '{[2026-01-31,2026-02-01)}'],
  ['tsmultirange', '{["2026-01-31 00:00:00","2026-02-01 00:00:00")}'],
  ['tstzmultirange', '{["2026-01-31 00:00:00+00",)}'],
  ['tsvector', "'a':1A 'b c':2"],
  ['tsquery', "'a' & !'b'"],
  ['aclitem', 'app=r/app'],
  ['refcursor', 'a cursor'],
  ['tid', '(0,1)'],
  ['xid', '3'],
  ['xid8', '18446744073709551615'],
  ['cid', '4'],
  ['pg_lsn', '16/B374D848'],
  ['pg_snapshot', '10:20:10,14,15'],
  ['txid_snapshot', '10:20:10,14,15'],
  ['int2vector', '1 2'],
  ['oidvector', '1 2'],
  ['regclass', 'pg_class'],
  ['regcollation', '"C"'],
  ['regconfig', 'english'],
  ['regdictionary', 'simple'],
  ['regnamespace', 'pg_catalog'],
  ['regoper', '||/'],
  ['regoperator', '+(integer,integer)'],
  ['regproc', 'now'],
  ['regprocedure', 'sum(integer)'],
  ['regrole', 'app'],
  ['regtype', 'integer'],
]

/** One value of every type that the server has arrays of. */
export const allTypes: readonly TypeCase[] = [
  ...JAVASCRIPT.map(([type, text, value]) => ({ type, text, value })),
  ...TEXT.map(([type, text]) => ({ type, text, value: text })),
]

/** Further expressions and their values: the odd ones of a type, and types without arrays. */
export const otherValues: readonly (readonly [sql: string, value: unknown])[] = [
  ['false', false],
  [`'-0'::float8`, -0],
  [`'NaN'::float4`, Number.NaN],
  [`'-Infinity'::float8`, Number.NEGATIVE_INFINITY],
  [`5e-324::float8`, Number.MIN_VALUE],
  [`'NaN'::numeric`, 'NaN'],
  [`'x'::char(3)`, 'x  '],
  [`''::bytea`, Buffer.alloc(0)],
  [`'null'::jsonb`, null],
  [`'"text"'::json`, 'text'],
  [`'{"__proto__": 1}'::json ->> '__proto__'`, '1'],
  [`'infinity'::timestamptz`, Number.POSITIVE_INFINITY],
  [`'-infinity'::timestamp`, Number.NEGATIVE_INFINITY],
  [`'infinity'::date`, 'infinity'],
  [`'0044-03-15 BC'::date`, '0044-03-15 BC'],
  [`'0044-03-15 12:00:00+00 BC'::timestamptz`, new Date('-000043-03-15T12:00:00Z')],
  [`'0099-03-15 12:00:00+00'::timestamptz`, new Date('0099-03-15T12:00:00Z')],
  [`'12026-03-15 12:00:00+00'::timestamptz`, new Date('+012026-03-15T12:00:00Z')],
  [`'294276-12-31 00:00:00+00'::timestamptz at time zone 'UTC'`, '294276-12-31 00:00:00'],
  [`array['infinity'::timestamptz, null]`, [Number.POSITIVE_INFINITY, null]],
  [`row(1, 'x y', null)`, '(1,"x y",)'],
  [`array[row(1, 'a')]`, '{"(1,a)"}'],
  [`'x'::cstring`, 'x'],
  [`'{a,NULL}'::cstring[]`, ['a', null]],
  [`'unknown'`, 'unknown'],
  [`pg_sleep(0)`, ''],
]

/** A type that every PostgreSQL server has under the same OID. */
export interface BuiltinType {
  /** Its name in the catalogue `pg_type`. */
  readonly name: string
  /** OID of the type. */
  readonly oid: number
  /** OID of the type of its arrays. */
  readonly arrayOid: number
  /** What separates the elements in the text of its arrays: `,`, and `;` for `box`. */
  readonly delimiter: string
}

// src/include/catalog/pg_type.dat of PostgreSQL 18; OIDs are never re-used. Each is "name OID
// array-OID". Pseudo-types and the types of catalogue rows are left out: no column of a result has
// a value of theirs, or their values stay text.
const CATALOGUE: readonly string[] = [
  ...['bool 16 1000', 'bytea 17 1001', '"char" 18 1002', 'name 19 1003', 'text 25 1009'],
  ...['bpchar 1042 1014', 'varchar 1043 1015', 'cstring 2275 1263', 'refcursor 1790 2201'],
  ...['int2 21 1005', 'int4 23 1007', 'int8 20 1016', 'float4 700 1021', 'float8 701 1022'],
  ...['numeric 1700 1231', 'money 790 791', 'oid 26 1028', 'uuid 2950 2951', 'xml 142 143'],
  ...['json 114 199', 'jsonb 3802 3807', 'jsonpath 4072 4073'],
  ...['date 1082 1182', 'time 1083 1183', 'timetz 1266 1270', 'interval 1186 1187'],
  ...['timestamp 1114 1115', 'timestamptz 1184 1185', 'bit 1560 1561', 'varbit 1562 1563'],
  ...['cidr 650 651', 'inet 869 1041', 'macaddr 829 1040', 'macaddr8 774 775'],
  ...['point 600 1017', 'line 628 629', 'lseg 601 1018', 'path 602 1019'],
  ...['box 603 1020', 'polygon 604 1027', 'circle 718 719'],
  ...['int4range 3904 3905', 'int8range 3926 3927', 'numrange 3906 3907'],
  ...['daterange 3912 3913', 'tsrange 3908 3909', 'tstzrange 3910 3911'],
  ...['int4multirange 4451 6150', 'int8multirange 4536 6157', 'nummultirange 4532 6151'],
  ...['datemultirange 4535 6155', 'tsmultirange 4533 6152', 'tstzmultirange 4534 6153'],
  ...['tsvector 3614 3643', 'tsquery 3615 3645', 'gtsvector 3642 3644', 'aclitem 1033 1034'],
  ...['tid 27 1010', 'xid 28 1011', 'xid8 5069 271', 'cid 29 1012', 'pg_lsn 3220 3221'],
  ...['pg_snapshot 5038 5039', 'txid_snapshot 2970 2949'],
  ...['int2vector 22 1006', 'oidvector 30 1013', 'regclass 2205 2210', 'regcollation 4191 4192'],
  ...['regconfig 3734 3735', 'regdictionary 3769 3770', 'regnamespace 4089 4090'],
  ...['regoper 2203 2208', 'regoperator 2204 2209', 'regproc 24 1008', 'regprocedure 2202 2207'],
  ...['regrole 4096 4097', 'regtype 2206 2211'],
]

// The names that SQL has for them, as `format_type` and `\d` write them, and what the grammar takes
// as well.
const ALIASES: readonly (readonly [alias: string, name: string])[] = [
  ['boolean', 'bool'],
  ['smallint', 'int2'],
  ['integer', 'int4'],
  ['int', 'int4'],
  ['bigint', 'int8'],
  ['real', 'float4'],
  ['double precision', 'float8'],
  ['decimal', 'numeric'],
  ['character varying', 'varchar'],
  ['character', 'bpchar'],
  ['char', 'bpchar'],
  ['time without time zone', 'time'],
  ['time with time zone', 'timetz'],
  ['timestamp without time zone', 'timestamp'],
  ['timestamp with time zone', 'timestamptz'],
  ['bit varying', 'varbit'],
]

/** The types that have an array type, as every server knows them. */
export const builtinTypes: readonly BuiltinType[] = CATALOGUE.map((line) => {
  const [name, oid, arrayOid] = line.split(' ') as [string, string, string]
  const delimiter = name === 'box' ? ';' : ','
  return Object.freeze({ name, oid: Number(oid), arrayOid: Number(arrayOid), delimiter })
})

/**
 * The OID of every name a built-in type can be called by: the catalogue's (`int8`), SQL's
 * (`bigint`), and for arrays either of them with `[]` behind (`bigint[]`) or the catalogue's with
 * `_` before (`_int8`). `char` is SQL's `character`; the catalogue's own is `"char"`, with its
 * quotes.
 */
export const builtinOids: ReadonlyMap<string, number> = readNames()

function readNames(): Map<string, number> {
  const oids = new Map<string, number>()
  const arrayOids = new Map<string, number>()
  for (const { name, oid, arrayOid } of builtinTypes) {
    oids.set(name, oid)
    arrayOids.set(`${name}[]`, arrayOid)
    arrayOids.set(`_${name.replaceAll('"', '')}`, arrayOid)
  }
  for (const [alias, name] of ALIASES) {
    oids.set(alias, oids.get(name)!)
    arrayOids.set(`${alias}[]`, arrayOids.get(`${name}[]`)!)
  }
  return new Map([...oids, ...arrayOids])
}

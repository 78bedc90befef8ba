// Types of PostgreSQL 14 and all later ones, by their names in the catalog. Pseudo-types, types of
// rows and the domains of information_schema are not here.
const CATALOG =
  'bit bool bpchar bytea char cid cidr circle date datemultirange daterange float4 float8 inet int2 int2vector int4 int4multirange ' +
  'int4range int8 int8multirange int8range interval json jsonb jsonpath line lseg macaddr macaddr8 money name numeric nummultirange ' +
  'numrange oid oidvector path pg_lsn pg_snapshot point polygon regclass regcollation regconfig regdictionary regnamespace regoper ' +
  'regoperator regproc regprocedure regrole regtype text tid time timestamp timestamptz timetz tsmultirange tsquery tsrange ' +
  'tstzmultirange tstzrange tsvector uuid varbit varchar xid xid8 xml'
// The spellings of the grammar. `double` is one only before `precision`.
const GRAMMAR =
  'bigint boolean character dec decimal float int integer national nchar real smallint'

/** Names of the server's types in the catalog. */
export const CATALOG_TYPES: ReadonlySet<string> = new Set(CATALOG.split(' '))

/** Key words that stand for types of the server, and mean nothing in quotes or after a schema. */
export const GRAMMAR_TYPES: ReadonlySet<string> = new Set(GRAMMAR.split(' '))

import type { QueryResult } from '@poolhouse/core'
import { readBoolean, readText } from '@poolhouse/core/kit'
import { SAFE_FUNCTIONS } from './safe-functions.js'

/**
 * Names in a database that do not come with the server, spelled as in the catalog. A text alone
 * cannot show what they stand for.
 */
export interface OwnNames {
  /** Functions with the name of a harmless one, which a call without a schema may mean. */
  readonly functions: ReadonlySet<string>
  /** Functions that can be called with one argument, and so in the form of a column: `t.name`. */
  readonly attributes: ReadonlySet<string>
  /** Sequences, in any schema. */
  readonly sequences: ReadonlySet<string>
}

/** No names: what is known of a database that was not asked. */
export const NO_NAMES: OwnNames = Object.freeze({
  functions: new Set<string>(),
  attributes: new Set<string>(),
  sequences: new Set<string>(),
})

/**
 * Asks a database for its names. Any role may run it, and no `search_path` changes its meaning.
 * Functions of extensions do not count as hiding a harmless function: the list of harmless ones
 * includes them on purpose. As attributes only their volatile functions count, because PostGIS
 * alone has some hundred others. Procedures cannot be called in a query.
 */
export const OWN_NAMES_STATEMENT = `\
with own as materialized (
  select p.proname::pg_catalog.text as called,
    p.provolatile operator(pg_catalog.=) 'v' as volatile,
    p.pronargs operator(pg_catalog.>) 0 and (p.pronargs operator(pg_catalog.-) p.pronargdefaults) operator(pg_catalog.<=) 1 as of_one,
    exists(select from pg_catalog.pg_depend d where d.classid operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
      and d.objid operator(pg_catalog.=) p.oid and d.deptype operator(pg_catalog.=) 'e') as extension
  from pg_catalog.pg_proc p, pg_catalog.pg_namespace n
  where n.oid operator(pg_catalog.=) p.pronamespace and p.prokind operator(pg_catalog.<>) 'p'
    and n.nspname operator(pg_catalog.<>) 'pg_catalog' and n.nspname operator(pg_catalog.<>) 'information_schema'
)
select o.called as own_name, pg_catalog.bool_or(not o.extension) as is_call,
  pg_catalog.bool_or(o.of_one and (o.volatile or not o.extension)) as is_attribute, false as is_sequence
from own o group by o.called
union all
select c.relname::pg_catalog.text, false, false, true from pg_catalog.pg_class c where c.relkind operator(pg_catalog.=) 'S'`

/** Reads the answer. Two answers with the same names have the same `signature`. */
export function readOwnNames({ rows }: QueryResult<Record<string, unknown>>): {
  readonly names: OwnNames
  readonly signature: string
} {
  const functions: string[] = []
  const attributes: string[] = []
  const sequences: string[] = []
  for (const row of rows) {
    const name = readText(row['own_name'])
    if (name === undefined) continue
    const isSafe = SAFE_FUNCTIONS.has(name)
    const isCall = readBoolean(row['is_call']) === true
    if (isCall && isSafe) functions.push(name)
    // A function of an extension with a name from the list is the one that the list means.
    if (readBoolean(row['is_attribute']) === true && (isCall || !isSafe)) attributes.push(name)
    if (readBoolean(row['is_sequence']) === true) sequences.push(name)
  }
  const lists = [functions, attributes, sequences].map((list) => list.sort())
  const [own, called, counted] = lists.map((list) => new Set(list))
  return {
    names: Object.freeze({ functions: own!, attributes: called!, sequences: counted! }),
    signature: JSON.stringify(lists),
  }
}

import { WordTable } from '../word-table.js'

/** Properties of a keyword, as bits. */
export const IS = {
  /** Before a parenthesis it calls no function. */
  notCalled: 1,
  /** It begins a statement that writes, also after a parenthesis inside a query. */
  writeVerb: 2,
  /** It begins a query. */
  queryVerb: 4,
  /** After FOR it locks rows. */
  lockStrength: 8,
  /**
   * It begins a command that affects only its session, and that a replica runs without an error.
   */
  sessionCommand: 16,
} as const

// Keywords that cannot be functions: RESERVED_KEYWORD and COL_NAME_KEYWORD of
// src/include/parser/kwlist.h, and those of TYPE_FUNC_NAME_KEYWORD that stand before a parenthesis
// in a query.
const NOT_CALLED =
  'all and any array as asc asymmetric both case cast check collate column constraint create default deferrable desc distinct do ' +
  'else end except false fetch for foreign from grant group having in initially intersect into lateral leading limit not null ' +
  'offset on only or order placing primary references returning select some symmetric table then to trailing true union unique ' +
  'using variadic when where window with ' +
  'between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping int integer interval json ' +
  'json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value ' +
  'least merge_action national nchar none normalize nullif numeric overlay position precision real row setof smallint substring ' +
  'time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi ' +
  'xmlroot xmlserialize xmltable ' +
  'ilike is isnull join like notnull overlaps similar'
const WRITE_VERBS = 'insert update delete merge'
const QUERY_VERBS = 'select values table with'
const LOCK_STRENGTHS = 'update share no key'
const SESSION_COMMANDS =
  'checkpoint close deallocate declare discard execute fetch load move prepare reset set'
// Keywords whose meaning depends on the words around them.
const OTHERS =
  'analyse analyze bernoulli by copy cube explain filter materialized operator over partition recursive rollup sets stdout system ' +
  'tablesample verbose'

/** The keywords that mean something to the classifier. */
export const KEYWORDS: WordTable = new WordTable([
  [NOT_CALLED, IS.notCalled],
  [WRITE_VERBS, IS.writeVerb],
  [QUERY_VERBS, IS.queryVerb],
  [LOCK_STRENGTHS, IS.lockStrength],
  [SESSION_COMMANDS, IS.sessionCommand],
  [OTHERS, 0],
])

/** The number of a keyword. Throws `RangeError` for a word that is none. */
export function keyword(word: string): number {
  return KEYWORDS.number(word)
}

/** Whether the keyword of this number has the property. No keyword, 0, has none. */
export function keywordIs(number: number, property: number): boolean {
  return (KEYWORDS.flagsOf(number) & property) !== 0
}

/** The numbers of several keywords, by word. Throws `RangeError` for a word that is none. */
export function keywords<Word extends string>(words: readonly Word[]): Record<Word, number> {
  return Object.fromEntries(words.map((word) => [word, keyword(word)])) as Record<Word, number>
}

/** Properties of a keyword, as bits. */
export const IS = {
  /** Before a parenthesis it calls nothing. */
  notCalled: 1,
  /** It begins a statement that writes, also behind a parenthesis inside a query. */
  writeVerb: 2,
  /** It begins a query. */
  queryVerb: 4,
  /** Behind FOR it locks rows. */
  lockStrength: 8,
  /** It begins a command whose effect belongs to its session, and that a replica carries out without an error. */
  sessionCommand: 16,
} as const

// Keywords that cannot be functions: RESERVED_KEYWORD and COL_NAME_KEYWORD of src/include/parser/kwlist.h, and those of
// TYPE_FUNC_NAME_KEYWORD that stand before a parenthesis in a query.
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
// Those that only the words around them give a meaning.
const OTHERS =
  'analyse analyze bernoulli by copy cube explain filter materialized over partition recursive rollup sets stdout system ' +
  'tablesample verbose'

const FIRST_ID = 1_024
const ids = new Map<string, number>()
const flags: number[] = []

function add(words: string, flag: number): void {
  for (const word of words.split(' ')) {
    const index = ids.get(word) ?? ids.size
    ids.set(word, index)
    flags[index] = (flags[index] ?? 0) | flag
  }
}

add(NOT_CALLED, IS.notCalled)
add(WRITE_VERBS, IS.writeVerb)
add(QUERY_VERBS, IS.queryVerb)
add(LOCK_STRENGTHS, IS.lockStrength)
add(SESSION_COMMANDS, IS.sessionCommand)
add(OTHERS, 0)

const words = [...ids.keys()]
const SHORTEST = Math.min(...words.map(({ length }) => length))
const SLOTS = 1_024
const slots = new Int16Array(SLOTS).fill(-1)
for (const [index, word] of words.entries()) {
  let slot = hashOf(word) & (SLOTS - 1)
  while (slots[slot] !== -1) slot = (slot + 1) & (SLOTS - 1)
  slots[slot] = index
}

function hashOf(word: string): number {
  let hash = 0
  for (let index = 0; index < word.length; index++) hash = addToHash(hash, word.charCodeAt(index))
  return hash
}

/** The hash of a word with one more character, which must be in lower case. */
export function addToHash(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0
}

/** The number of the keyword that stands there, in any case, with this hash; 0 if it is none. Makes no string. */
export function keywordAt(text: string, start: number, end: number, hash: number): number {
  if (end - start < SHORTEST) return 0
  for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
    const index = slots[slot]!
    if (index === -1) return 0
    if (isAt(text, start, end, words[index]!)) return FIRST_ID + index
  }
}

function isAt(text: string, start: number, end: number, word: string): boolean {
  if (word.length !== end - start) return false
  for (let index = 0; index < word.length; index++) {
    // Keywords are letters and underscores; nothing else becomes one of them by this bit but what the lexer takes for a sign.
    if ((text.charCodeAt(start + index) | 0x20) !== (word.charCodeAt(index) | 0x20)) return false
  }
  return true
}

/** The number of a keyword. Throws `RangeError` for a word that is none. */
export function keyword(word: string): number {
  const index = ids.get(word)
  if (index === undefined) throw new RangeError(`"${word}" is no keyword`)
  return FIRST_ID + index
}

/** Whether the keyword of this number has the property. No keyword, 0, has none. */
export function keywordIs(number: number, property: number): boolean {
  return number >= FIRST_ID && (flags[number - FIRST_ID]! & property) !== 0
}

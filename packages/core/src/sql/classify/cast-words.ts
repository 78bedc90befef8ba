import { WordTable } from '../word-table.js'

/** Properties of a word for `CastReader`, as bits. */
export const WORD_IS = {
  /** A reserved key word: it is never the name of a type, nor of a column in a list of them. */
  reserved: 1,
  /** It may stand directly before a string, and no server takes it for a type there. */
  beforeString: 2,
  /** As `beforeString`, if an operand ends before it: `a like 'b'`, but not `select like 'b'`. */
  operator: 4,
  /** An operand may begin behind it, and none ends with it. */
  opener: 8,
  /** It begins a query. */
  queryVerb: 16,
  /** Before a parenthesis: its AS leads to a type. */
  cast: 32,
  /**
   * Before a parenthesis: its types are too hard to find, it calls a function by a type, or it is a
   * key word of newer servers, and on older ones any function.
   */
  refused: 64,
  /** Before a parenthesis: it calls a function of that name, unless an operand ends before it. */
  called: 128,
} as const

// RESERVED_KEYWORD of src/include/parser/kwlist.h, those of a value in a group of their own.
const RESERVED_VALUES =
  'current_catalog current_date current_role current_time current_timestamp current_user end false localtime localtimestamp null ' +
  'session_user true user'
const RESERVED_OPENERS =
  'all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default deferrable ' +
  'desc distinct do else except fetch for foreign from grant group having in initially intersect into lateral leading limit ' +
  'offset on only or order placing primary references returning select some symmetric table then to trailing union unique using ' +
  'variadic when where window with'
// COL_NAME_KEYWORD, which are no names of types of the database either. `double precision '1'`.
const COLUMN_WORDS = 'between precision'
// Since PostgreSQL 16 and 17; `json_object` is a function of all.
const NEW_SYNTAX =
  'json json_array json_arrayagg json_exists json_objectagg json_query json_scalar json_serialize json_table json_value merge_action'
const OTHER_OPENERS =
  'by escape exists filter groups ilike is join key like over overlaps passing path range row rows set similar value values within zone'

/** The words that mean something to `CastReader`. */
export const CAST_WORDS: WordTable = new WordTable([
  [RESERVED_VALUES, WORD_IS.reserved | WORD_IS.beforeString],
  [RESERVED_OPENERS, WORD_IS.reserved | WORD_IS.beforeString | WORD_IS.opener],
  [COLUMN_WORDS, WORD_IS.beforeString | WORD_IS.opener],
  ['not', WORD_IS.reserved | WORD_IS.beforeString],
  [OTHER_OPENERS, WORD_IS.opener],
  ['like ilike escape', WORD_IS.operator],
  // Those of TYPE_FUNC_NAME_KEYWORD that `StatementReader` takes for no call.
  ['ilike is isnull join like notnull overlaps similar', WORD_IS.called],
  ['select with values table', WORD_IS.queryVerb],
  ['cast xmlserialize', WORD_IS.cast],
  [NEW_SYNTAX, WORD_IS.refused],
  ['treat xmltable', WORD_IS.refused],
  ['bernoulli double operator ordinality partition pg_catalog system tablesample time', 0],
])

import { TransactionError } from './errors.js'

/** Whether the statement may leave the session different from a fresh one. */
export const CHANGES_SESSION = 1
/** Whether the statement begins or ends a transaction. */
export const CONTROLS_TRANSACTION = 2
/** Whether the statement is a COPY whose data goes through this connection. */
export const COPIES = 4
/** Whether the statement may leave something in the session that no reset undoes, so that only its end does. */
export const SPOILS_SESSION = 8
/** Whether the statement may change what names mean in this session: the search path, the role or the user. */
export const CHANGES_NAMING = 16

// First words of statements whose effect outlives the transaction in the session. DO and CALL run arbitrary code.
const SESSION_COMMANDS: ReadonlySet<string> = new Set([
  'set',
  'reset',
  'discard',
  'listen',
  'unlisten',
  'prepare',
  'deallocate',
  'load',
  'do',
  'call',
  'execute',
])
const TRANSACTION_COMMANDS: ReadonlySet<string> = new Set([
  'begin',
  'start',
  'commit',
  'end',
  'abort',
  'rollback',
])
// Functions and schemas with the same effect inside any statement, quoted or not.
const SESSION_NAMES: ReadonlySet<string> = new Set([
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'pg_temp',
])
// What survives RESET ALL and every DISCARD, as tried on PostgreSQL 14 and 18: connections of dblink, the seed of random(), an origin of
// replication, temporary replication slots, a base backup under way, a security label.
const SPOILING_NAMES: ReadonlySet<string> = new Set([
  'dblink_connect',
  'dblink_connect_u',
  'dblink_open',
  'dblink_send_query',
  'setseed',
  'pg_replication_origin_session_setup',
  'pg_create_physical_replication_slot',
  'pg_create_logical_replication_slot',
  'pg_copy_physical_replication_slot',
  'pg_copy_logical_replication_slot',
  'pg_start_backup',
  'pg_backup_start',
  'sepgsql_setcon',
])
const NAMING_COMMANDS: ReadonlySet<string> = new Set([
  'set',
  'reset',
  'discard',
  'execute',
  'do',
  'call',
])
// The schemas of temporary objects as the server numbers them.
const OWN_SCHEMA = /^pg_(?:toast_)?temp_\d+$/
// Key words with the same effect, which quoted are names like any other.
const SESSION_WORDS: ReadonlySet<string> = new Set(['temp', 'temporary'])

const LONGEST_CACHED_TEXT = 8_192
const GENERATION_SIZE = 1_000
// Two generations instead of an LRU list: a hit is one Map look-up, and the older half is dropped when the newer is full.
let young = new Map<string, number>()
let old = new Map<string, number>()

/**
 * What a statement does to its session, as flags. Looks at words outside strings and comments, and at quoted names; when in
 * doubt it says that the session changes, which costs one reset and nothing else. Linear in the length of the text.
 */
export function traitsOf(text: string): number {
  let traits = young.get(text)
  if (traits !== undefined) return traits
  traits = old.get(text) ?? scan(text)
  if (text.length <= LONGEST_CACHED_TEXT) {
    if (young.size >= GENERATION_SIZE) {
      old = young
      young = new Map()
    }
    young.set(text, traits)
  }
  return traits
}

/** Throws `TransactionError` for a statement that begins or ends a transaction: `call`, by default `pool.query`, has no place for it. */
export function refuseTransactionControl(
  { text }: { readonly text: string },
  call = 'pool.query',
): void {
  if ((traitsOf(text) & CONTROLS_TRANSACTION) === 0) return
  throw new TransactionError(
    `${call} cannot begin or end a transaction, because each call may use another connection; use pool.transaction(work), or pool.use(work) for full control`,
  )
}

/**
 * Whether the text may have committed a part of its work before another part failed: procedures and DO blocks may COMMIT, and so may one of
 * several statements. Asked only about what has failed, so nothing is kept.
 */
export function commitsMidway(text: string): boolean {
  let statements = 0
  let atStart = true
  for (const word of words(text)) {
    if (word === ';') {
      atStart = true
    } else if (atStart) {
      atStart = false
      statements++
      if (word === 'do' || word === 'call') return true
    }
  }
  return statements > 1 && (traitsOf(text) & CONTROLS_TRANSACTION) !== 0
}

function scan(text: string): number {
  let traits = 0
  // Of the statement being read; added to `traits` at its end.
  let current = 0
  let first = ''
  let position = 0
  // Inside the body of a function in standard SQL (`BEGIN ATOMIC … END`) semicolons end no statement; CASE has an END too.
  let depth = 0
  let previous = ''
  let updates = false
  for (const word of words(text)) {
    if (depth > 0) {
      if (word === 'case') depth++
      else if (word === 'end') depth--
    } else if (first === 'create' && previous === 'begin' && word === 'atomic') {
      depth = 1
    }
    const before = previous
    previous = word
    if (word === ';' && depth > 0) continue
    if (word === ';') {
      traits |= current
      current = 0
      position = 0
      first = ''
      updates = false
      continue
    }
    position++
    if (word[0] === '"') {
      current |= traitsOfName(word, updates)
      continue
    }
    if (word === 'update') updates = true
    if (position === 1) {
      first = word
      current = traitsOfCommand(word)
    } else {
      if (position === 2) current = refine(current, first, word)
      // `ROLLBACK WORK TO SAVEPOINT s`: one noise word may stand between.
      else if (position === 3 && first === 'rollback' && word === 'to') current = 0
      if (first === 'copy' && (word === 'stdin' || word === 'stdout')) {
        if (before === (word === 'stdin' ? 'from' : 'to')) current |= COPIES
      }
      if (
        SESSION_WORDS.has(word) ||
        SESSION_NAMES.has(word) ||
        OWN_SCHEMA.test(word) ||
        (updates && word === 'pg_settings') ||
        (first === 'declare' && word === 'hold')
      ) {
        current |= CHANGES_SESSION
      }
      if (SPOILING_NAMES.has(word)) current |= CHANGES_SESSION | SPOILS_SESSION
      if (word === 'set_config' || word === 'execute' || (updates && word === 'pg_settings')) {
        current |= CHANGES_SESSION | CHANGES_NAMING
      }
      // Not undone by RESET ALL nor by the end of SET LOCAL.
      if (first === 'set' && position <= 3 && word === 'seed') {
        current |= CHANGES_SESSION | SPOILS_SESSION
      }
    }
  }
  return traits | current
}

/** About a quoted name, with its first quote. One with Unicode escapes may be any. */
function traitsOfName(quoted: string, updates: boolean): number {
  if (quoted === ESCAPED) return CHANGES_SESSION | SPOILS_SESSION | CHANGES_NAMING
  const name = quoted.slice(1)
  if (SPOILING_NAMES.has(name)) return CHANGES_SESSION | SPOILS_SESSION
  if (name === 'set_config' || (updates && name === 'pg_settings')) {
    return CHANGES_SESSION | CHANGES_NAMING
  }
  return SESSION_NAMES.has(name) || OWN_SCHEMA.test(name) ? CHANGES_SESSION : 0
}

function traitsOfCommand(first: string): number {
  const naming = NAMING_COMMANDS.has(first) ? CHANGES_NAMING : 0
  if (first === 'load') return CHANGES_SESSION | SPOILS_SESSION
  if (SESSION_COMMANDS.has(first)) return CHANGES_SESSION | naming
  return TRANSACTION_COMMANDS.has(first) ? CONTROLS_TRANSACTION : 0
}

/** Corrects the verdict over the first word with the second. */
function refine(traits: number, first: string, second: string): number {
  switch (first) {
    case 'rollback':
      // `ROLLBACK PREPARED` and `COMMIT PREPARED` are about a transaction that belongs to no session.
      return second === 'to' || second === 'prepared' ? 0 : traits
    case 'commit':
      return second === 'prepared' ? 0 : traits
    case 'prepare':
      return second === 'transaction' ? CONTROLS_TRANSACTION : traits
    case 'set':
      // These three end with the transaction.
      if (second === 'local') return traits & CHANGES_NAMING
      return second === 'transaction' || second === 'constraints' ? 0 : traits
    default:
      return traits
  }
}

/**
 * Yields unquoted words in lower case, `;` between statements, every other sign by itself, `'` for a literal, and quoted names with their first
 * quote: enough to tell a call from a column of the same name. A name in the form `U&"…"` is `"&`.
 */
export function tokens(text: string): Generator<string> {
  return words(text, true)
}

// A name in the form U&"…".
export const ESCAPED = '"&'

/** Yields unquoted words in lower case, quoted names with their first quote, and `;` between statements; with `signs`, the rest too. */
function* words(text: string, signs = false): Generator<string> {
  const length = text.length
  let index = 0
  while (index < length) {
    const code = text.charCodeAt(index)
    if (isWordStart(code)) {
      const start = index
      do index++
      while (index < length && isWordPart(text.charCodeAt(index)))
      // A string right behind these letters is a literal with a prefix: E'…', B'…', X'…', N'…', U&'…'.
      if (text[index] === "'" && index - start === 1) {
        index = skipString(text, index, (code | 0x20) === 0x65)
        if (signs) yield "'"
        continue
      }
      yield text.slice(start, index).toLowerCase()
    } else if (code === 0x27 /* ' */) {
      index = skipString(text, index, false)
      if (signs) yield "'"
    } else if (code === 0x22 /* " */) {
      const start = index
      index = skipQuoted(text, index + 1, '"')
      const escaped = text[start - 1] === '&' && (text.charCodeAt(start - 2) | 0x20) === 0x75
      yield escaped ? ESCAPED : text.slice(start, index - 1)
    } else if (code === 0x24 /* $ */) {
      index = skipDollarQuote(text, index)
      if (signs) yield '$'
    } else if (code === 0x2d /* - */ && text[index + 1] === '-') {
      const end = text.indexOf('\n', index)
      index = end === -1 ? length : end + 1
    } else if (code === 0x2f /* / */ && text[index + 1] === '*') {
      index = skipComment(text, index)
    } else {
      if (code === 0x3b /* ; */) yield ';'
      else if (signs && code > 0x20) yield text[index]!
      index++
    }
  }
}

function isWordStart(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || code > 0x7f
  )
}

function isWordPart(code: number): boolean {
  return isWordStart(code) || (code >= 0x30 && code <= 0x39) || code === 0x24
}

function skipString(text: string, at: number, backslashes: boolean): number {
  if (!backslashes) return skipQuoted(text, at + 1, "'")
  let index = at + 1
  while (index < text.length) {
    if (text[index] === '\\') index += 2
    else if (text[index] !== "'") index++
    else if (text[index + 1] === "'") index += 2
    else return index + 1
  }
  return text.length
}

function skipQuoted(text: string, from: number, quote: string): number {
  const end = text.indexOf(quote, from)
  // A doubled quote inside is seen as the end of one literal and the start of the next, which skips the same text.
  return end === -1 ? text.length : end + 1
}

function skipDollarQuote(text: string, at: number): number {
  let index = at + 1
  while (index < text.length && isWordPart(text.charCodeAt(index)) && text[index] !== '$') index++
  if (text[index] !== '$') return at + 1
  const tag = text.slice(at, index + 1)
  // `$1$` is no tag: tags follow the rules of identifiers, so a digit cannot come first.
  if (/^\$\d/.test(tag)) return at + 1
  const end = text.indexOf(tag, index + 1)
  return end === -1 ? text.length : end + tag.length
}

function skipComment(text: string, at: number): number {
  let depth = 0
  let index = at
  while (index < text.length) {
    if (text[index] === '/' && text[index + 1] === '*') {
      depth++
      index += 2
    } else if (text[index] === '*' && text[index + 1] === '/') {
      depth--
      index += 2
      if (depth === 0) return index
    } else {
      index++
    }
  }
  return text.length
}

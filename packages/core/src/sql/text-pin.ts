import { isSeveral } from './is-several.js'
import { nameAt } from './names.js'
import { TOKEN } from './sql-lexer.js'
import { SqlStatements } from './sql-statements.js'
import { traitsOf } from './statement-traits.js'
import {
  CHANGES_SESSION,
  CONTROLS_TRANSACTION,
  COPIES,
  LOCKS_SESSION,
  READ_IN_TWO_WAYS,
  SPOILS_SESSION,
} from './trait-flags.js'

/** What a text asks of a client that has no session of its own yet. */
export interface TextPin {
  /** Whether it needs a session that the client has to itself while it runs. */
  readonly binds: boolean
  /** Whether the client keeps that session until it is released, whatever follows. */
  readonly stays: boolean
  /** Where the session may be, if the text decides that. */
  readonly intent: 'read' | undefined
  /** Whether it changes the session for longer than its transaction. */
  readonly changes: boolean
}

const FREE: TextPin = pin(false, false)
const BINDS: TextPin = pin(true, false)
const READS: TextPin = Object.freeze({ ...BINDS, intent: 'read' })
const STAYS: TextPin = pin(true, true)

// What a sequence gave last, in this session.
const ASKING: ReadonlySet<string> = new Set(['currval', 'lastval'])

const STAYING = CHANGES_SESSION | LOCKS_SESSION | SPOILS_SESSION | READ_IN_TWO_WAYS
const BINDING = CONTROLS_TRANSACTION | COPIES

function pin(binds: boolean, stays: boolean): TextPin {
  return Object.freeze({ binds, stays, intent: undefined, changes: stays })
}

/**
 * What a text pins: a lone statement nothing; a transaction and a COPY the session until they are
 * over; what changes the session, or may, the session until the release. A transaction that says
 * that it only reads may be on a replica, unless it is serializable, which a standby refuses.
 */
export function pinOf(text: string): TextPin {
  const traits = traitsOf(text)
  const stays = (traits & STAYING) !== 0
  if (stays) return STAYS
  if (isSeveral(text)) return BINDS
  if ((traits & BINDING) === 0) return FREE
  return (traits & CONTROLS_TRANSACTION) !== 0 && beginsReading(text) ? READS : BINDS
}

/**
 * Whether a text asks for what a statement before has done in the same session, `currval` and
 * `lastval`: a client that may have run that in another session would be told of another
 * borrower's.
 */
export function asksSession(text: string): boolean {
  if (!/(?:curr|last)val|u&"/i.test(text)) return false
  const { lexer } = new SqlStatements(text, 'literal')
  let isAsked = false
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    if (isAsked && text[lexer.start] === '(') return true
    const isName = kind === TOKEN.word || kind === TOKEN.quoted
    isAsked = isName && ASKING.has(nameAt(text, lexer.start, lexer.end))
  }
  return false
}

function beginsReading(text: string): boolean {
  const words = wordsOf(text)
  const [first] = words
  if (first !== 'begin' && first !== 'start') return false
  const reads = words.some((word, index) => word === 'read' && words[index + 1] === 'only')
  return reads && !words.includes('serializable') && !words.includes('write')
}

function wordsOf(text: string): string[] {
  const { lexer } = new SqlStatements(text, 'literal')
  const words: string[] = []
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    if (kind === TOKEN.word) words.push(nameAt(text, lexer.start, lexer.end))
  }
  return words
}

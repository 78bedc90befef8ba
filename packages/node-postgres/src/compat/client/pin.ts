import type { Intent } from '@poolhouse/core'
import {
  CHANGES_SESSION,
  CONTROLS_TRANSACTION,
  COPIES,
  LOCKS_SESSION,
  READ_IN_TWO_WAYS,
  SPOILS_SESSION,
  traitsOf,
} from '@poolhouse/core/kit'
import { nameAt, SqlStatements, TOKEN } from '@poolhouse/core/sql'
import { isSeveral } from '../statement/is-several.js'

/** What a text asks of the client that runs it. */
export interface Pin {
  /** Whether it needs a session that the client has to itself while it runs. */
  readonly binds: boolean
  /** Whether the client keeps that session until it is released, whatever follows. */
  readonly stays: boolean
  /** Where the session may be, if the text decides that. */
  readonly intent: Intent | undefined
  /** Whether it changes the session for longer than its transaction. */
  readonly changes: boolean
  /** Whether it holds several statements, which `pg` answers with an array of results. */
  readonly several: boolean
}

const FREE: Pin = pin(false, false)
const BINDS: Pin = pin(true, false)
const READS: Pin = Object.freeze({ ...BINDS, intent: 'read' })
const STAYS: Pin = pin(true, true)
const SEVERAL: Pin = Object.freeze({ ...BINDS, several: true })
const SEVERAL_STAY: Pin = Object.freeze({ ...STAYS, several: true })

const STAYING = CHANGES_SESSION | LOCKS_SESSION | SPOILS_SESSION | READ_IN_TWO_WAYS
const BINDING = CONTROLS_TRANSACTION | COPIES

function pin(binds: boolean, stays: boolean): Pin {
  return Object.freeze({ binds, stays, intent: undefined, changes: stays, several: false })
}

/**
 * What a text pins: a lone statement nothing; a transaction and a COPY the session until they are
 * over; what changes the session, or may, the session until the release. A transaction that says
 * that it only reads may be on a replica, unless it is serializable, which a standby refuses.
 */
export function pinOf(text: string): Pin {
  const traits = traitsOf(text)
  const stays = (traits & STAYING) !== 0
  if (isSeveral(text)) return stays ? SEVERAL_STAY : SEVERAL
  if (stays) return STAYS
  if ((traits & BINDING) === 0) return FREE
  return (traits & CONTROLS_TRANSACTION) !== 0 && beginsReading(text) ? READS : BINDS
}

// What a sequence gave last, in this session.
const ASKS_SEQUENCE = /\b(?:curr|last)val\s*\(/i

/**
 * Whether a text asks for what a statement before has done in the same session: a client that may
 * have run that in another one would be told of another borrower's.
 */
export function asksSession(text: string): boolean {
  if (!ASKS_SEQUENCE.test(text)) return false
  const words = wordsOf(text)
  return words.includes('currval') || words.includes('lastval')
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

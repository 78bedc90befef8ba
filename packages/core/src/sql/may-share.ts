import { CastReader } from './classify/cast-reader.js'
import { SHARING_RULES } from './classify/sharing-rules.js'
import { StatementReader } from './classify/statement-reader.js'
import { traitsOf } from './statement-traits.js'
import { TextMemory } from './text-memory.js'

// Longer ones are generated.
const LONGEST_SHARED = 16_384

const answers = new TextMemory(LONGEST_SHARED, read)

/**
 * Whether a statement may share its connection with others that are sent before its answer has
 * come. True only for one statement that reads, and whose functions, operators and types are all
 * PostgreSQL's own and known to leave the session alone, whatever `standard_conforming_strings` is.
 * In doubt it is false, which costs a connection of its own and nothing else.
 *
 * A text does not show what views, row security, columns named like functions, casts that the
 * server adds, and functions or operators of the database with a name of PostgreSQL's own do. Nor
 * does it show how long the statement takes.
 *
 * Linear in the length of the text; texts of more than 16,384 characters never share. An answer is
 * remembered, and then costs one look-up.
 */
export function mayShare(text: string): boolean {
  return text.length <= LONGEST_SHARED && answers.of(text)
}

function read(text: string): boolean {
  // What the guards of the session see is never shared, be it only a column of such a name.
  if (traitsOf(text) !== 0 || !new CastReader(text).read()) return false
  return new StatementReader(text, SHARING_RULES, undefined).read().verdict === 'read'
}

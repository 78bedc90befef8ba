import { LEFT_TO_RIGHT, NOTHING, REFUSED, RIGHT_TO_LEFT, SPACES } from './saslprep-tables.js'

/** The tables as patterns; made when the first password needs them, which most never do. */
interface Patterns {
  readonly space: RegExp
  readonly nothing: RegExp
  readonly refused: RegExp
  readonly rightToLeft: RegExp
  readonly leftToRight: RegExp
  readonly rightToLeftAtBothEnds: RegExp
}

let made: Patterns | undefined

/**
 * Prepares a password for SCRAM as PostgreSQL does (`pg_saslprep` of src/common/saslprep.c, RFC
 * 4013): a password that cannot be prepared counts as it is, whatever could have been mapped in it.
 *
 * PostgreSQL looks for what it must refuse before it normalizes, not after as RFC 3454 says. The
 * server derives the verifier by its own order, so that order is kept here: a character that is
 * refused only once it has been normalized is no reason.
 */
export function saslprep(password: string): string {
  // ASCII is never changed, control characters included.
  if (/^[\0-\x7F]*$/.test(password)) return password
  made ??= makePatterns()
  const mapped = password.replace(made.space, ' ').replace(made.nothing, '')
  if (mapped === '' || made.refused.test(mapped)) return password
  // RFC 3454, section 6: with a character from right to left there may be none from left to right,
  // and both ends must be such.
  if (made.rightToLeft.test(mapped)) {
    if (made.leftToRight.test(mapped) || !made.rightToLeftAtBothEnds.test(mapped)) return password
  }
  return mapped.normalize('NFKC')
}

function makePatterns(): Patterns {
  const rightToLeft = characterClass(RIGHT_TO_LEFT)
  return {
    space: new RegExp(characterClass(SPACES), 'gu'),
    // U+200B is in both tables, and PostgreSQL looks at the spaces first.
    nothing: new RegExp(characterClass(NOTHING), 'gu'),
    refused: new RegExp(characterClass(REFUSED), 'u'),
    rightToLeft: new RegExp(rightToLeft, 'u'),
    leftToRight: new RegExp(characterClass(LEFT_TO_RIGHT), 'u'),
    rightToLeftAtBothEnds: new RegExp(`^${rightToLeft}(?:.*${rightToLeft})?$`, 'su'),
  }
}

function characterClass(table: string): string {
  const ranges = table.trim().split(/\s+/)
  return `[${ranges.map((range) => range.replace(/[0-9a-f]+/g, '\\u{$&}')).join('')}]`
}

import { loadModule, scanSync } from 'libpg-query'
import { beforeAll, expect, test } from 'vitest'
import { startOfContinuation } from '../../../src/sql/characters.js'
import { SqlLexer, TOKEN } from '../../../src/sql/sql-lexer.js'
import { SeededRandom } from '../../../src/testing/seeded-random.js'

beforeAll(() => loadModule())

const SEED = Number(process.env['POOLHOUSE_LEXER_SEED'] ?? Date.now() % 1_000_000_007)
const TEXTS = Number(process.env['POOLHOUSE_LEXER_TEXTS'] ?? 10_000)
const LONGEST = 80

// Pieces that are hard for lexers, alone and in sequence.
const PIECES: readonly string[] = [
  ...[
    "'",
    "''",
    "'''",
    "E'",
    "e'",
    "N'",
    "n'",
    "B'",
    "X'",
    "U&'",
    "u&'",
    'U&',
    "fe'",
    "'a'",
    "E'a'",
  ],
  ...['\\', '\\\\', "\\'", '\\n', '\\1', '\\x', '\\101', '\\u0061', '\\U00000061', '\\u'],
  ...['"', '""', '"a"', 'U&"', 'u&"', '"select"', "uescape '!'"],
  ...['$$', '$a$', '$b$', '$A$', '$é$', '$', '$1', '$1$', '$0', '$99999999999', '$a', 'a$', '_$'],
  ...['--', '-', '---', '/*', '*/', '/', '*', '/**', '**/', '*/*', '//*'],
  ...[
    '+',
    '+-',
    '-+',
    '@',
    '@-',
    '!',
    '!=',
    '<>',
    '<=',
    '>=',
    '=>',
    '->',
    '->>',
    '||',
    '%-',
    '?',
    '#',
  ],
  ...[
    '~',
    '^',
    '&',
    '`',
    '=',
    '<',
    '>',
    ':',
    '::',
    ':=',
    '.',
    '..',
    '...',
    ',',
    ';',
    '(',
    ')',
    '[',
    ']',
  ],
  ...['{', '}', '\x01', '\x7f'],
  ...[
    ' ',
    '  ',
    '\n',
    '\r',
    '\r\n',
    '\t',
    '\f',
    '\v',
    ' \n ',
    '\n--\n',
    '-- x\n',
    '-- x\r',
    '--\r',
  ],
  ...['\u00a0', '\u200b', '\ufeff', '\u2028', '\u0085', 'é', 'É', '中', '😀', 'ſ', '\u212a', 'ﬁ'],
  ...[
    '0',
    '1',
    '12',
    '1.',
    '.5',
    '1.5',
    '1e',
    '1e5',
    '1E-5',
    '1e+',
    '1..2',
    '0x',
    '0x1F',
    '0xg',
    '0o17',
  ],
  ...['0o8', '0b1', '0b2', '1_0', '1__0', '1_', '_1', '1a', '1.a', '1e5a', '0x_1', '1_0.5_0e1_0'],
  ...['a', 'e', 'b', 'x', 'n', 'u', 'U', 'E', '_', 'a1', 'select', 'SET', 'begin', 'é1', 'a$b'],
  ...[
    "'a\\'",
    "e'a\\'b'",
    "'a'\n'b'",
    "e'a' -- x\n\r'\\''",
    "'a'\n--x\n'b'",
    "b'1'\n'0'",
    "'a' /* x */ 'b'",
  ],
  ...[
    "$$ ' $$",
    '$é$ $$ $é$',
    '/* x */',
    '/* /* */ */',
    '"a""b"',
    "'a''b'",
    "u&'\\0061'",
    'u&"\\0061"',
  ],
]
// Almost all long texts are refused, because they open something and never close it.
const MOST_PIECES = [3, 6, 10, 24]

interface Border {
  readonly start: number
  readonly end: number
}

type Scan = { readonly borders: Border[]; readonly refused: string | undefined }

function ours(text: string): Scan {
  const lexer = new SqlLexer(text)
  const borders: Border[] = []
  while (lexer.next() !== TOKEN.end) borders.push({ start: lexer.start, end: lexer.end })
  return { borders, refused: lexer.trouble ?? (lexer.junk ? 'junk' : undefined) }
}

/** What the scanner says against the value of a string, whose borders are plain. */
const ABOUT_VALUES = /^invalid (?:Unicode|byte sequence)/

/** What PostgreSQL 18 says, with its offsets, which are those of bytes, as ours. */
function theirs(text: string): Scan & { readonly comments: Border[] } {
  const { tokens, refused } = scanned(text)
  const bytes = Buffer.from(text)
  const at = (byte: number): number => bytes.subarray(0, byte).toString().length
  const borders: Border[] = []
  const comments: Border[] = []
  for (const { start, end, tokenName } of tokens) {
    const isComment = tokenName === 'SQL_COMMENT' || tokenName === 'C_COMMENT'
    const into = isComment ? comments : borders
    into.push({ start: at(start), end: at(end) })
  }
  return { borders, comments, refused }
}

const CONTROL = /\p{Cc}/gu

/**
 * The scanner's answer. `scanSync` of libpg-query 18.1 parses whatever comes as JSON: the message
 * of an error, too, and control characters that are not escaped. So its parsing is done here.
 */
function scanned(text: string): {
  tokens: ReturnType<typeof scanSync>['tokens']
  refused: string | undefined
} {
  const { parse } = JSON
  let refused: string | undefined
  JSON.parse = (answer: string) => {
    if (answer[0] === '{') {
      return parse(answer.replaceAll(CONTROL, (sign) => JSON.stringify(sign).slice(1, -1)))
    }
    refused = answer
    return { tokens: [] }
  }
  try {
    const { tokens } = scanSync(text)
    return { tokens, refused }
  } finally {
    JSON.parse = parse
  }
}

/**
 * Where a quote is followed by white space with a line break, a comment and another quote: perhaps
 * one string.
 */
function continuedPastComment(text: string): number {
  for (let quote = text.indexOf("'"); quote !== -1; quote = text.indexOf("'", quote + 1)) {
    const next = startOfContinuation(text, quote + 1)
    if (next !== -1 && text.slice(quote, next).includes('--')) return quote
  }
  return -1
}

function makeText(random: SeededRandom): string {
  let text = ''
  const pieces = random.int(1, random.pick(MOST_PIECES))
  for (let count = 0; count < pieces; count++) {
    const piece = random.pick(PIECES)
    if (text.length + piece.length > LONGEST) break
    text += piece
  }
  return text
}

test(
  `T07: PostgreSQL's own scanner sees the same tokens in random texts, or refuses the same ones; seed ${SEED}`,
  () => {
    const random = new SeededRandom(SEED)
    let compared = 0
    let refused = 0
    let values = 0
    let continued = 0
    for (let count = 0; count < TEXTS; count++) {
      const text = makeText(random)
      const we = ours(text)
      const they = theirs(text)
      const context = `seed ${SEED}, text ${count}: ${JSON.stringify(text)}; we: ${we.refused}; they: ${they.refused}`
      const past = continuedPastComment(text)
      if (past !== -1) {
        // Their scanner hands comments out as tokens, and so lets none stand between the parts of
        // one string, as the server does.
        const across = we.borders.find((border) => border.end > past)
        const before = (all: Border[]): Border[] =>
          all.filter(({ start }) => start < (across?.start ?? 0))
        if (they.refused === undefined) {
          expect(before(we.borders), context).toEqual(before(they.borders))
        }
        continued++
        continue
      }
      if (they.refused !== undefined) {
        if (we.refused === undefined && ABOUT_VALUES.test(they.refused)) values++
        else expect(we.refused, context).toBeDefined()
        refused++
        continue
      }
      expect(we.refused, context).toBeUndefined()
      expect(we.borders, context).toEqual(they.borders)
      compared++
    }
    const figures = { texts: TEXTS, compared, refused, values, continued }
    if (process.env['POOLHOUSE_LEXER_TEXTS'] !== undefined)
      process.stdout.write(`${SEED} ${JSON.stringify(figures)}\n`)
    // Otherwise too little was compared.
    expect(compared, JSON.stringify(figures)).toBeGreaterThan(TEXTS / 20)
    expect(continued, JSON.stringify(figures)).toBeLessThan(TEXTS / 10)
  },
  60_000 + TEXTS * 5,
)

import fc from 'fast-check'
import { loadModule, scanSync } from 'libpg-query'
import { beforeAll, describe, expect, test } from 'vitest'
import { CAST, nameAt, SqlLexer, TOKEN, type TokenKind } from '../../src/classify/sql-lexer.js'

beforeAll(() => loadModule())

interface Found {
  readonly kind: TokenKind
  readonly text: string
}

function tokensOf(text: string): { tokens: Found[]; trouble: string | undefined } {
  const lexer = new SqlLexer(text)
  const tokens: Found[] = []
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    tokens.push({ kind, text: text.slice(lexer.start, lexer.end) })
  }
  return { tokens, trouble: lexer.trouble }
}

const textsOf = (text: string): string[] => tokensOf(text).tokens.map((token) => token.text)

describe('the lexer', () => {
  test.each([
    ["'it''s'", ["'it''s'"]],
    ["E'it\\'s' x", ["E'it\\'s'", 'x']],
    ["e'a'\n'b\\'c' x", ["e'a'", "'b\\'c'", 'x']],
    ["U&'\\0061' n'x' B'01' X'ff'", ["U&'\\0061'", "n'x'", "B'01'", "X'ff'"]],
    ["fe'x'", ['fe', "'x'"]],
    ['"a""b".c', ['"a""b"', '.', 'c']],
    ['$$ insert $$ x', ['$$ insert $$', 'x']],
    ['$a$ $$ $b$ $a$x', ['$a$ $$ $b$ $a$', 'x']],
    ['$ä$ $a$ $ä$', ['$ä$ $a$ $ä$']],
    ['a$b$c $1 $2x', ['a$b$c', '$1', '$2', 'x']],
    ['1.5e-3 1..2 1.into .5', ['1.5e-3', '1', '.', '.', '2', '1.', 'into', '.', '5']],
    ['1into 0x1F 1_000', ['1', 'into', '0', 'x1F', '1', '_000']],
    ['a::b :c', ['a', '::', 'b', ':', 'c']],
    ['a/* /* */ x */b', ['a', 'b']],
    ['a -- x\rb -- y\nc', ['a', 'b', 'c']],
    ['a-b a+--c\nd', ['a', '-', 'b', 'a', '+', 'd']],
    ['2 */* x */ 3', ['2', '*', '3']],
    ['naïve ſelect', ['naïve', 'ſelect']],
  ])('splits %s', (text, tokens) => {
    expect(textsOf(text)).toEqual(tokens)
  })

  test.each([
    ["'abc", 'a string without an end'],
    ["E'abc\\'", 'a string without an end'],
    ['$a$ $b$', 'a string without an end'],
    ['"abc', 'a quoted name without an end'],
    ['a /* /* */', 'a comment without an end'],
    ["'a\\' || x || '", 'a backslash before a quote, which servers read in two ways'],
    ['U&"\\0061"', 'a name in Unicode escapes'],
    ['select 1\0', 'a zero byte, where the server stops reading'],
  ])('gives up on %j and says why', (text, trouble) => {
    expect(tokensOf(text).trouble).toBe(trouble)
  })

  test('knows keywords in any case, and names as the server compares them', () => {
    const lexer = new SqlLexer('SeLeCT ::')
    expect(lexer.next()).toBe(TOKEN.word)
    expect(lexer.code).toBe(new SqlLexer('select').next() && lexer.code)
    expect(lexer.code).toBeGreaterThan(0)
    lexer.next()
    expect(lexer.code).toBe(CAST)
    expect(nameAt('Foo', 0, 3)).toBe('foo')
    expect(nameAt('"Fo""o"', 0, 7)).toBe('Fo"o')
    // The Kelvin sign becomes a `k` in JavaScript, but not in PostgreSQL.
    expect(nameAt('loc\u212a', 0, 4)).toBe('loc\u212a')
    expect(nameAt('x'.repeat(300), 0, 300)).toHaveLength(64)
  })

  const pieces = [
    "'",
    "''",
    '\\',
    "E'",
    "e'",
    "U&'",
    "n'",
    "b'",
    '"',
    '""',
    'U&"',
    '$$',
    '$a$',
    '$b$',
    '$',
    '$1',
    '/*',
    '*/',
    '*',
    '/',
    '--',
    '-',
    '\n',
    '\r',
    ' ',
    'insert',
    'select',
    'e',
    'é',
    '1',
    '1.',
    '.',
    ';',
    '(',
    '::',
    ':',
  ]

  test('sees strings, names and comments where the scanner of PostgreSQL does', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 14 }), (parts) => {
        const text = parts.join('')
        const ours = maskOf(text)
        const theirs = maskOfServer(text)
        // A text that the server refuses does nothing, however it is read.
        if (ours === undefined || theirs === undefined) return
        expect(ours).toBe(theirs)
      }),
      { numRuns: 2_000 },
    )
  })

  test('gives up on nothing that the server reads in one way', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 10 }), (parts) => {
        const text = parts.join('')
        const { trouble } = tokensOf(text)
        if (trouble === undefined || maskOfServer(text) === undefined) return
        expect(trouble).toMatch(/two ways|Unicode/)
      }),
      { numRuns: 1_000 },
    )
  })
})

/** For each character whether it is in a string (s), a quoted name (q) or anything else (.), as our lexer sees it. */
function maskOf(text: string): string | undefined {
  const mask = new Array<string>(text.length).fill('.')
  const lexer = new SqlLexer(text)
  let previousEnd = -1
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    const { start, end } = lexer
    if (kind === TOKEN.string) {
      // To the server the letter of N'…' is a token of its own.
      mask.fill('s', /n/i.test(text[start]!) ? start + 1 : start, end)
      const between = text.slice(previousEnd, start)
      if (text[start] === "'" && previousEnd >= 0 && /[\r\n]/.test(between)) {
        // Versions differ in whether a comment may stand there; where it may not, two strings are an error.
        if (between.includes('--')) return undefined
        // The server counts what is between the parts of a continued string to the string.
        if (!between.includes('/*')) mask.fill('s', previousEnd, start)
      }
      previousEnd = text[start] === '$' ? -1 : end
    } else {
      if (kind === TOKEN.quoted) mask.fill('q', start, end)
      previousEnd = -1
    }
  }
  return lexer.trouble === undefined ? mask.join('') : undefined
}

function maskOfServer(text: string): string | undefined {
  try {
    const bytes = Buffer.from(text)
    const at = (byte: number): number => bytes.subarray(0, byte).toString().length
    const mask = new Array<string>(text.length).fill('.')
    for (const { start, end, tokenName } of scanSync(text).tokens) {
      const first = at(start)
      const token = text.slice(first, at(end))
      // B'…', X'…' and U&'…' have no name there.
      const isString = tokenName === 'SCONST' || /^(?:[bx]|u&)'/i.test(token)
      if (isString) mask.fill('s', first, at(end))
      else if (token[0] === '"') mask.fill('q', first, at(end))
    }
    return mask.join('')
  } catch {
    return undefined
  }
}

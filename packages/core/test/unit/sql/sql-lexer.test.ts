import { describe, expect, test } from 'vitest'
import {
  type Backslashes,
  nameAt,
  SIGN,
  SqlLexer,
  SqlStatements,
  TOKEN,
  type TokenKind,
} from '../../../src/sql/index.js'
import { isJunk } from '../../../src/sql/numbers.js'

interface Found {
  readonly kind: TokenKind
  readonly text: string
}

function tokensOf(
  text: string,
  backslashes?: Backslashes,
): { tokens: Found[]; trouble: string | undefined } {
  const lexer = new SqlLexer(text, backslashes)
  const tokens: Found[] = []
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    tokens.push({ kind, text: text.slice(lexer.start, lexer.end) })
  }
  return { tokens, trouble: lexer.trouble }
}

const textsOf = (text: string, backslashes?: Backslashes): string[] =>
  tokensOf(text, backslashes).tokens.map((token) => token.text)

describe('T07: the lexer', () => {
  test.each([
    ["'it''s'", ["'it''s'"]],
    ["E'it\\'s' x", ["E'it\\'s'", 'x']],
    ["e'a'\n'b\\'c' x", ["e'a'\n'b\\'c'", 'x']],
    ["e'a'\r'\\'' x", ["e'a'\r'\\''", 'x']],
    ["'a' -- b\n'c' d", ["'a' -- b\n'c'", 'd']],
    ["'a'\n-- b'\r--\n 'c' d", ["'a'\n-- b'\r--\n 'c'", 'd']],
    ["'a'\n-- 'c' d", ["'a'"]],
    ["'a' 'b'", ["'a'", "'b'"]],
    ["'a' /* c\n */ 'b'", ["'a'", "'b'"]],
    ["'a'\n/* c */ 'b'", ["'a'", "'b'"]],
    ["'a'\nE'b'", ["'a'", "E'b'"]],
    ["'a\\'\n'b'", ["'a\\'\n'b'"]],
    ["b'1''0'", ["b'1'", "'0'"]],
    ["x'1'\n'0'", ["x'1'\n'0'"]],
    ["U&'\\0061' n'x' B'01' X'ff'", ["U&'\\0061'", 'n', "'x'", "B'01'", "X'ff'"]],
    ["U&'!0061' uescape '!'", ["U&'!0061'", 'uescape', "'!'"]],
    ["u & 'x'", ['u', '&', "'x'"]],
    ["fe'x'", ['fe', "'x'"]],
    ['"a""b".c', ['"a""b"', '.', 'c']],
    ["a&'x' u='x' u||'x' u&x", ['a', '&', "'x'", 'u', '=', "'x'", 'u', '||', "'x'", 'u', '&', 'x']],
    ['a @/@ b / c', ['a', '@/@', 'b', '/', 'c']],
    ['.5 1.5 5', ['.5', '1.5', '5']],
    ['U&"a""b"c', ['U&"a""b"', 'c']],
    ['$$ insert $$ x', ['$$ insert $$', 'x']],
    ['$a$ $$ $b$ $a$x', ['$a$ $$ $b$ $a$', 'x']],
    ['$ä$ $a$ $ä$', ['$ä$ $a$ $ä$']],
    ['a$b$c $1 $2x', ['a$b$c', '$1', '$2', 'x']],
    ['a$$b$$ $1$$x$$', ['a$$b$$', '$1', '$$x$$']],
    ['1$$x$$', ['1', '$$x$$']],
    ['1.5e-3 1..2 1.into .5', ['1.5e-3', '1', '..', '2', '1.', 'into', '.5']],
    ['1into 0x1F 1_000 0o17 0b11', ['1', 'into', '0x1F', '1_000', '0o17', '0b11']],
    ["1e'\\'' 0x1G 1_0a", ['1', "e'\\''", '0', 'x1G', '1', '_0a']],
    ['0b12 1__0', ['0', 'b12', '1', '__0']],
    ['a::b :c d:=e f=>g', ['a', '::', 'b', ':', 'c', 'd', ':=', 'e', 'f', '=>', 'g']],
    ['a/* /* */ x */b', ['a', 'b']],
    ['a -- x\rb -- y\nc', ['a', 'b', 'c']],
    ['a-b a+--c\nd', ['a', '-', 'b', 'a', '+', 'd']],
    ['a@--c\nd', ['a', '@', 'd']],
    ['2 */* x */ 3', ['2', '*', '3']],
    ['1+-2 1@-2 1=-1', ['1', '+', '-', '2', '1', '@-', '2', '1', '=', '-', '1']],
    ['a\u00a0b a\u200bb', ['a\u00a0b', 'a\u200bb']],
    ['a\fb\vc', ['a', 'b', 'c']],
    ['naïve ſelect', ['naïve', 'ſelect']],
  ])('splits %j', (text, tokens) => {
    expect(textsOf(text)).toEqual(tokens)
  })

  test.each([
    ["'abc", 'a string without an end'],
    ["E'abc\\'", 'a string without an end'],
    ['$a$ $b$', 'a string without an end'],
    ["'a'\n'b", 'a string without an end'],
    ['"abc', 'a quoted name without an end'],
    ['select ""', 'a quoted name of no characters'],
    ['a /* /* */', 'a comment without an end'],
    ['select 1\0', 'a zero byte, where the server stops reading'],
    [`select 1 ${'@'.repeat(64)} 2`, 'an operator that is too long'],
  ])('refuses %j with a reason', (text, trouble) => {
    expect(tokensOf(text).trouble).toBe(trouble)
  })

  test('reads a backslash in a plain string as the session does, and gives up where that matters and is not known', () => {
    const text = "'a\\' || x || '"
    expect(textsOf(text, 'literal')).toEqual(["'a\\'", '||', 'x', '||'])
    expect(textsOf(text, 'escape')).toEqual([text])
    expect(tokensOf(text, 'either').trouble).toBe(
      'a backslash before a quote, which servers read in two ways',
    )
    expect(textsOf("'a\\\\' 'b\\n'", 'either')).toEqual(["'a\\\\'", "'b\\n'"])
    expect(tokensOf("U&'x'", 'escape').trouble).toMatch(/standard_conforming_strings/)
  })

  test('identifies operators by their character code', () => {
    const lexer = new SqlLexer('( :: => .. @@ ;')
    const codes: number[] = []
    while (lexer.next() !== TOKEN.end) codes.push(lexer.code)
    const equals = new SqlLexer('= <')
    expect([equals.next(), equals.code]).toEqual([TOKEN.sign, 0x3d])
    expect([equals.next(), equals.code]).toEqual([TOKEN.sign, 0x3c])
    expect(codes).toEqual([0x28, SIGN.cast, SIGN.names, SIGN.range, SIGN.operator, 0x3b])
  })

  test('compares names as the server does', () => {
    expect(nameAt('Foo', 0, 3)).toBe('foo')
    expect(nameAt('"Fo""o"', 0, 7)).toBe('Fo"o')
    // The Kelvin sign becomes a `k` in JavaScript, but not in PostgreSQL.
    expect(nameAt('loc\u212a', 0, 4)).toBe('loc\u212a')
    expect(nameAt('x'.repeat(300), 0, 300)).toHaveLength(64)
    expect(nameAt('U&"\\0061\\+000062\\\\c"', 0, 20)).toBe('ab\\c')
    const escaped = `U&"!0061\\b" /* x */ UEscape '!'`
    expect(nameAt(escaped, 0, 11)).toBe('a\\b')
    expect(nameAt('"&ab"', 0, 5)).toBe('&ab')
  })

  test('reads names of 63 characters to their end, however they are written', () => {
    const quotes = `select "${'""'.repeat(63)}"`
    expect(nameAt(quotes, 7, quotes.length)).toBe('"'.repeat(63))
    const escapes = `select U&"${'\\+000061'.repeat(63)}"`
    expect(nameAt(escapes, 7, escapes.length)).toBe('a'.repeat(63))
    const tooLong = `U&"${'\\+000061'.repeat(64)}"`
    expect(nameAt(tooLong, 0, tooLong.length)).toHaveLength(64)
  })

  test('see trailing junk where a name stands right behind a number', () => {
    expect(isJunk('10a', 0, 2)).toBe(true)
    expect(isJunk('1_0$', 0, 3)).toBe(true)
    expect(isJunk('0b12$', 0, 4)).toBe(true)
    expect(isJunk('10$', 0, 2)).toBe(false)
    expect(isJunk('10 a', 0, 2)).toBe(false)
    expect(isJunk('1.5$', 0, 3)).toBe(false)
  })
})

describe('T07: statements', () => {
  function firstWords(text: string, readsBodies = true): string[] {
    const statements = new SqlStatements(text, 'literal', readsBodies)
    const words: string[] = []
    for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
      const { start, end } = statements.lexer
      if (statements.isFirst) words.push(text.slice(start, end))
    }
    return words
  }

  test.each([
    ['select 1; select 2;', ['select', 'select']],
    [';;begin;;commit', ['begin', 'commit']],
    ['create table begin (atomic int); set a = 1', ['create', 'set']],
    [
      'create function f() returns int begin atomic select 1; select 2; end; set x = 1',
      ['create', 'set'],
    ],
    ['create or replace procedure p() begin atomic end; set x = 1', ['create', 'set']],
    [
      'create function f() returns int begin atomic select 1 case; end; set x = 1',
      ['create', 'set'],
    ],
    [
      'create function f() returns int begin atomic select case when a then 1 end; end; set x',
      ['create', 'set'],
    ],
    [
      'create rule r as on insert to t do also (delete from a; delete from b); set x',
      ['create', 'set'],
    ],
    ['create view v as (select 1; set x = 1', ['create', 'set']],
  ])('end where the server ends them: %s', (text, words) => {
    expect(firstWords(text)).toEqual(words)
  })
})

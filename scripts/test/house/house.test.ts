import { describe, expect, test } from 'vitest'
import { countCodeLines } from '../../house/code-lines.js'
import { circlesOf, importsBackUp } from '../../house/import-circles.js'
import { findLongComments } from '../../house/long-comments.js'
import { findVagueWords } from '../../house/plain-words.js'
import { codesOfTitles, findScenarioGaps } from '../../house/scenario-codes.js'

const file = (text: string, path = 'packages/core/test/unit/a.test.ts') => ({ path, text })

describe('code lines', () => {
  test('leave out blank lines and comments, also those between the tokens of one statement', () => {
    const text = [
      '// a comment',
      'const a = 1 // and one behind the code',
      '',
      '/**',
      ' * `const b = 2`',
      ' */',
      'call(',
      '  // the first',
      '  a,',
      ')',
    ]
    expect(countCodeLines(file(text.join('\n')))).toBe(4)
  })

  test('count what only looks like a comment inside texts and regular expressions', () => {
    const text = [
      'const a = `',
      '// no comment',
      '',
      '$' + '{b} /* nor this',
      '`',
      'const c = /\\/*/',
      'f(c)',
    ]
    expect(countCodeLines(file(text.join('\n')))).toBe(6)
  })

  test('of an empty file are 0', () => {
    expect(countCodeLines(file(''))).toBe(0)
    expect(countCodeLines(file('// nothing else\n'))).toBe(0)
  })
})

describe('long comments', () => {
  const wide = 'x'.repeat(100)

  test('are found above code, behind code and inside a block', () => {
    const text = [`// ${wide}`, `const a = 1 // ${wide}`, '/**', ` * ${wide}`, ' */', 'f(a)']
    expect(findLongComments(file(text.join('\n'), 'a.ts'))).toEqual(['a.ts:1', 'a.ts:2', 'a.ts:4'])
  })

  test('are not lines of code that are long, nor directives', () => {
    const text = [`const a = '// ${wide}'`, `// biome-ignore lint: ${wide}`, 'f(a)']
    expect(findLongComments(file(text.join('\n')))).toEqual([])
  })
})

describe('circles', () => {
  test('that share a member are one', () => {
    expect(
      circlesOf([
        ['a', 'b', 'a'],
        ['x', 'y', 'x'],
        ['c', 'b', 'c'],
        ['y', 'z', 'y'],
      ]),
    ).toEqual([
      ['a', 'b', 'c'],
      ['x', 'y', 'z'],
    ])
  })

  test('an import runs back up if the file above leads to the folder below, by whatever way', () => {
    const imports = new Map([
      ['src/below/first.ts', ['src/above.ts']],
      ['src/above.ts', ['src/beside/way.ts', 'src/leaf.ts']],
      ['src/beside/way.ts', ['src/below/second.ts', 'src/leaf.ts']],
      ['src/below/second.ts', ['src/leaf.ts']],
      ['src/leaf.ts', []],
    ])
    expect(importsBackUp(imports)).toEqual([
      'src/below/first.ts imports src/above.ts, which leads to src/below',
    ])
  })
})

describe('vague words', () => {
  // In pieces, so that this file has none.
  const vague = ['No', 'who', 'some'].map((start) => start + (start === 'who' ? 'ever' : 'body'))
  const [one, other, third] = vague

  test('are found in any case, but not inside other words', () => {
    const text = `${one} knows.\n${one}Knows\n${other} asks, ${third} answers`
    expect(findVagueWords(file(text, 'docs/a.md'))).toEqual([
      `docs/a.md:1: ${one}`,
      `docs/a.md:3: ${other}`,
      `docs/a.md:3: ${third}`,
    ])
  })

  test('the account is allowed where it is quoted, in the files listed', () => {
    const text = `as root they run as 'nobody'; ${one} knows`
    expect(findVagueWords(file(text, 'packages/testkit/README.md'))).toHaveLength(1)
    expect(findVagueWords(file(text, 'packages/core/README.md'))).toHaveLength(2)
  })
})

describe('codes of scenarios', () => {
  test('are those at the start of a title, in lists, ranges and templates', () => {
    const text = [
      "test('F06, S56 and D4: moves', f)",
      'test(`T58: notices $' + '{what}`, f)',
      "test('S17–S26: explains', f)",
      "test.each([['S12', 1]])",
      "test('what T99 says: nothing', f)",
      "const state = 'S3: x and F1'",
    ]
    const codes = ['F06', 'S56', 'D4', 'T58', 'S17', 'S26', 'S12', 'S3']
    expect(codesOfTitles(file(text.join('\n')))).toEqual(codes)
  })

  test('each needs one line of the page, and each line a title', () => {
    const sources = [file("test('F06, S56: moves', f)"), file("'T99: not a title'", 'src/a.ts')]
    const page = '| code | what |\n| --- | --- |\n| F06 | moves |\n| F06  | again |\n| X01 | gone |'
    expect(findScenarioGaps(sources, page)).toEqual([
      'S56 is in a title, and docs/scenarios.md has no line',
      'X01 has a line in docs/scenarios.md, and no title has it',
      'F06 has two lines in docs/scenarios.md',
    ])
  })
})

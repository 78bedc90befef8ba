import { describe, expect, test } from 'vitest'
import { hintOf, mayHint } from '../../../src/classify/hint.js'

describe('a hint', () => {
  test.each([
    ['/* poolhouse: read */ insert into t values (1)', 'read'],
    ['/*poolhouse:write*/select 1', 'write'],
    ['  \n/* PoolHouse:\tREAD */\nselect 1', 'read'],
    ['-- poolhouse: read\nselect 1', 'read'],
    ['-- poolhouse: write', 'write'],
    ['/* app: web */ -- more\r\n/* poolhouse: read */ select 1', 'read'],
    ['/* poolhouse: read */ /* poolhouse: write */ select 1', 'read'],
  ])('S28: at the start of a statement declares its intent: %j', (text, intent) => {
    expect(mayHint(text)).toBe(true)
    expect(hintOf(text)).toBe(intent)
  })

  test.each([
    'select 1 /* poolhouse: read */',
    "select '/* poolhouse: read */'",
    '(/* poolhouse: read */ select 1)',
    '/* a poolhouse: read */ select 1',
    '/* /* poolhouse: read */ */ select 1',
    '/* poolhouse: read',
    '- poolhouse: read',
    '/',
    '',
    'poolhouse: read',
  ])('S28: has no effect anywhere else: %j', (text) => {
    expect(hintOf(text)).toBeUndefined()
  })

  test('that says anything else is refused', () => {
    expect(() => hintOf('/* poolhouse: raed */ select 1')).toThrow(
      'the comment before the statement says "poolhouse:" and then "raed", but a hint is "read" or "write"; did you mean "read"?',
    )
    expect(() => hintOf('/* poolhouse: */ select 1')).toThrow(TypeError)
    expect(() => hintOf(`/* poolhouse: ${'x'.repeat(100)} */`)).toThrow(`"${'x'.repeat(40)}…"`)
    expect(() => hintOf('/* poolhouse: read /* nested */ */ select 1')).toThrow(TypeError)
  })
})

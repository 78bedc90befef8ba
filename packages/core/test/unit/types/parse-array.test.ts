import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arrayParser } from '../../../src/types/parse-array.js'

const text = arrayParser(undefined, ',')

/** How array_out of the server writes an array. */
function serverText(array: readonly unknown[], delimiter: string): string {
  const elements = array.map((element) => {
    if (element === null) return 'NULL'
    if (Array.isArray(element)) return serverText(element, delimiter)
    const plain = element as string
    const special = [...plain].some((char) => `{}"\\${delimiter} \t\n\r\v\f`.includes(char))
    if (plain !== '' && !special && plain.toUpperCase() !== 'NULL') return plain
    return `"${[...plain].map((char) => ('"\\'.includes(char) ? `\\${char}` : char)).join('')}"`
  })
  return `{${elements.join(delimiter)}}`
}

const hostile = fc.oneof(
  fc.string({
    unit: fc.constantFrom('"', '\\', '{', '}', ',', ';', ' ', 'N', 'NULL', '=', '[', 'é', '😀'),
  }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', 'NULL', 'null', '{}', '{"a"}', '[0:1]={a,b}', '\\', '"'),
)
const element = fc.option(hostile, { freq: 5 })

/** A rectangular array of one to three dimensions, as PostgreSQL has them. */
const arrays = fc
  .tuple(
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
  )
  .chain(([rows, columns, depth]) => {
    const line = fc.array(element, {
      minLength: Math.max(1, columns),
      maxLength: Math.max(1, columns),
    })
    const nested: fc.Arbitrary<unknown>[] = [
      element,
      line,
      fc.array(line, { minLength: 2, maxLength: 2 }),
    ]
    return fc.array(nested[depth - 1]!, { minLength: rows, maxLength: rows })
  })

test('reads every array that the server could write', () => {
  fc.assert(
    fc.property(arrays, fc.constantFrom(',', ';'), fc.boolean(), (array, delimiter, bounds) => {
      const written = `${bounds ? '[0:3][-2:1]=' : ''}${serverText(array, delimiter)}`
      expect(arrayParser(undefined, delimiter)(written)).toStrictEqual(array)
    }),
    { numRuns: 2_000 },
  )
})

test('calls the parser once for each element that is not NULL, in order', () => {
  const seen: string[] = []
  const parse = arrayParser((element) => seen.push(element), ',')
  expect(parse('{{a,NULL},{"NULL","b\\"c"}}')).toEqual([
    [1, null],
    [2, 3],
  ])
  expect(seen).toEqual(['a', 'NULL', 'b"c'])
})

test.each([
  ['', 'nothing'],
  ['1 2', 'no brace'],
  ['{', 'no end'],
  ['{1', 'no end behind an element'],
  ['{1,', 'no end behind a comma'],
  ['{1,}', 'no element behind a comma'],
  ['{,1}', 'no element before a comma'],
  ['{1}}', 'one end too many'],
  ['{{1}', 'one end too few'],
  ['{1}x', 'something behind the end'],
  ['{"a}', 'an open quote'],
  ['{"a\\', 'a backslash and nothing behind it'],
  ['{"a"b}', 'something behind a quote'],
  ['{1}{2}', 'two arrays'],
  ['[0:1]', 'bounds only'],
  ['a={1}', 'something before the brace'],
])('what is no array stays text: %s (%s)', (wrong) => {
  expect(text(wrong)).toBe(wrong)
})

test('never throws, whatever the text, and returns an array or the text', () => {
  fc.assert(
    fc.property(hostile, (body) => {
      for (const wrong of [body, `{${body}`, `{${body}}`, `{{${body}},${body}}`]) {
        const value = text(wrong)
        expect(Array.isArray(value) || value === wrong).toBe(true)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('reads nesting of any depth without a deep stack', () => {
  const deep = 200_000
  let value = text('{'.repeat(deep) + '}'.repeat(deep))
  let depth = 0
  for (; Array.isArray(value); value = value[0]) depth += 1
  expect(depth).toBe(deep)
})

test('takes time in proportion to the length of the text', () => {
  const many = 200_000
  // Each of these would take hours with a scanner that backtracks.
  const long = `{"${'\\\\'.repeat(many)}"}`
  expect(text(long)).toEqual(['\\'.repeat(many)])
  expect(text(`{${'"'.repeat(many)}`)).toBe(`{${'"'.repeat(many)}`)
  expect(text('{'.repeat(many))).toBe('{'.repeat(many))
  expect(text(`{${'"",'.repeat(many)}""}`)).toHaveLength(many + 1)
})

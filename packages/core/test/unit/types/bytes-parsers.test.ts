import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesParserOf } from '../../../src/types/bytes-parsers.js'
import { textAt } from '../../../src/types/text-at.js'
import { typeParsers } from '../../../src/types/type-parsers.js'

const INT4 = 23
const BOOL = 16
const TIMESTAMPTZ = 1184

const pad = (value: number, length: number): string => String(value).padStart(length, '0')
const below = (count: number, length = 2): fc.Arbitrary<string> =>
  fc.integer({ min: 0, max: count - 1 }).map((value) => pad(value, length))

const integers = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }).map(String),
  fc.stringMatching(/^-?[0-9]{14,18}$/),
  fc.constantFrom('0', '-0', '-', '', '+', '+5', '007', '9007199254740991', '9007199254740993'),
  fc.constantFrom('999999999999999', '9999999999999999', '99999999999999999', '1e3', '0x10', ' 1'),
  fc.string({ maxLength: 20 }),
)
const dates = fc.oneof(
  fc.tuple(below(10_000, 4), below(14), below(33)).map((parts) => parts.join('-')),
  fc.constantFrom('2024-02-29', '2023-02-29', '0000-02-29', '2026-02-31', '10000-01-01'),
  fc.constantFrom('294276-12-31', '0001-01-01', '2026-01/31', '31.01.2026', '2026 01 31'),
)
const fractions = fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{0,7}$/))
const offsets = fc.oneof(
  fc.tuple(fc.constantFrom('+', '-'), below(100)).map((parts) => parts.join('')),
  fc.constantFrom('', '+05:30', '-00:01:15', '+05:', '+5', 'Z', ' CET', '+0x', '+15:59:59', '--1'),
)
const times = fc.tuple(below(26), below(62), below(62)).map((parts) => parts.join(':'))
const instants = fc.oneof(
  fc
    .tuple(dates, fc.constantFrom(' ', 'T'), times, fractions, offsets, fc.constantFrom('', ' BC'))
    .map((parts) => parts.join('')),
  fc.constantFrom(
    'infinity',
    '-infinity',
    '',
    '31.01.2026 23:59:59 CET',
    'Sat Jan 31 23:59:59 2026',
  ),
  fc.constantFrom('2026-01-31 23:59:59+00', '2026-01-31 23:59:60+00', '2026-01-31 24:00:00+00'),
  fc.string({ maxLength: 32 }),
)
const booleans = fc.oneof(fc.constantFrom('t', 'f', '', 'true', 'T', 'tt'), fc.string())

describe.each([
  ['int4', INT4, integers],
  ['bool', BOOL, booleans],
  ['timestamptz', TIMESTAMPTZ, instants],
] as const)('what is made of the bytes of %s', (_name, oid, texts) => {
  const parse = typeParsers().parserOf(oid)!
  const parseBytes = bytesParserOf(parse)!

  it('is what its parser makes of the text, whatever lies around them', () => {
    fc.assert(
      fc.property(texts, fc.constantFrom('', '9', '.9', '-', 't', '+05'), (text, around) => {
        const bytes = Buffer.from(`${around}${text}${around}`)
        const start = Buffer.byteLength(around)
        const end = bytes.length - start
        // Of what is no whole text in UTF-8 the server's text is read.
        expect(parseBytes(bytes, start, end)).toStrictEqual(
          parse(bytes.toString('utf8', start, end)),
        )
      }),
      { numRuns: 3_000 },
    )
  })
})

it('a parser of the application has none', () => {
  expect(bytesParserOf(typeParsers({ int4: Number }).parserOf(INT4))).toBeUndefined()
})

describe('textAt', () => {
  it('is what toString makes of the bytes, valid or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(20), (array, from) => {
        const bytes = Buffer.from(array)
        const start = Math.min(from, bytes.length)
        expect(textAt(bytes, start, bytes.length)).toBe(bytes.toString('utf8', start))
      }),
    )
  })

  it.each([0, 1, 22, 23, 24, 25, 26, 65_533, 65_534, 65_535, 65_536, 65_537, 70_000])(
    'takes texts of %i bytes, with characters of every length at their end',
    (length) => {
      for (const last of ['', 'a', 'é', '€', '😀']) {
        const text = 'x'.repeat(Math.max(0, length - Buffer.byteLength(last))) + last
        const bytes = Buffer.from(`é${text}€`)
        expect(textAt(bytes, 2, bytes.length - 3)).toBe(text)
      }
    },
  )
})

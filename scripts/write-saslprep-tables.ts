// Writes packages/core/src/net/login/saslprep-tables.ts out of the tables of RFC 3454
// ("stringprep"), which are frozen: it has to be run again only when the form of that file changes.
// The text of the RFC is the argument: https://www.rfc-editor.org/rfc/rfc3454.txt.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

type Range = readonly [first: number, last: number]

const TARGET = fileURLToPath(
  new URL('../packages/core/src/net/login/saslprep-tables.ts', import.meta.url),
)
const WIDTH = 100

const [, , path] = process.argv
if (path === undefined) {
  throw new Error('usage: tsx scripts/write-saslprep-tables.ts rfc3454.txt')
}
const rfc = readFileSync(path, 'latin1')

/** The ranges of one table. Page breaks in the middle of it are passed over. */
function tableOf(name: string): Range[] {
  const [, rest] = rfc.split(`----- Start Table ${name} -----`)
  const [body, end] = rest?.split(`----- End Table ${name} -----`) ?? []
  if (body === undefined || end === undefined) throw new Error(`table ${name} is not in ${path}`)
  const ranges: Range[] = []
  for (const line of body.split('\n')) {
    const found = /^ {3}([0-9A-F]{4,6})(?:-([0-9A-F]{4,6}))?(?:;.*)?\s*$/.exec(line)
    if (found === null) continue
    const first = Number.parseInt(found[1]!, 16)
    ranges.push([first, found[2] === undefined ? first : Number.parseInt(found[2], 16)])
  }
  return ranges
}

/** Some tables as one, in order; what overlaps or touches is one range. */
function union(...names: string[]): Range[] {
  const merged: [number, number][] = []
  for (const [first, last] of names.flatMap(tableOf).sort(([a], [b]) => a - b)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}

function constant(name: string, comment: string, ranges: readonly Range[]): string {
  const hex = (code: number): string => code.toString(16)
  const lines = ['']
  for (const [first, last] of ranges) {
    const text = first === last ? hex(first) : `${hex(first)}-${hex(last)}`
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = text
    else if (line.length + 1 + text.length > WIDTH) lines.push(text)
    else lines[lines.length - 1] = `${line} ${text}`
  }
  return `/** ${comment} */\nexport const ${name}: string = \`\n${lines.join('\n')}\n\`\n`
}

const PROHIBITED = 'C.1.2 C.2.1 C.2.2 C.3 C.4 C.5 C.6 C.7 C.8 C.9'.split(' ')

writeFileSync(
  TARGET,
  [
    '// Made by scripts/write-saslprep-tables.ts out of RFC 3454. Code points in hexadecimal: single ones, and ranges with both their ends.\n',
    constant('SPACES', 'Table C.1.2: spaces beyond ASCII.', union('C.1.2')),
    constant('NOTHING', 'Table B.1: what is commonly mapped to nothing.', union('B.1')),
    constant(
      'REFUSED',
      'Tables A.1 (not assigned in Unicode 3.2) and C.1.2 to C.9 (prohibited by RFC 4013).',
      union('A.1', ...PROHIBITED),
    ),
    constant('RIGHT_TO_LEFT', 'Table D.1: bidirectional property R or AL.', union('D.1')),
    constant('LEFT_TO_RIGHT', 'Table D.2: bidirectional property L.', union('D.2')),
  ].join('\n'),
)

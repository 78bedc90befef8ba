import ts from 'typescript'
import { readTokens } from './source-tokens.js'
import type { TrackedFile } from './tracked-files.js'

const WIDTH = 100

/** A directive cannot be wrapped. */
const ONE_LINE = /biome-ignore|@ts-expect-error/

/** The lines of a file that are longer than 100 columns and end in a comment. */
export function findLongComments(file: TrackedFile): string[] {
  const lines = file.text.split(/\r?\n/)
  const long = lines.flatMap((line, index) => (line.length > WIDTH ? [index] : []))
  if (long.length === 0) return []
  const { source, tokens } = readTokens(file)
  const commented = new Set<number>()
  const note = (start: number, end: number): void => {
    const last = source.getLineAndCharacterOfPosition(end).line
    let { line } = source.getLineAndCharacterOfPosition(start)
    for (; line <= last; line += 1) commented.add(line)
  }
  for (const { pos, end } of tokens) {
    ts.forEachLeadingCommentRange(file.text, pos, note)
    ts.forEachTrailingCommentRange(file.text, end, note)
  }
  return long
    .filter((line) => commented.has(line) && !ONE_LINE.test(lines[line]!))
    .map((line) => `${file.path}:${line + 1}`)
}

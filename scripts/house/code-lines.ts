import { readTokens } from './source-tokens.js'
import type { TrackedFile } from './tracked-files.js'

/** How many lines of a file hold code: neither blank nor comments alone. */
export function countCodeLines(file: TrackedFile): number {
  const { source, tokens } = readTokens(file)
  const lines = file.text.split(/\r?\n/)
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line
  const counted = new Set<number>()
  for (const token of tokens) {
    const start = token.getStart(source)
    if (start === token.end) continue
    for (let line = lineOf(start); line <= lineOf(token.end); line += 1) {
      // A template literal may hold blank lines.
      if (lines[line]!.trim() !== '') counted.add(line)
    }
  }
  return counted.size
}

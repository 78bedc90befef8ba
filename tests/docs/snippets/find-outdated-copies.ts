import { readFile } from 'node:fs/promises'
import { ROOT, type Snippet } from './read-snippets.js'

/**
 * Returns where the blocks that are part of a file differ from it, each with its page and line. The
 * lines of a block must follow each other in the file.
 */
export async function findOutdatedCopies(snippets: readonly Snippet[]): Promise<string[]> {
  const wrong: string[] = []
  for (const { page, file, lines } of snippets) {
    if (file === undefined) continue
    const text = await readFile(new URL(file, ROOT), 'utf8')
    const code = lines.map((line) => line.text).join('\n')
    if (`\n${text}`.includes(`\n${code}\n`)) continue
    wrong.push(`${page}:${lines[0]?.number ?? 0}: ${file} does not have these lines`)
  }
  return wrong
}

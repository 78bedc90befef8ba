import { readdir, readFile } from 'node:fs/promises'
import { ROOT, type Snippet } from './read-snippets.js'

/** The sources of every package. */
async function findSources(): Promise<string[]> {
  const packages = await readdir(new URL('packages/', ROOT))
  const found = packages.map(async (name) => {
    const folder = `packages/${name}/src/`
    const paths = await readdir(new URL(folder, ROOT), { recursive: true })
    return paths.filter((path) => path.endsWith('.ts')).map((path) => folder + path)
  })
  return (await Promise.all(found)).flat()
}

/**
 * Reads the code behind every `@example` of the doc comments: the lines from there to the next tag
 * or the end of the comment. Throws for code on the line of the tag.
 */
export async function readExamples(): Promise<Snippet[]> {
  const snippets = (await findSources()).map(async (page) =>
    readPage(page, await readFile(new URL(page, ROOT), 'utf8')),
  )
  return (await Promise.all(snippets)).flat()
}

function readPage(page: string, text: string): Snippet[] {
  const snippets: Snippet[] = []
  let open: Snippet | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const number = index + 1
    if (line.includes('@example')) {
      if (line.trim() !== '* @example') throw new Error(`${page}:${number}: code on the same line`)
      open = { page, language: 'ts', treatment: 'compile', renamed: new Map(), lines: [] }
      snippets.push(open)
    } else if (open !== undefined) {
      if (/^\s*\*(?:\/| @\w)/.test(line)) open = undefined
      else open.lines.push({ number, text: line.replace(/^\s*\* ?/, '') })
    }
  }
  return snippets
}

import { readdir, readFile } from 'node:fs/promises'

/** The root of the repository. */
export const ROOT: URL = new URL('../../../', import.meta.url)

/**
 * What is done with a block: `run` on real servers, `compile` alone, or `parse` alone, for code
 * over libraries that are not installed here; these two say why, in a comment of the page.
 * `compare` is for a part of a file of a recipe, which compiles and runs it.
 */
type Treatment = 'run' | 'compile' | 'parse' | 'compare'

/** A line of a page's code. */
interface SnippetLine {
  /** Its number on the page, from 1. */
  readonly number: number
  /** Its text. */
  readonly text: string
}

/** A block of code of a page, with those that continue it. */
export interface Snippet {
  /** The page, from the root of the repository. */
  readonly page: string
  /** `ts` or `js`. */
  readonly language: 'ts' | 'js'
  /** What is done with it. */
  readonly treatment: Treatment
  /** Names that stand for others of given.ts: `primary as db`. */
  readonly renamed: ReadonlyMap<string, string>
  /** The file that has these lines, from the root of the repository. Only with `compare`. */
  readonly file?: string | undefined
  /** The code. */
  readonly lines: SnippetLine[]
}

/** What is installed, built or not for readers. */
const SKIPPED = /^(?:\..*|node_modules|dist|coverage)$/
const COMMENT = /^\s*<!-- snippet: (.*) -->$/
const FENCE = /^(\s*)```(ts|js)$/

/** Every page that a reader may open: the documentation, and the READMEs of all folders. */
export async function findPages(): Promise<URL[]> {
  const found: URL[] = []
  const look = async (folder: URL): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !SKIPPED.test(entry.name)) {
        await look(new URL(`${entry.name}/`, folder))
      } else if (entry.name.endsWith('.md')) found.push(new URL(entry.name, folder))
    }
  }
  await look(ROOT)
  return found
}

/**
 * Reads the blocks of a page. A comment in front of a block says what is special about it:
 *
 * - `<!-- snippet: compiled only, REASON -->` or `parsed only, REASON`
 * - `<!-- snippet: continues -->`: one module with the block before
 * - `<!-- snippet: primary as db -->`: `db` is `primary` of given.ts
 * - `<!-- snippet: from recipes/next-js/web/lib/db.ts -->`: these lines are part of that file
 *
 * Throws for a comment that it does not know, and for one that no block follows.
 */
export async function readSnippets(page: URL): Promise<Snippet[]> {
  const name = page.href.slice(ROOT.href.length)
  const snippets: Snippet[] = []
  let comment = ''
  let open: { indent: string; lines: SnippetLine[] } | undefined
  const lines = (await readFile(page, 'utf8')).split('\n')
  for (const [index, text] of lines.entries()) {
    const where = `${name}:${index + 1}`
    if (open !== undefined) {
      if (text.trim() === '```') open = undefined
      else open.lines.push({ number: index + 1, text: text.slice(open.indent.length) })
      continue
    }
    const fence = FENCE.exec(text)
    if (fence !== null) {
      const [, indent, language] = fence
      const snippet = begin(where, name, language as 'ts' | 'js', comment, snippets)
      open = { indent: indent!, lines: snippet.lines }
      comment = ''
    } else if (text.trim() !== '') {
      if (comment !== '') throw new Error(`${where}: no block follows the comment "${comment}"`)
      comment = COMMENT.exec(text)?.[1] ?? ''
    }
  }
  return snippets
}

function begin(
  where: string,
  page: string,
  language: 'ts' | 'js',
  comment: string,
  snippets: Snippet[],
): Snippet {
  const renamed = new Map<string, string>()
  // Its examples are written in the doc comments.
  let treatment: Treatment = page === 'docs/reference.md' ? 'compile' : 'run'
  let file: string | undefined
  for (const each of comment === '' ? [] : comment.split('; ')) {
    const only = /^(compiled|parsed) only, .+$/.exec(each)
    const name = /^(\w+) as (\w+)$/.exec(each)
    const from = /^from (recipes\/\S+)$/.exec(each)
    if (each === 'continues' && snippets.length > 0) return snippets.at(-1)!
    if (only !== null) treatment = only[1] === 'compiled' ? 'compile' : 'parse'
    else if (from !== null) {
      treatment = 'compare'
      file = from[1]
    } else if (name !== null) renamed.set(name[2]!, name[1]!)
    else throw new Error(`${where}: unknown comment "${each}"`)
  }
  const snippet: Snippet = { page, language, treatment, renamed, file, lines: [] }
  snippets.push(snippet)
  return snippet
}

import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const ROOT = new URL('../../', import.meta.url)

/** What is installed, built or not for readers. */
const SKIPPED = /^(?:\..*|node_modules|dist|coverage)$/

/** Every page that a reader may open: the documentation, and the READMEs of all folders. */
async function pages(): Promise<URL[]> {
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

/** The anchors that GitHub gives to the headings of a page. */
function anchors(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  )
}

test('no link of the documentation or of a README is dead', async () => {
  const dead: string[] = []
  const all = await pages()
  expect(all.length).toBeGreaterThan(40)
  for (const page of all) {
    const text = (await readFile(page, 'utf8')).replaceAll(/```.*?```/gs, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const link = new URL(target!, page)
      const anchor = link.hash.slice(1)
      link.hash = ''
      const there = target!.startsWith('#') ? text : await readText(link)
      const isDead = there === undefined || (anchor !== '' && !anchors(there).has(anchor))
      if (isDead) dead.push(`${page.href.slice(ROOT.href.length)}: ${target}`)
    }
  }
  expect(dead).toEqual([])
})

async function readText(file: URL): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EISDIR' ? '' : undefined
  }
}

import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const DOCS = new URL('../../docs/', import.meta.url)
const CONFIGURATIONS = new URL('./cluster-configurations.ts', import.meta.url)
const PAGES = ['plain-streaming', 'patroni', 'cloudnativepg', 'rds-and-aurora', 'haproxy']

const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll(', )', ')').trim()

test.each(PAGES)('the guide "%s" shows configurations as they are compiled here', async (page) => {
  const guide = await readFile(new URL(`guides/${page}.md`, DOCS), 'utf8')
  const compiled = plain(await readFile(CONFIGURATIONS, 'utf8'))
  const snippets = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, text]) => plain(text!))
  expect(snippets.length).toBeGreaterThan(0)
  for (const snippet of snippets) expect(compiled).toContain(snippet)
  for (const row of [
    'identity',
    'role',
    'timeline',
    'positions',
    'half-open',
    'reader',
    'cancel',
  ]) {
    expect(guide, row).toMatch(new RegExp(`^\\| ${row}`, 'm'))
  }
})

/** Every page of the documentation, and the READMEs. */
async function pages(): Promise<URL[]> {
  const own = await readdir(DOCS, { recursive: true })
  const packages = await readdir(new URL('../packages/', DOCS))
  return [
    new URL('../README.md', DOCS),
    new URL('../sim/README.md', DOCS),
    ...packages.map((name) => new URL(`../packages/${name}/README.md`, DOCS)),
    ...own.filter((name) => name.endsWith('.md')).map((name) => new URL(name, DOCS)),
  ]
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

test('no link of the documentation is dead', async () => {
  const dead: string[] = []
  for (const page of await pages()) {
    const text = (await readFile(page, 'utf8')).replaceAll(/```.*?```/gs, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const link = new URL(target!, page)
      const anchor = link.hash.slice(1)
      link.hash = ''
      const there = target!.startsWith('#') ? text : await readText(link)
      const isDead = there === undefined || (anchor !== '' && !anchors(there).has(anchor))
      if (isDead)
        dead.push(`${page.pathname.replace(/^.*?\/(?=docs|packages|sim|README)/, '')}: ${target}`)
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

import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
// @boundaries-ignore the links are checked by the anchors that the site makes
import { anchorsOf } from '../../docs/.vitepress/anchors.js'
import { findPages, ROOT } from './snippets/read-snippets.js'

test('no link of the documentation or of a README is dead', async () => {
  const dead: string[] = []
  const all = await findPages()
  expect(all.length).toBeGreaterThan(40)
  for (const page of all) {
    const text = (await readFile(page, 'utf8')).replaceAll(/```.*?```/gs, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const link = new URL(target!, page)
      const anchor = link.hash.slice(1)
      link.hash = ''
      const there = target!.startsWith('#') ? text : await readText(link)
      const isDead = there === undefined || (anchor !== '' && !anchorsOf(there).includes(anchor))
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

import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'

/** Expects that a page of docs/guides has the whole of a file of this folder as a block. */
export async function expectGuideToShow(page: string, file: string): Promise<void> {
  const [guide, example] = await Promise.all([
    readFile(new URL(`../../docs/guides/${page}.md`, import.meta.url), 'utf8'),
    readFile(new URL(file, import.meta.url), 'utf8'),
  ])
  expect(guide).toContain(`\`\`\`ts\n${example}\`\`\``)
}

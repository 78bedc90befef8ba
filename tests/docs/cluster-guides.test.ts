import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const DOCS = new URL('../../docs/', import.meta.url)
const CONFIGURATIONS = new URL('./cluster-configurations.ts', import.meta.url)
const PAGES = [
  'plain-streaming',
  'patroni',
  'pg-auto-failover',
  'repmgr',
  'pgpool',
  'cloudnativepg',
  'rds-and-aurora',
  'haproxy',
]

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

import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { CORNERS } from '../matrix/corners.js'
import { compatibilityPage } from '../matrix/page.js'
import { readResults } from '../matrix/results-file.js'

const PAGE = new URL('../../docs/compatibility.md', import.meta.url)

test('the page on compatibility shows the results of runs as they are', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(compatibilityPage(CORNERS, await readResults()))
})

test('the page on compatibility has no empty cell and no fault', async () => {
  const page = await readFile(PAGE, 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('|'))
  expect(rows.length).toBeGreaterThan(2 * CORNERS.length)
  expect(rows.filter((row) => /\|\s*\|/.test(row))).toEqual([])
  expect(rows.filter((row) => row.includes('✗'))).toEqual([])
})

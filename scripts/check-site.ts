// Builds the site for a sub-path, serves it there, and looks at every page in Chromium:
// `pnpm test:site`.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkPages } from '../tests/site/check-pages.js'

const ROOT = join(import.meta.dirname, '..')
const BASE = '/poolhouse/'

const began = performance.now()
const seconds = (): string => ((performance.now() - began) / 1_000).toFixed(1)
const folder = await mkdtemp(join(tmpdir(), 'site-'))
try {
  const vitepress = join(ROOT, 'node_modules/vitepress/bin/vitepress.js')
  const env = { ...process.env, DOCS_BASE: BASE }
  const build = [vitepress, 'build', 'docs', '--outDir', folder]
  await promisify(execFile)(process.execPath, build, { cwd: ROOT, env })
  console.log(`built after ${seconds()} s`)
  const { pages, faults } = await checkPages(folder, BASE)
  for (const fault of faults) console.error(fault)
  console.log(`${pages} pages, ${faults.length} faults, ${seconds()} s`)
  process.exitCode = faults.length === 0 ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

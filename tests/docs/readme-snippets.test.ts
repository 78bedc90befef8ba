import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const ROOT = new URL('../../', import.meta.url)
const packages = (await readdir(new URL('packages/', ROOT))).map(
  (name) => `packages/${name}/README.md`,
)

test.each(['README.md', ...packages])(
  'T86: no snippet of %s needs more than Node.js 20 reads',
  async (page) => {
    const text = await readFile(new URL(page, ROOT), 'utf8')
    const snippets = [...text.matchAll(/```(?:ts|js)\n(.*?)```/gs)].map(([, code]) => code!)
    // A syntax error before Node.js 24, where it is not compiled.
    for (const code of snippets) expect(code).not.toMatch(/^\s*(?:await )?using /m)
  },
)

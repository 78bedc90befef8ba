import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { importDefault } from '../../../src/config/import-default.js'

const folder = mkdtempSync(join(tmpdir(), 'poolhouse-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('T80: the default export of a configuration file', () => {
  it('is `export default` of an ES module', async () => {
    expect(await importDefault(file('a.mjs', 'export default { a: 1 }'))).toEqual({ a: 1 })
  })

  it('is `module.exports` of CommonJS', async () => {
    expect(await importDefault(file('b.cjs', 'module.exports = { b: 1 }'))).toEqual({ b: 1 })
  })

  it('is `exports.default` of an ES module that was compiled to CommonJS', async () => {
    const text = 'exports.__esModule = true; exports.default = { c: 1 }'
    expect(await importDefault(file('c.cjs', text))).toEqual({ c: 1 })
  })

  it('is undefined where a module exports other things only', async () => {
    expect(await importDefault(file('d.mjs', 'export const d = 1'))).toBeUndefined()
  })

  it('is not there when the file throws, and the error is its own', async () => {
    const failing = importDefault(file('e.mjs', 'throw new RangeError("mine")'))
    await expect(failing).rejects.toThrow(new RangeError('mine'))
  })
})

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findCopies } from '../../../src/doctor/find-copies.js'
import { temporaryFolder } from '../support/fake-io.js'

function place(root: string, path: string, version: string): void {
  mkdirSync(join(root, path), { recursive: true })
  writeFileSync(join(root, path, 'package.json'), JSON.stringify({ version }))
}

function versions(folder: string): string[] {
  const copies = findCopies(folder, ['pg', '@poolhouse/core'])
  return [...copies].flatMap(([name, found]) => found.map(({ version }) => `${name} ${version}`))
}

describe('findCopies', () => {
  it('finds nested copies, those of scoped packages, and those of folders above', () => {
    const root = temporaryFolder()
    place(root, 'node_modules/pg', '8.1.0')
    place(root, 'node_modules/@kit/orm/node_modules/pg', '8.2.0')
    place(root, 'app/node_modules/orm/node_modules/deep/node_modules/pg', '8.3.0')
    place(root, 'app/node_modules/@poolhouse/core', '1.0.0')
    expect(versions(join(root, 'app')).sort()).toEqual([
      '@poolhouse/core 1.0.0',
      'pg 8.1.0',
      'pg 8.2.0',
      'pg 8.3.0',
    ])
  })

  it('counts a copy of pnpm once, whichever packages link to it', () => {
    const root = temporaryFolder()
    place(root, 'node_modules/.pnpm/pg@8.1.0/node_modules/pg', '8.1.0')
    place(root, 'node_modules/.pnpm/orm@1.0.0/node_modules/orm', '1.0.0')
    for (const from of ['node_modules', 'node_modules/.pnpm/orm@1.0.0/node_modules']) {
      symlinkSync(join(root, 'node_modules/.pnpm/pg@8.1.0/node_modules/pg'), join(root, from, 'pg'))
    }
    expect(versions(root)).toEqual(['pg 8.1.0'])
    place(root, 'node_modules/.pnpm/pg@8.2.0/node_modules/pg', '8.2.0')
    expect(versions(root)).toEqual(['pg 8.1.0', 'pg 8.2.0'])
  })

  it('finds nothing where nothing is installed', () => {
    expect(versions(temporaryFolder())).toEqual([])
  })
})

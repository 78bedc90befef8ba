import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly files?: readonly string[]
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>
  readonly publishConfig?: {
    readonly access?: string
    readonly provenance?: boolean
    readonly exports?: unknown
  }
  readonly description?: string
  readonly homepage?: string
  readonly keywords?: readonly string[]
  readonly engines?: { readonly node?: string }
}

const ROOT = new URL('../../', import.meta.url)
const manifests = readdirSync(new URL('packages/', ROOT)).map(
  (folder): Manifest =>
    JSON.parse(readFileSync(new URL(`packages/${folder}/package.json`, ROOT), 'utf8')) as Manifest,
)
const published = manifests.filter((manifest) => manifest.private !== true)
const byName = (name: string): Manifest => manifests.find((manifest) => manifest.name === name)!

/** The ranges that packages name `catalog:ranges`. */
function catalogOfRanges(): Readonly<Record<string, string>> {
  const workspace = parse(readFileSync(new URL('pnpm-workspace.yaml', ROOT), 'utf8')) as {
    catalogs: { ranges: Readonly<Record<string, string>> }
  }
  return workspace.catalogs.ranges
}

describe('what is published', () => {
  it('X20: the core has no run-time dependency of any kind', () => {
    const core = byName('@poolhouse/core')
    expect(core.dependencies ?? {}).toEqual({})
    expect(core.optionalDependencies ?? {}).toEqual({})
    expect(core.peerDependencies ?? {}).toEqual({})
  })

  it.each([
    ['@poolhouse/node-postgres', 'pg'],
    ['@poolhouse/postgres-js', 'postgres'],
  ])('X20: %s lets the application bring %s, as a peer', (name, driver) => {
    const { dependencies, peerDependencies } = byName(name)
    expect(dependencies).toEqual({ '@poolhouse/core': expect.stringMatching(/^workspace:/) })
    expect(Object.keys(peerDependencies ?? {})).toEqual([driver])
  })

  it.each(published)(
    'T88: $name takes a range of each dependency, with an end',
    ({ dependencies = {}, peerDependencies = {} }) => {
      const ranges = catalogOfRanges()
      for (const [name, asked] of Object.entries({ ...dependencies, ...peerDependencies })) {
        // Packages of ours are published together.
        if (asked.startsWith('workspace:')) continue
        const range = asked === 'catalog:ranges' ? ranges[name] : asked
        expect(range, name).toMatch(/^\^\d|^>=\S+ <\d/)
      }
    },
  )

  it.each(published)('X20: $name runs nothing when it is installed', ({ scripts = {} }) => {
    // What npm runs on the user's machine, or on ours behind a publish.
    for (const hook of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']) {
      expect(scripts).not.toHaveProperty(hook)
    }
  })

  it.each(published)(
    'X20: $name lists the files it ships and is published with provenance',
    ({ files, publishConfig }) => {
      expect(files).toBeDefined()
      // What begins with ! is left out of what the others name.
      const shipped = files!.filter((entry) => !entry.startsWith('!'))
      for (const entry of shipped) expect(['dist', 'bin']).toContain(entry)
      expect(publishConfig?.provenance).toBe(true)
    },
  )

  it.each(published)(
    'X20: $name says what it is, where it lives and which Node.js it needs',
    ({ name, description, homepage, keywords, engines, publishConfig }) => {
      expect(description).toMatch(/\w/)
      const folder = name.replace('@poolhouse/', '')
      expect(homepage).toBe(
        `https://github.com/poolhouse/poolhouse/tree/main/packages/${folder}#readme`,
      )
      expect(keywords).toEqual(expect.arrayContaining(['postgres', 'postgresql']))
      expect(engines?.node).toBe('>=20.19')
      expect(publishConfig?.access).toBe('public')
    },
  )

  it.each(published)(
    'T90: $name is published without its sources, and with the entries that it has here',
    ({ exports = {}, publishConfig }) => {
      const entries = Object.entries(exports).map(([path, entry]) => {
        if (typeof entry === 'string') return [path, entry]
        const { '@poolhouse/source': source, ...conditions } = entry
        expect(source).toMatch(/^\.\/src\//)
        return [path, conditions]
      })
      expect(publishConfig?.exports).toEqual(Object.fromEntries(entries))
    },
  )

  it('X20: the versions of everything are locked', () => {
    expect(readFileSync(new URL('pnpm-lock.yaml', ROOT), 'utf8')).toContain('integrity: sha512-')
  })
})

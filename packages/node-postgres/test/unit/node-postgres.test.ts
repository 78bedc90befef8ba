import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg, * as pgNamespace from 'pg'
import { describe, expect, it } from 'vitest'
import { type NodePostgresOptions, nodePostgres } from '../../src/index.js'

describe('nodePostgres', () => {
  it('is a driver over the copy of pg that it finds, or over a given one', () => {
    const shape = { name: 'pg', capabilities: { pipeline: true, namedStatements: true } }
    expect(nodePostgres()).toMatchObject(shape)
    expect(nodePostgres({ pg })).toMatchObject(shape)
    expect(nodePostgres({ pg: pgNamespace })).toMatchObject(shape)
    expect(nodePostgres({ pg: undefined })).toMatchObject(shape)
  })

  it('refuses unknown options with the nearest known name', () => {
    expect(() => nodePostgres({ gp: pg } as NodePostgresOptions)).toThrow(
      'nodePostgres: unknown option "gp"; did you mean "pg"?',
    )
  })

  it('refuses what is not pg', () => {
    for (const wrong of [{}, { Client: 'no' }, 'pg']) {
      expect(() => nodePostgres({ pg: wrong as never })).toThrow(TypeError)
    }
  })

  it('refuses pg-native', () => {
    class Client {}
    expect(() => nodePostgres({ pg: { ...pg, Client } as never })).toThrow(/pg-native/)
  })

  it('refuses a pg without a readable version if it lacks the newest export that is needed', () => {
    class Client {
      getStartupConf(): void {}
    }
    const old = { Client, types: pg.types }
    expect(() => nodePostgres({ pg: old as never })).toThrow(
      'nodePostgres: pg of an unknown version is too old, 8.16.2 or newer is needed; update pg',
    )
  })

  it.each([
    ['8.16.1', /pg 8\.16\.1 is too old, 8\.16\.2 or newer is needed; update pg/],
    ['7.18.2', /pg 7\.18\.2 is too old/],
    ['9.0.0', /pg 9\.0\.0 is newer than this package knows.*install pg@8/],
    ['9.1.0-alpha.1', /pg 9\.1\.0-alpha\.1 is newer/],
  ])('T88: refuses pg %s with what to install', (version, message) => {
    using copy = packageOf('pg', version, FAKE_PG)
    expect(() => nodePostgres({ pg: copy.exports as never })).toThrow(message)
  })

  it('T88: refuses a pg over a pg-protocol that never returns from a malformed message', () => {
    using protocol = packageOf('pg-protocol', '1.14.0', 'exports.DatabaseError = class {}')
    const { DatabaseError } = protocol.exports
    expect(() => nodePostgres({ pg: { ...pg, DatabaseError } as never })).toThrow(
      /pg-protocol 1\.14\.0, which pg uses, is too old.*npm update pg-protocol/,
    )
  })

  it('T88: accepts the oldest pg that it names', () => {
    using copy = packageOf('pg', '8.16.2', FAKE_PG)
    expect(nodePostgres({ pg: copy.exports as never }).name).toBe('pg')
  })

  it('accepts a pg without a readable version, as in a bundle', () => {
    // A copy of the module that is not in the module cache.
    expect(nodePostgres({ pg: { ...pg } as never }).name).toBe('pg')
  })
})

const FAKE_PG = `
  exports.Client = class { getStartupConf() {} }
  exports.types = { getTypeParser() {} }
`

/** A loaded package of this name and version, with its exports. */
function packageOf(name: string, version: string, source: string) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }))
  const file = join(folder, 'index.js')
  writeFileSync(file, source)
  const require = createRequire(import.meta.url)
  return {
    exports: require(file) as Record<string, unknown>,
    [Symbol.dispose]() {
      delete require.cache[file]
      rmSync(folder, { recursive: true })
    },
  }
}

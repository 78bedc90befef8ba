import { createRequire } from 'node:module'
import pg, * as pgNamespace from 'pg'
import { describe, expect, it } from 'vitest'
import { type NodePostgresOptions, nodePostgres } from '../../src/index.js'
import { isOlder, versionOf } from '../../src/node-postgres.js'

describe('nodePostgres', () => {
  it('is a driver for the copy of pg it finds, or for the one it is given', () => {
    const shape = { name: 'pg', capabilities: { pipeline: false, namedStatements: true } }
    expect(nodePostgres()).toMatchObject(shape)
    expect(nodePostgres({ pg })).toMatchObject(shape)
    expect(nodePostgres({ pg: pgNamespace })).toMatchObject(shape)
    expect(nodePostgres({ pg: undefined })).toMatchObject(shape)
  })

  it('refuses options it does not know and names the nearest', () => {
    expect(() => nodePostgres({ gp: pg } as NodePostgresOptions)).toThrow(
      'nodePostgres: unknown option "gp"; did you mean "pg"?',
    )
  })

  it('refuses what is not pg', () => {
    for (const wrong of [{}, { Client: 'no' }, 'pg']) {
      expect(() => nodePostgres({ pg: wrong as never })).toThrow(TypeError)
    }
  })

  it('refuses the client that is bound to libpq', () => {
    class Client {}
    expect(() => nodePostgres({ pg: { ...pg, Client } as never })).toThrow(/pg-native/)
  })

  it('refuses a pg whose version cannot be read when it lacks what came last', () => {
    class Client {
      getStartupConf(): void {}
    }
    const old = { Client, utils: { prepareValue: (value: unknown) => value } }
    expect(() => nodePostgres({ pg: old as never })).toThrow(
      'nodePostgres: pg of an unknown version is too old, 8.23.1 or newer is needed; update pg',
    )
  })

  it('does not fail for want of a version, as in a bundle', () => {
    // A copy of the module that the module cache does not know.
    expect(nodePostgres({ pg: { ...pg } as never }).name).toBe('pg')
  })
})

describe('isOlder', () => {
  it('compares versions number by number', () => {
    expect(['8.23.0', '8.9.9', '7.99.99', '8.23', '8.23.0-rc.1'].map(isOlder)).toEqual([
      true,
      true,
      true,
      true,
      true,
    ])
    expect(['8.23.1', '8.23.2', '8.24.0', '9.0.0', '8.100.0', 'next'].map(isOlder)).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
    ])
  })
})

describe('versionOf', () => {
  it('reads the version of exactly the copy it is given', () => {
    const { version } = createRequire(import.meta.url)('pg/package.json') as { version: string }
    expect(versionOf(pg)).toBe(version)
    expect(versionOf({ ...pg })).toBeUndefined()
    expect(versionOf(undefined)).toBeUndefined()
  })
})

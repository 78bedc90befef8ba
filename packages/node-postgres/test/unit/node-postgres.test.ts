import pg, * as pgNamespace from 'pg'
import { describe, expect, it } from 'vitest'
import { type NodePostgresOptions, nodePostgres } from '../../src/index.js'

describe('nodePostgres', () => {
  it('is a driver over the copy of pg that it finds, or over a given one', () => {
    const shape = { name: 'pg', capabilities: { pipeline: false, namedStatements: true } }
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

  it('refuses a pg without a readable version if it lacks the newest method', () => {
    class Client {
      getStartupConf(): void {}
    }
    const old = { Client, types: pg.types }
    expect(() => nodePostgres({ pg: old as never })).toThrow(
      'nodePostgres: pg of an unknown version is too old, 8.23.1 or newer is needed; update pg',
    )
  })

  it('accepts a pg without a readable version, as in a bundle', () => {
    // A copy of the module that is not in the module cache.
    expect(nodePostgres({ pg: { ...pg } as never }).name).toBe('pg')
  })
})

import pg, * as pgNamespace from 'pg'
import { describe, expect, it } from 'vitest'
import { type NodePostgresOptions, nodePostgres } from '../../src/index.js'

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
    const old = { Client, types: pg.types }
    expect(() => nodePostgres({ pg: old as never })).toThrow(
      'nodePostgres: pg of an unknown version is too old, 8.23.1 or newer is needed; update pg',
    )
  })

  it('does not fail for want of a version, as in a bundle', () => {
    // A copy of the module that the module cache does not know.
    expect(nodePostgres({ pg: { ...pg } as never }).name).toBe('pg')
  })
})

import { createRequire } from 'node:module'
import postgres, * as postgresNamespace from 'postgres'
import { describe, expect, it } from 'vitest'
import { type PostgresJsOptions, postgresJs } from '../../src/index.js'

const required = createRequire(import.meta.url)('postgres') as typeof postgres

describe('postgresJs', () => {
  it('is a driver over the copy of postgres that it finds, or over a given one', () => {
    const shape = { name: 'postgres.js', capabilities: { pipeline: true, namedStatements: true } }
    expect(postgresJs()).toMatchObject(shape)
    expect(postgresJs({ postgres })).toMatchObject(shape)
    expect(postgresJs({ postgres: postgresNamespace })).toMatchObject(shape)
    expect(postgresJs({ postgres: required })).toMatchObject(shape)
    expect(postgresJs({ postgres: undefined })).toMatchObject(shape)
  })

  it('refuses unknown options with the nearest known name', () => {
    expect(() => postgresJs({ postgre: postgres } as PostgresJsOptions)).toThrow(
      'postgresJs: unknown option "postgre"; did you mean "postgres"?',
    )
  })

  it('refuses what is not postgres, including an instance of it', () => {
    for (const wrong of [
      {},
      () => undefined,
      'postgres',
      postgres({ no_subscribe: true } as never),
    ]) {
      expect(() => postgresJs({ postgres: wrong as never })).toThrow(TypeError)
    }
  })

  it('refuses a postgres without a readable version if it lacks the newest option', () => {
    const { PostgresError } = postgres
    const old = Object.assign(() => ({ options: {} }), { PostgresError })
    expect(() => postgresJs({ postgres: old })).toThrow(
      'postgresJs: postgres of an unknown version is too old, 3.4.9 or newer is needed; update postgres',
    )
  })

  it('accepts a postgres without a readable version, as in a bundle', () => {
    const { PostgresError } = postgres
    // A copy of the module that is not in the module cache.
    const bundled = Object.assign((options: object) => postgres(options), { PostgresError })
    expect(postgresJs({ postgres: bundled as never }).name).toBe('postgres.js')
  })
})

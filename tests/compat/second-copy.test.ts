import { createRequire } from 'node:module'
import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool, Pool } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

const require = createRequire(import.meta.url)

/** Another copy of `pg`, as a second installation would be loaded. */
function secondCopy(): typeof pg {
  const files = Object.keys(require.cache).filter((file) => /[\\/]pg[\\/]lib[\\/]/.test(file))
  const first = files.map((file) => [file, require.cache[file]!] as const)
  for (const file of files) delete require.cache[file]
  const copy = require('pg') as typeof pg
  onTestFinished(() => {
    for (const [file, module] of first) require.cache[file] = module
  })
  return copy
}

function corePool(pool: { pg?: typeof pg } = {}) {
  const made = createPool({
    driver: nodePostgres(pool),
    connection: 'postgres://app@127.0.0.1:1/app',
  })
  onTestFinished(() => made.close())
  return made
}

describe('a second copy of pg', () => {
  it('T92: is told when a facade is made, once, with its file', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    secondCopy()
    createPgPool(corePool())
    createPgPool(corePool())
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn).toHaveBeenCalledWith(
      expect.stringMatching(/more than one copy of pg is loaded: .*npm ls pg/),
      'PoolhouseWarning',
    )
  })

  it('T92: cannot take a facade for the options of a pool or a client of its own', () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const copy = secondCopy()
    const pool = createPgPool(corePool())
    expect(pool).not.toBeInstanceOf(copy.Pool)
    for (const make of [() => new copy.Pool(pool as never), () => new copy.Client(pool as never)]) {
      expect(make).toThrow('a second copy of pg is in use')
    }
  })

  it('T92: gets a facade of its own class through nodePostgres({ pg })', () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const copy = secondCopy()
    expect(createPgPool(corePool({ pg: copy }))).toBeInstanceOf(copy.Pool)
  })
})

describe('what a library or an application may give in place of something else', () => {
  it('T92: a pool of Poolhouse where options of pg.Pool are expected is told apart from none', () => {
    const pool = corePool()
    for (const make of [() => new pg.Pool(pool as never), () => new pg.Client(pool as never)]) {
      expect(make).toThrow('createPgPool(pool) of @poolhouse/node-postgres/compat')
    }
  })

  it('T92: a pg.Pool, a URL or nothing where a pool of Poolhouse is expected', () => {
    const plain = new pg.Pool()
    expect(() => createPgPool(plain as never)).toThrow('a pg.Pool; make a pool of its options')
    expect(() => createPgPool('postgres://localhost' as never)).toThrow('make a pool of it first')
    expect(() => createPgPool(undefined as never)).toThrow('got undefined')
  })

  it('T92: an option of another name or value is named', () => {
    const pool = corePool()
    expect(() => createPgPool(pool, { chekout: 'lazy' } as never)).toThrow(
      'createPgPool: unknown option "chekout"; did you mean "checkout"?',
    )
    expect(() => createPgPool(pool, { checkout: 'later' as never })).toThrow('"eager", "lazy"')
    expect(() => createPgPool(pool, { reads: 'replica' as never })).toThrow('got "replica"')
    expect(() => createPgPool(pool, { reads: { maxStaleness: 1 } as never })).toThrow(
      'reads: unknown option "maxStaleness"; did you mean "maxStalenessMs"?',
    )
    expect(() => createPgPool(pool, { doubleRelease: 'ignore' as never })).toThrow('doubleRelease')
  })

  it('T92: frozen and proxied options are read like any others', () => {
    const frozen = Object.freeze({ checkout: 'lazy', reads: Object.freeze({}) } as const)
    for (const options of [frozen, new Proxy(frozen, {})]) {
      expect(createPgPool(corePool(), options)).toBeInstanceOf(pg.Pool)
    }
    const ssl = Object.freeze({ rejectUnauthorized: false, key: 'k', cert: 'c' })
    const given = Object.freeze({ host: '127.0.0.1', port: 1, user: 'app', password: 'p', ssl })
    for (const options of [given, new Proxy(given, {})]) {
      const pool = new Pool(options)
      onTestFinished(() => pool.end())
      expect(pool.options.host).toBe('127.0.0.1')
      expect(pool.options.password).toBe('p')
      expect(Object.keys(pool.options)).not.toContain('password')
      const other = new Pool(pool.options)
      onTestFinished(() => other.end())
      expect(other.options.password).toBe('p')
    }
  })

  it('T92: methods work on a proxy of the facade, and bound to it', async () => {
    const pool = createPgPool(corePool())
    const proxy = new Proxy(pool, {})
    expect(proxy.totalCount).toBe(0)
    const query = pool.query.bind(pool) as (text: string) => Promise<unknown>
    await expect(proxy.query('BEGIN')).rejects.toThrow('take a client with pool.connect()')
    await expect(query('BEGIN')).rejects.toThrow('take a client')
    await proxy.end()
    expect(pool.ended).toBe(true)
  })

  it('T92: pg-native, and a pg that is too old or too new, are refused with what to do', () => {
    class Native {}
    expect(() => nodePostgres({ pg: { Client: Native } })).toThrow('unset NODE_PG_FORCE_NATIVE')
    expect(() => nodePostgres({ pg: {} as never })).toThrow('pg must be the module pg')
  })
})

// The compiler checks these: what takes a `pg.Pool` takes a pool of ours.
import { createPool } from '@poolhouse/core'
import type pg from 'pg'
import { expectTypeOf, test } from 'vitest'
import { Client, createPgPool, Pool } from '../../../src/compat/index.js'
import { nodePostgres } from '../../../src/index.js'

type PoolModule = { Pool: new (options?: pg.PoolConfig) => pg.Pool }
type ClientModule = { Client: new (config?: pg.ClientConfig) => pg.Client }

test('a pool of createPgPool and of new Pool are what @types/pg calls a Pool', async () => {
  const core = createPool({ driver: nodePostgres(), connection: {} })
  const pool = createPgPool(core, { checkout: 'lazy', reads: { maxStalenessMs: 1_000 } })
  const plain = new Pool({ connectionString: 'postgres://localhost', max: 3 })
  expectTypeOf(pool).toExtend<pg.Pool>()
  expectTypeOf(plain).toExtend<pg.Pool>()
  expectTypeOf({ Pool }).toExtend<PoolModule>()
  expectTypeOf({ Client }).toExtend<ClientModule>()
  expectTypeOf(pool.connect).toEqualTypeOf<pg.Pool['connect']>()
  expectTypeOf(pool.query).toEqualTypeOf<pg.Pool['query']>()
  await Promise.all([pool.end(), plain.end()])
})

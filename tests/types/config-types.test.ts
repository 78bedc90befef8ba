import type { NamedDatabase } from '@poolhouse/manager'
import { createManager, defineConfig, type FollowedDatabase } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import type { PoolClient } from 'pg'
import { expect, expectTypeOf, test } from 'vitest'

const config = defineConfig({
  databases: {
    app: { nodes: 'postgres://a,b/app', pool: { max: 20, failFast: false } },
    analytics: { primary: 'postgres://c/dw', reads: { strategy: 'roundRobin' } },
  },
  budget: { perServer: 50 },
})

test('defineConfig keeps what is written, so that databases have their names and kinds', async () => {
  const manager = createManager({ drivers: { pg: nodePostgres() }, ...config })
  expectTypeOf(manager.database('app')).toEqualTypeOf<FollowedDatabase<PoolClient>>()
  expectTypeOf(manager.database('analytics')).toEqualTypeOf<NamedDatabase<PoolClient>>()
  expect(config.databases.app.pool.max).toBe(20)
  await manager.close()
})

test('defineConfig does not take a key that there is not, nor a value of another type', () => {
  // @ts-expect-error the key is misspelt
  expect(defineConfig({ databases: { app: { primry: 'postgres://a/app' } } })).toBeDefined()
  expect(
    defineConfig({
      // @ts-expect-error a number is no strategy
      databases: { app: { primary: 'postgres://a/app', reads: { strategy: 1 } } },
    }),
  ).toBeDefined()
})

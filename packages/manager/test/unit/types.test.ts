import type { Pool } from '@poolhouse/core'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { expect, expectTypeOf, test } from 'vitest'
import { createManager, type FollowedDatabase, type NamedDatabase } from '../../src/index.js'

const made = {
  query: () => {},
  acquire: () => {},
  close: async () => {},
  extra: 1,
} as unknown as Pool & {
  extra: number
}

test('the compiler knows the names of databases and their types', async () => {
  const clock = virtualClock()
  const manager = createManager({
    drivers: { fake: fakeDriver({ clock }) },
    databases: {
      app: 'postgres://u@a/app',
      dw: { primary: 'postgres://u@b/dw', pool: { max: 3 } },
      made,
      followed: { nodes: 'postgres://u@c,d/app' },
    },
    clock,
  })
  expectTypeOf(manager.database('followed')).toEqualTypeOf<FollowedDatabase>()
  expectTypeOf(manager.database('dw').session().token).toEqualTypeOf<string>()
  // @ts-expect-error The primary of this database is fixed.
  await expect(manager.database('dw').switchover(async () => 1)).rejects.toThrow(
    /the primary of database "dw" is fixed/,
  )
  expectTypeOf(manager.database('app')).toEqualTypeOf<NamedDatabase>()
  expectTypeOf(manager.database('dw').reader({ maxStalenessMs: 10 })).toEqualTypeOf<Pool>()
  expectTypeOf(manager.database('made').extra).toEqualTypeOf<number>()
  // @ts-expect-error There is no such database.
  expect(() => manager.database('typo')).toThrow(RangeError)
  const pool = { mx: 3 }
  // @ts-expect-error There is no such option.
  const wrong = (): unknown => createManager({ databases: { app: { primary: 'x', pool } } })
  expect(wrong).toThrow(/did you mean "max"/)
  await manager.close()
})

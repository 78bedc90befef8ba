import type { ConnectionPool, ReconfigureOptions } from '@poolhouse/core'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { expect, test, vi } from 'vitest'
import {
  DatabaseMember,
  type MemberOptions,
  type MemberServer,
} from '../../../src/cluster/database-member.js'
import type { DatabasePoolSettings } from '../../../src/options/database-options.js'

const clock = virtualClock()
const connection = { host: 'db', user: 'u', database: 'app' }
const server: MemberServer = {
  name: 'db:5432',
  spec: { host: 'db', port: 5432, connection },
  watchdog: undefined,
  add() {},
  remove() {},
}

function options(pool: DatabasePoolSettings): MemberOptions {
  return {
    name: 'app',
    driver: fakeDriver({ clock }),
    connection: () => connection,
    pool,
    // A pool without a budget.
    budget: undefined as never,
    budgets: { watch() {}, unwatch() {} },
    clock,
    random: () => 0.5,
    apart: (make) => make(),
  }
}

/** What the pool of a member is told when the member gets other options. */
function changesOf(pool: ConnectionPool): ReconfigureOptions[] {
  const told: ReconfigureOptions[] = []
  const reconfigure = pool.reconfigure.bind(pool)
  vi.spyOn(pool, 'reconfigure').mockImplementation((changes) => {
    told.push(changes)
    reconfigure(changes)
  })
  return told
}

test('hands a new multiplex on to the pools that exist, and nothing that takes a new pool', () => {
  const member = new DatabaseMember(options({ reset: 'auto', multiplex: 'auto' }))
  const told = changesOf(member.poolAt(server))
  for (const multiplex of [{ connections: 2 }, false, undefined] as const)
    member.reconfigure(options({ reset: 'auto', prepare: 'off', multiplex }))
  expect(told).toEqual(
    [{ connections: 2 }, false, undefined].map((multiplex) => ({
      connection,
      watchdog: undefined,
      multiplex,
    })),
  )
})

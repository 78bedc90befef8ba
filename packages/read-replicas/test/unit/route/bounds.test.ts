import type { Pool } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { type Setting, startSetting } from '../setting.js'

type Bounds = { maxStalenessMs?: number; maxStalenessBytes?: number }

const CALLS: [string, (pool: Pool, bounds: Bounds) => Promise<unknown>][] = [
  ['query', (pool, bounds) => pool.query('read', [], { intent: 'read', ...bounds })],
  [
    'acquire',
    async (pool, bounds) => (await pool.acquire({ intent: 'read', ...bounds })).release(),
  ],
  [
    'use',
    (pool, bounds) => pool.use((lease) => lease.query('read'), { intent: 'read', ...bounds }),
  ],
  [
    'transaction',
    (pool, bounds) => pool.transaction((tx) => tx.query('read'), { readOnly: true, ...bounds }),
  ],
  ['stream', (pool, bounds) => pool.stream('read', [], { intent: 'read', ...bounds }).next()],
  [
    'copyTo',
    (pool, bounds) => pool.copyTo('copy t to stdout', { intent: 'read', ...bounds }).next(),
  ],
]
const POOLS: [string, (setting: Setting) => Pool][] = [
  ['pool', ({ db }) => db],
  ['reader', ({ db }) => db.reader()],
  ['session', ({ db }) => db.session()],
  ['reader of a session', ({ db }) => db.session().reader()],
]

const askedOf = ({ primary, b, c }: Setting): number[] => [
  primary.asked.length + primary.acquired.length,
  b.asked.length + b.acquired.length + c.asked.length + c.acquired.length,
]

describe.each(POOLS)('T55: on a %s', (_pool, of) => {
  test.each(CALLS)(
    '%s that is a read goes to a replica, and to the primary if none is within its own bound',
    async (_call, make) => {
      for (const bounds of [{}, { maxStalenessMs: 0 }, { maxStalenessBytes: 100 }] as Bounds[]) {
        const setting = await startSetting()
        // Some bytes behind, which no bound in time would notice.
        setting.primary.position = 5_000
        await setting.clock.advance(2_000)
        const before = askedOf(setting)
        const ended = make(of(setting), bounds)
        await setting.clock.advance(0)
        await ended
        const [primary, replicas] = askedOf(setting).map((count, node) => count - before[node]!)
        const isBound = Object.keys(bounds).length > 0
        expect([primary! > 0, replicas! > 0]).toEqual([isBound, !isBound])
      }
    },
  )
})

test.each(POOLS)(
  'T55: on a %s, wrong options of a read are refused even if the primary answers it',
  async (_pool, of) => {
    const setting = await startSetting()
    setting.primary.position = 5_000
    await setting.clock.advance(2_000)
    const wrong = { intent: 'read', maxStalenessBytes: 100, nonsense: 1 } as object
    await expect(of(setting).query('read', [], wrong)).rejects.toThrow('unknown option "nonsense"')
    expect(setting.primary.asked).toEqual([])
  },
)

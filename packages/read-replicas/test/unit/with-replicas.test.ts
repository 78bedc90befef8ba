import { staticTopology } from '@poolhouse/core'
import { sumStats } from '@poolhouse/core/kit'
import { describe, expect, test } from 'vitest'
import { withReplicas } from '../../src/index.js'
import { FakePool } from './fake-pool.js'
import { ManualClock } from './manual-clock.js'

const primary = new FakePool('a')
const make = (options: object, replicas: unknown = [new FakePool('b')]): unknown =>
  withReplicas(primary, replicas as never, { clock: new ManualClock(), ...options })

describe('withReplicas', () => {
  test.each([
    [
      { maxStalenesMs: 1 },
      TypeError,
      'unknown option "maxStalenesMs"; did you mean "maxStalenessMs"?',
    ],
    [{ strategy: 'leastbusy' }, TypeError, 'got "leastbusy"; did you mean "leastBusy"?'],
    [
      { strategy: 7 },
      TypeError,
      'strategy must be "leastBusy", "roundRobin", "random", "weighted" or a function, got 7',
    ],
    [{ maxStalenessMs: -1 }, RangeError, 'maxStalenessMs must be a number of at least 0, got -1'],
    [{ maxStalenessMs: '5s' }, TypeError, 'maxStalenessMs must be a number, got "5s"'],
    [{ primaryShare: 1.5 }, RangeError, 'primaryShare must be a number from 0 to 1, got 1.5'],
    [{ readRetries: 0.5 }, RangeError, 'readRetries must be a whole number'],
    [{ name: '' }, TypeError, 'name must be a non-empty string, got ""'],
    [{ random: 4 }, TypeError, 'random must be a function, got 4'],
    [{ clock: {} }, TypeError, 'clock must be a clock, got an object'],
    [{ zone: 'eu-1' }, TypeError, 'zone is "eu-1", but plain pools have no zones'],
  ])('refuses %o by name and value', (options, type, message) => {
    expect(() => make(options)).toThrow(type)
    expect(() => make(options)).toThrow(message)
  })

  test.each([
    ['nothing', undefined, 'replicas must be an array of pools or a topology, got undefined'],
    [
      'an object',
      { current: 1 },
      'replicas must be an array of pools or a topology, got an object',
    ],
    ['a URL', ['postgres://b'], 'replicas[0] must be a pool such as createPool() makes, got a URL'],
    ['the primary', [primary], 'replicas[0] is the primary\'s own pool "a"'],
  ])('refuses %s as replicas', (_, replicas, message) => {
    expect(() => withReplicas(primary, replicas as never)).toThrow(TypeError)
    expect(() => withReplicas(primary, replicas as never)).toThrow(message)
  })

  test('refuses a pool that is given twice', () => {
    const b = new FakePool('b')
    expect(() => make({}, [b, b])).toThrow('replicas[1] is the pool "b" for the second time')
  })

  test('refuses a primary that is no pool', () => {
    expect(() => withReplicas('postgres://a' as never, [])).toThrow(
      'primary must be a pool such as createPool() makes, got a URL',
    )
  })

  test('is named after its primary unless it has a name of its own', () => {
    expect(make({})).toHaveProperty('name', 'a/replicas')
    expect(make({ name: 'orders' })).toHaveProperty('name', 'orders')
  })

  test('calls that its primary holds are pending, though they wait at none of its nodes', () => {
    const held = new FakePool('p')
    const one = { ...new FakePool('a').stats(), pending: 2 }
    held.stats = () => ({ ...sumStats({ a: one }), pending: 7 })
    const db = withReplicas(held, [], { clock: new ManualClock() })
    expect(db.stats()).toMatchObject({ pending: 7, nodes: { a: { pending: 2 } } })
  })

  test('measures the replicas of a topology that is only configured, and closes them', async () => {
    const clock = new ManualClock()
    const a = new FakePool('a')
    a.inRecovery = false
    const b = new FakePool('b')
    const db = withReplicas(a, staticTopology({ primary: a, replicas: [b] }), { clock })
    await clock.advance(300)
    expect((await db.reader().query('select 1')).node).toBe('b')
    await db.close()
    expect([a.closed, b.closed]).toEqual([true, true])
  })

  test('sends reads to the primary without a limit when there are no replicas', async () => {
    const db = withReplicas(primary, [], { clock: new ManualClock(), primaryShare: 0 })
    expect((await db.reader().query('select 1')).node).toBe('a')
    await db.close()
  })
})

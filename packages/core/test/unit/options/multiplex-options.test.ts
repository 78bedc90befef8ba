import { describe, expect, test } from 'vitest'
import { changePoolConfig, type PoolConfig, readPoolOptions } from '../../../src/api/pool-config.js'
import {
  createPool,
  type Driver,
  type PoolOptions,
  type ReconfigureOptions,
} from '../../../src/index.js'
import {
  AUTO_CONNECTIONS,
  AUTO_IN_FLIGHT,
  limitMultiplex,
  MULTIPLEX_DEFAULT,
  readMultiplex,
} from '../../../src/options/multiplex-options.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

// In a pool with the default max.
const AUTO = { connections: 10, maxInFlight: AUTO_IN_FLIGHT }

const driver = fakeDriver({ clock: virtualClock() })
const oneByOne: Driver = {
  name: 'slow',
  capabilities: { pipeline: false, namedStatements: true },
  connect: (context) => driver.connect(context),
}
const read = (options: object): PoolConfig =>
  readPoolOptions({
    driver,
    connection: 'postgres://me@localhost/app',
    ...options,
  } as PoolOptions)

describe('multiplex', () => {
  test('auto shares up to max connections, with 256 statements in flight on each', () => {
    expect(read({ multiplex: 'auto' }).multiplex).toEqual(AUTO)
    expect(read({ multiplex: 'auto', max: 3 }).multiplex).toEqual({ ...AUTO, connections: 3 })
    expect(read({ multiplex: 'auto', max: 10_000 }).multiplex).toEqual({
      connections: 10_000,
      maxInFlight: 256,
    })
  })

  test('an object sets either number, and what it leaves out is as with auto', () => {
    expect(read({ multiplex: {} }).multiplex).toEqual(AUTO)
    expect(read({ multiplex: {}, max: 2 }).multiplex).toEqual({ ...AUTO, connections: 2 })
    expect(read({ multiplex: { connections: 5 } }).multiplex).toEqual({ ...AUTO, connections: 5 })
    expect(read({ multiplex: { connections: undefined, maxInFlight: 10_000 } }).multiplex).toEqual({
      ...AUTO,
      maxInFlight: 10_000,
    })
  })

  test('false shares nothing, and a pool that gives no multiplex has the default', () => {
    expect(read({ multiplex: false }).multiplex).toBeUndefined()
    const byDefault = MULTIPLEX_DEFAULT === 'auto' ? AUTO : undefined
    expect(read({}).multiplex).toEqual(byDefault)
    expect(read({ multiplex: undefined }).multiplex).toEqual(byDefault)
  })

  test('is frozen, and does not follow the object it was made from', () => {
    const multiplex = { connections: 2 }
    const config = read({ multiplex })
    multiplex.connections = 9
    expect(config.multiplex).toEqual({ ...AUTO, connections: 2 })
    expect(Object.isFrozen(config.multiplex)).toBe(true)
    expect(Object.isFrozen(read({ multiplex: 'auto', max: 1 }).multiplex)).toBe(true)
  })

  const SHAPE =
    "createPool: multiplex must be 'auto', false or an object such as { connections: 4, maxInFlight: 100 }, got "

  test.each<[unknown, new () => Error, string]>([
    [true, TypeError, `${SHAPE}true; 'auto' shares connections`],
    [null, TypeError, `${SHAPE}null`],
    ['Auto', TypeError, `${SHAPE}"Auto"`],
    [4, TypeError, `${SHAPE}4`],
    [[], TypeError, `${SHAPE}an array`],
    [() => 'auto', TypeError, `${SHAPE}a function`],
    [{ connection: 4 }, TypeError, 'createPool: multiplex: unknown option "connection"'],
    [{ maxInflight: 4 }, TypeError, 'did you mean "maxInFlight"?'],
    [{ connections: 0 }, RangeError, 'createPool: multiplex.connections must be'],
    [{ connections: 1.5 }, RangeError, 'createPool: multiplex.connections must be'],
    [{ connections: '4' }, TypeError, 'createPool: multiplex.connections must be'],
    [{ connections: null }, TypeError, 'createPool: multiplex.connections must be'],
    [
      { connections: 11 },
      RangeError,
      'createPool: multiplex.connections (11) must not exceed max (10)',
    ],
    [{ maxInFlight: 0 }, RangeError, 'createPool: multiplex.maxInFlight must be'],
    [{ maxInFlight: 10_001 }, RangeError, 'createPool: multiplex.maxInFlight must be'],
    [{ maxInFlight: Number.POSITIVE_INFINITY }, RangeError, 'multiplex.maxInFlight must be'],
    [{ maxInFlight: true }, TypeError, 'createPool: multiplex.maxInFlight must be'],
  ])('refuses %j', (multiplex, type, message) => {
    expect(() => read({ multiplex })).toThrow(type)
    expect(() => read({ multiplex })).toThrow(message)
  })

  test('shows no value that may be a secret', () => {
    const url = 'postgres://app:hunter2@db/shop'
    expect(() => read({ multiplex: url })).toThrow('got a URL')
    expect(() => read({ multiplex: { [url]: 1 } })).not.toThrow('hunter2')
  })

  test("is refused together with reset: 'always' where it is given, and false is not", () => {
    const both = (multiplex: unknown) => () => read({ reset: 'always', multiplex })
    expect(both('auto')).toThrow(TypeError)
    expect(both('auto')).toThrow(
      'createPool: multiplex must be false or left out with reset \'always\', got "auto": callers that share a session cannot each have it reset first',
    )
    expect(both({ connections: 2 })).toThrow("with reset 'always', got an object")
    expect(both(false)().multiplex).toBeUndefined()
    expect(both(undefined)().multiplex).toBeUndefined()
    expect(read({ reset: 'auto', multiplex: 'auto' }).multiplex).toEqual(AUTO)
  })

  test.each(['auto', {}, { connections: 2 }])('%j steps aside behind a pooler', (multiplex) => {
    const url = 'postgres://me@localhost/app?pgbouncer=true'
    expect(read({ pooler: 'pgbouncer', multiplex }).multiplex).toBeUndefined()
    expect(read({ connection: url, multiplex }).multiplex).toBeUndefined()
    expect(read({ pooler: 'none', multiplex }).multiplex).toBeDefined()
  })

  test('auto steps aside over a driver that sends one statement at a time, where an object is refused', () => {
    expect(read({ driver: oneByOne, multiplex: 'auto' }).multiplex).toBeUndefined()
    const { connect } = oneByOne
    const silent = { name: 'silent', connect } as unknown as Driver
    expect(read({ driver: silent, multiplex: 'auto' }).multiplex).toBeUndefined()
    expect(() => read({ driver: oneByOne, multiplex: {} })).toThrow(TypeError)
    expect(() => read({ driver: oneByOne, multiplex: {} })).toThrow(
      "createPool: multiplex must be 'auto', false or left out with driver slow, got an object: it sends one statement at a time (capabilities.pipeline is not true)",
    )
  })
})

describe('multiplex, changed', () => {
  const change = (config: PoolConfig, changes: ReconfigureOptions): PoolConfig =>
    changePoolConfig('reconfigure', config, changes)

  test('follows max down and up again, whether it was auto or an object', () => {
    for (const [multiplex, asked] of [
      ['auto', 20],
      [{ connections: 6 }, 6],
    ] as const) {
      const config = read({ multiplex })
      const small = changePoolConfig('resize', config, { max: 2 })
      expect(small.multiplex).toEqual({ ...AUTO, connections: 2 })
      expect(change(small, { max: 20 }).multiplex).toEqual({ ...AUTO, connections: asked })
    }
  })

  test('stays what it is while other options change', () => {
    const off = read({ multiplex: false })
    expect(change(off, { max: 20 }).multiplex).toBeUndefined()
    expect(change(off, { multiplex: undefined, max: 20 }).multiplex).toBeUndefined()
    expect(changePoolConfig('resize', off, { max: 1 }).multiplex).toBeUndefined()
    const aside = read({ pooler: 'pgbouncer', multiplex: 'auto' })
    expect(change(aside, { idleTimeoutMs: 5 }).multiplex).toBeUndefined()
  })

  test('is turned on and off by reconfigure', () => {
    const off = read({ multiplex: false })
    const on = change(off, { multiplex: { connections: 2 } })
    expect(on.multiplex).toEqual({ ...AUTO, connections: 2 })
    expect(change(on, { multiplex: 'auto' }).multiplex).toEqual(AUTO)
    const again = change(on, { multiplex: false })
    expect(again.multiplex).toBeUndefined()
    expect(change(again, { max: 3 }).multiplex).toBeUndefined()
  })

  test('is checked by reconfigure against what the pool has then', () => {
    const config = read({ multiplex: false })
    expect(() => change(config, { multiplex: true as never })).toThrow(
      "reconfigure: multiplex must be 'auto', false or",
    )
    expect(() => change(config, { max: 3, multiplex: { connections: 4 } })).toThrow(
      'reconfigure: multiplex.connections (4) must not exceed max (3)',
    )
    expect(() =>
      change(read({ reset: 'always', multiplex: false }), { multiplex: 'auto' }),
    ).toThrow("reconfigure: multiplex must be false or left out with reset 'always'")
    expect(change(read({ pooler: 'pgbouncer' }), { multiplex: {} }).multiplex).toBeUndefined()
  })

  test('has its effect on the next call', async () => {
    const clock = virtualClock()
    const timed = fakeDriver({ clock, statementMs: 1 })
    const pool = createPool({
      driver: timed,
      clock,
      connection: 'postgres://me@localhost/app',
      max: 1,
      multiplex: false,
    })
    const inFlight = async (): Promise<number> => {
      const calls = [1, 2, 3].map(() => pool.query('select 1'))
      await clock.settle()
      const [session] = timed.open
      const seen = session!.inFlight
      await clock.advance(10)
      await Promise.all(calls)
      return seen
    }
    expect(await inFlight()).toBe(1)
    pool.reconfigure({ multiplex: 'auto' })
    // The first ones show that the text is quick.
    await inFlight()
    expect(await inFlight()).toBe(3)
    pool.reconfigure({ multiplex: { maxInFlight: 2 } })
    expect(await inFlight()).toBe(2)
    pool.reconfigure({ multiplex: false })
    expect(await inFlight()).toBe(1)
    await pool.close()
  })

  test('calls that wait for a place when multiplex is turned off get their answers', async () => {
    const clock = virtualClock()
    const driver = fakeDriver({ clock, statementMs: 1 })
    const pool = createPool({
      driver,
      clock,
      connection: 'postgres://me@localhost/app',
      max: 1,
      multiplex: { connections: 1, maxInFlight: 1 },
    })
    for (let i = 0; i < 5; i++) {
      const one = pool.query('select 1')
      await clock.advance(100)
      await one
    }
    const calls = [1, 2, 3].map(() => pool.query('select 1'))
    const outcome = Promise.allSettled(calls)
    await clock.settle()
    pool.reconfigure({ multiplex: false })
    await clock.advance(20_000)
    expect((await outcome).map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ])
  })

  test('cannot be given to resize', () => {
    const pool = createPool({
      driver,
      connection: 'postgres://me@localhost/app',
      multiplex: 'auto',
    })
    expect(() => pool.resize({ multiplex: 'auto' } as never)).toThrow('resize: unknown option')
    expect(() => pool.reconfigure({ multiplex: { connections: 11 } })).toThrow(
      'reconfigure: multiplex.connections (11) must not exceed max (10)',
    )
    pool.resize({ max: 2 })
    pool.reconfigure({ multiplex: false })
    pool.reconfigure({ multiplex: 'auto' })
  })
})

test('limits and reads without a pool', () => {
  expect(limitMultiplex(undefined, 1)).toBeUndefined()
  expect(limitMultiplex(AUTO, 10)).toBe(AUTO)
  const around = { max: 2, reset: 'auto', pooler: undefined, driver } as const
  expect(readMultiplex('test', 'auto', around)).toEqual({
    connections: AUTO_CONNECTIONS,
    maxInFlight: AUTO_IN_FLIGHT,
  })
})

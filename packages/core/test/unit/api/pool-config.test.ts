import { expect, test } from 'vitest'
import { readPoolOptions } from '../../../src/api/pool-config.js'
import { createPool, type PoolOptions } from '../../../src/index.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

const driver = fakeDriver({ clock: virtualClock() })
const connection = 'postgres://me@localhost/app'
const read = (options: object) => readPoolOptions({ driver, connection, ...options } as PoolOptions)

test('has the documented defaults', () => {
  expect(read({})).toMatchObject({
    name: 'localhost:5432/app',
    max: 10,
    min: 0,
    acquireTimeoutMs: 10_000,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    maxLifetimeMs: 1_800_000,
    maxUses: Number.POSITIVE_INFINITY,
    maxPending: 1_000,
    leakWarningMs: 30_000,
    validateAfterIdleMs: 10_000,
    watchdog: { silenceMs: 2_000, timeoutMs: 400 },
  })
})

test('T58: takes the parts of watchdog that are given, and false for none', () => {
  expect(read({ watchdog: { silenceMs: 500 } }).watchdog).toEqual({
    silenceMs: 500,
    timeoutMs: 400,
  })
  expect(read({ watchdog: {} }).watchdog).toEqual({ silenceMs: 2_000, timeoutMs: 400 })
  expect(read({ watchdog: false }).watchdog).toBeUndefined()
})

test.each<[unknown, new () => Error, string]>([
  [true, TypeError, 'createPool: watchdog must be false or an object'],
  [null, TypeError, 'createPool: watchdog must be false or an object'],
  [[], TypeError, 'createPool: watchdog must be false or an object'],
  [2_000, TypeError, 'createPool: watchdog must be false or an object'],
  [{ silenceMs: 0 }, RangeError, 'createPool: watchdog.silenceMs must be'],
  [{ timeoutMs: '400' }, TypeError, 'createPool: watchdog.timeoutMs must be'],
  [{ silence: 2_000 }, TypeError, 'did you mean "silenceMs"'],
])('T58: refuses watchdog: %j', (watchdog, type, message) => {
  expect(() => read({ watchdog })).toThrow(type)
  expect(() => read({ watchdog })).toThrow(message)
})

test.each([
  ['max', 0, RangeError],
  ['max', -1, RangeError],
  ['max', 1.5, RangeError],
  ['max', Number.NaN, RangeError],
  ['max', Number.POSITIVE_INFINITY, RangeError],
  ['max', '10', TypeError],
  ['max', null, TypeError],
  ['min', -1, RangeError],
  ['min', Number.NaN, RangeError],
  ['acquireTimeoutMs', 0, RangeError],
  ['acquireTimeoutMs', Number.NaN, RangeError],
  ['acquireTimeoutMs', Number.POSITIVE_INFINITY, RangeError],
  ['connectTimeoutMs', 0, RangeError],
  ['statementTimeoutMs', -1, RangeError],
  ['statementTimeoutMs', '5s', TypeError],
  ['idleTimeoutMs', -1, RangeError],
  ['maxLifetimeMs', Number.NaN, RangeError],
  ['maxUses', 0, RangeError],
  ['maxPending', -1, RangeError],
  ['leakWarningMs', 2 ** 31, RangeError],
  ['validateAfterIdleMs', true, TypeError],
])('refuses %s: %s, naming both', (name, value, type) => {
  expect(() => read({ [name]: value })).toThrow(type)
  expect(() => read({ [name]: value })).toThrow(`createPool: ${name} must be`)
  expect(() => read({ [name]: value })).toThrow(
    typeof value === 'string' ? JSON.stringify(value) : String(value),
  )
})

test('refuses min above max, naming both', () => {
  expect(() => read({ min: 5, max: 2 })).toThrow('createPool: min (5) must not exceed max (2)')
  expect(() => read({ min: 11 })).toThrow('min (11) must not exceed max (10)')
})

test.each([
  ['maxSize', undefined],
  ['acquireTimeout', 'acquireTimeoutMs'],
  ['idleTimeoutMillis', 'idleTimeoutMs'],
  ['Max', 'max'],
  ['conection', 'connection'],
])('refuses the unknown option %s and names the nearest known one', (name, near) => {
  expect(() => read({ [name]: 1 })).toThrow(`createPool: unknown option "${name}"`)
  if (near !== undefined) expect(() => read({ [name]: 1 })).toThrow(`did you mean "${near}"?`)
})

test('takes an option that is undefined for one that is not given', () => {
  expect(
    read({ max: undefined, name: undefined, connection: { user: 'me', port: undefined } }),
  ).toMatchObject({ max: 10 })
})

test.each([
  [undefined, 'driver must be a driver such as nodePostgres(), got undefined'],
  [() => driver, 'a function; did you forget to call it?'],
  [{}, 'got an object'],
  ['pg', 'got "pg"'],
])('refuses the driver %s', (wrong, reason) => {
  expect(() => read({ driver: wrong })).toThrow(reason)
})

test('refuses options that are no object, and a name that is no text', () => {
  for (const options of [undefined, null, 'postgres://db', 7]) {
    expect(() => createPool(options as never)).toThrow('createPool: options must be an object')
  }
  expect(() => read({ name: '' })).toThrow('createPool: name must be a non-empty string')
  expect(() => read({ name: 7 })).toThrow('name')
})

test('is frozen, and not changed by later changes of what it was made from', () => {
  const options: Record<string, unknown> = { driver, connection, max: 3 }
  const config = readPoolOptions(options as unknown as PoolOptions)
  options['max'] = 99
  expect(config.max).toBe(3)
  expect(Object.isFrozen(config)).toBe(true)
})

test('X08: takes a list of ways to log in, and refuses what is none', () => {
  expect(read({ requireAuth: ['none', 'md5'] })).toMatchObject({ requireAuth: ['none', 'md5'] })
  expect(() => read({ requireAuth: [] })).toThrow('requireAuth must be a non-empty array')
  expect(() => read({ requireAuth: 'md5' })).toThrow('got "md5"')
  expect(() => read({ requireAuth: ['gss'] })).toThrow('requireAuth must be one of "none"')
})

import { describe, expect, test } from 'vitest'
import { createPool, type Pool, type PoolOptions } from '../../../src/index.js'
import { type PoolCall, PoolView } from '../../../src/kit.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

class View extends PoolView {
  protected send<R>(call: PoolCall<R>): Promise<R> {
    return call.run(this.whole)
  }
}

const pool = createPool({
  driver: fakeDriver({ clock: virtualClock() }),
  connection: 'postgres://localhost/app',
})
const POOLS: readonly [string, Pool][] = [
  ['a pool', pool],
  ['a pool over a pool', new View('view', pool)],
]

describe.each(POOLS)('%s', (_, taken) => {
  test.each([
    ['connect', 'pool.acquire() lends a connection'],
    ['end', 'pool.close() ends the pool'],
  ])('T92: says what %s of a pg.Pool is called here', (method, instead) => {
    const call = (): unknown => (taken as unknown as Record<string, () => unknown>)[method]!()
    expect(call).toThrow(TypeError)
    expect(call).toThrow(instead)
    expect(call).toThrow('createPgPool(pool)')
  })

  test('T92: is no set of options of a connection', () => {
    expect(() => (taken as { ssl?: unknown }).ssl).toThrow('where options of a connection are')
    expect({ ...taken }).not.toHaveProperty('ssl')
    expect(JSON.stringify(taken)).not.toContain('ssl')
  })
})

test.each([
  ['connectionTimeoutMillis', 'here it is acquireTimeoutMs for the wait for a connection'],
  ['maxLifetimeSeconds', 'here it is maxLifetimeMs, in milliseconds'],
  ['poolSize', 'here it is max'],
  ['connectionString', 'here it is connection, a URL'],
  ['host', 'here it is connection.host'],
  ['allowExitOnIdle', 'an idle pool never keeps the process alive'],
])('T92: says what the option %s of a pg.Pool is called here', (name, instead) => {
  const options = {
    driver: fakeDriver({ clock: virtualClock() }),
    connection: {},
    [name]: 'x',
  } as PoolOptions
  expect(() => createPool(options)).toThrow(`createPool: unknown option "${name}"`)
  expect(() => createPool(options)).toThrow(instead)
})

import { expect, test } from 'vitest'
import { staticTopology } from '../../../src/index.js'
import { observe, observedPool } from '../../../src/kit.js'
import { harness, watch } from '../../harness.js'

test('T123: makes one pool observable, and returns what is observable already', async () => {
  const { clock, pool } = harness({ name: 'app' })
  const observable = observe(pool)
  expect(observe(observable)).toBe(observable)
  expect(observable.holders()).toEqual({})
  const connected: number[] = []
  const listener = ({ connection }: { connection: number }): void => void connected.push(connection)
  observable.on('connect', listener)
  const lease = watch(pool.acquire())
  await clock.settle()
  expect(lease.state).toBe('resolved')
  expect(connected).toEqual([1])
  observable.off('connect', listener)
  expect(observable.stats()).toMatchObject({
    databases: { app: { leased: 1 } },
    servers: {},
    tenantPools: 0,
  })
  expect(observable.inspect()).toMatchObject([{ name: 'app', leases: [{ connection: 1 }] }])
  const [only, ...others] = observable.pools()
  expect(others).toEqual([])
  expect(only).toMatchObject({ name: 'app', kind: 'database' })
  expect(only!.topology()).toBeUndefined()
})

test('T123: finds the connection pools and the topology below a pool that is made of others', () => {
  const one = harness({ name: 'one' }).pool
  const two = harness({ name: 'two' }).pool
  const topology = staticTopology({ primary: one, replicas: [two] })
  const stats = () => one.stats()
  const inner = { name: 'inner', topology, drivenBy: [one, two], stats }
  const outer = observedPool({ name: 'outer', drivenBy: [inner, two], stats } as never)
  expect(outer.inspect().map(({ name }) => name)).toEqual(['one', 'two'])
  expect(outer.topology()).toBe(topology.current)
})

test('T123: refuses what is neither a pool nor a manager', () => {
  expect(() => observe({ query: () => {} } as never)).toThrow(
    'observe: give a pool or a manager of Poolhouse, got an object',
  )
  expect(() => observe(undefined as never)).toThrow(TypeError)
})

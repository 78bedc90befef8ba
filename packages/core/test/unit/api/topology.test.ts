import { expect, test } from 'vitest'
import { staticTopology } from '../../../src/index.js'
import { harness } from '../../harness.js'

test('a static topology says who is primary and who is replica, for ever', async () => {
  const [primary, replica] = [harness({ name: 'a' }).pool, harness({ name: 'b' }).pool]
  const topology = staticTopology({ primary, replicas: [replica] })
  const { current } = topology
  expect(current.primary).toMatchObject({ id: 'a', state: 'primary', pool: primary })
  expect(current.replicas.map(({ id, state }) => [id, state])).toEqual([['b', 'replica']])
  expect(current.nodes).toHaveLength(2)
  expect(Object.isFrozen(current) && Object.isFrozen(current.nodes)).toBe(true)
  const stop = topology.subscribe(() => {
    throw new Error('nothing changes')
  })
  await topology.refresh('test')
  stop()
  expect(topology.current).toBe(current)
})

test('a static topology may lack a primary, replicas or both', () => {
  expect(staticTopology({}).current).toMatchObject({ primary: undefined, replicas: [], nodes: [] })
})

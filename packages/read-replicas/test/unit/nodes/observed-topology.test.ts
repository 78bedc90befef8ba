import { createPool, staticTopology } from '@poolhouse/core'
import { observe } from '@poolhouse/core/kit'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { expect, test } from 'vitest'
import { withReplicas } from '../../../src/index.js'
import { observedTopology } from '../../../src/nodes/observed-topology.js'
import { ReplicaNode } from '../../../src/nodes/replica-node.js'

const clock = virtualClock()
const driver = fakeDriver({ clock })

function poolOf(name: string) {
  return createPool({ driver, connection: `postgres://u@${name}/app`, name, clock })
}

test('T123: replicas that are watched here are shown with their age and why they serve no reads', () => {
  const fresh = new ReplicaNode(poolOf('fresh'), 'a')
  fresh.freshAt = 900
  fresh.bytesBehind = 16
  const stray = new ReplicaNode(poolOf('stray'), undefined)
  stray.stray = 'is on a discarded timeline'
  const ejected = new ReplicaNode(poolOf('ejected'), undefined)
  ejected.ejected = 'does not answer'
  const seen = observedTopology(poolOf('primary'), [fresh, stray, ejected], 1_000)
  expect(seen.nodes.map(({ id, state, reason }) => [id, state, reason])).toEqual([
    ['primary', 'primary', 'configured'],
    ['fresh', 'replica', 'configured'],
    ['stray', 'diverged', 'is on a discarded timeline'],
    ['ejected', 'unreachable', 'does not answer'],
  ])
  expect(seen.primary?.id).toBe('primary')
  expect(seen.replicas).toHaveLength(1)
  expect(seen.replicas[0]).toMatchObject({ zone: 'a', lag: { ms: 100, bytes: 16, at: 1_000 } })
})

test('T123: a pool with replicas shows its servers to those who observe it', async () => {
  const pool = withReplicas(poolOf('primary'), [poolOf('replica')], { name: 'app', clock })
  const [observed] = observe(pool).pools()
  expect(observed!.topology()?.nodes.map(({ id }) => id)).toEqual(['primary', 'replica'])
  expect(
    observed!
      .inspect()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['primary', 'replica'])
  expect(observed!.stats().routing).toMatchObject({ write: 0 })
  const closed = pool.close({ timeoutMs: 1 })
  await clock.advance(10_000)
  await closed
})

test('T123: the nodes of a topology are shown as it knows them', async () => {
  const [primary, replica] = [poolOf('primary'), poolOf('replica')]
  const topology = { ...staticTopology({ primary, replicas: [replica] }) }
  const pool = withReplicas(primary, topology, { name: 'app', clock })
  expect(
    observe(pool)
      .pools()[0]!
      .topology()
      ?.nodes.map(({ id }) => id),
  ).toEqual(['primary', 'replica'])
  const closed = pool.close({ timeoutMs: 1 })
  await clock.advance(10_000)
  await closed
})

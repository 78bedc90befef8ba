import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { withReplicas } from '@poolhouse/read-replicas'
import { expect, test } from 'vitest'
import { sharedCluster } from '../support/servers/shared-cluster.js'
import { expectGuideToShow } from './guide.js'
import { inOrder } from './in-order.js'

const cluster = sharedCluster({ replicas: 2 })

test('the guide shows the strategy as it is compiled and tested here', async () => {
  await expectGuideToShow('add-a-routing-strategy', './in-order.ts')
})

test('the strategy of the guide spills to the next replica while the first is busy', async () => {
  const { primary, replicas, database, user } = await cluster()
  const poolOf = ({ host, port }: { host: string; port: number }, name: string) =>
    createPool({ driver: nodePostgres(), connection: { host, port, user, database }, name })
  const db = withReplicas(
    poolOf(primary, 'primary'),
    [poolOf(replicas[0]!, 'on-demand'), poolOf(replicas[1]!, 'reserved')],
    { strategy: inOrder(['reserved', 'on-demand'], { spillAt: 2 }) },
  )
  await db.ready()
  const reader = db.reader()
  const read = async (text: string) => (await reader.query(text)).node
  expect([await read('select 1'), await read('select 1')]).toEqual(['reserved', 'reserved'])
  const slow = Array.from({ length: 5 }, () => read('select pg_sleep(0.3)'))
  expect(await Promise.all(slow)).toEqual([
    'reserved',
    'reserved',
    'on-demand',
    'on-demand',
    expect.any(String),
  ])
  expect(await read('select 1')).toBe('reserved')
  await db.close()
})

test('the strategy of the guide puts replicas that it does not know last', () => {
  const choose = inOrder(['reserved'], { spillAt: 1 })
  const candidate = (node: string, inFlight: number) =>
    ({ node, inFlight, zone: undefined, latencyMs: undefined }) as const
  const nodes = [candidate('new', 0), candidate('reserved', 0)]
  expect(choose(nodes).node).toBe('reserved')
  expect(choose([candidate('new', 0), candidate('reserved', 1)]).node).toBe('new')
  expect(choose([candidate('new', 3), candidate('reserved', 2)]).node).toBe('reserved')
})

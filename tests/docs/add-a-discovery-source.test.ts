import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPool, type PoolEvents } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { expect, test } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'
import { consul } from './consul.js'
import { expectGuideToShow } from './guide.js'

const cluster = sharedCluster({ replicas: 1 })

/** An entry as Consul lists it. */
interface Entry {
  readonly Node: { readonly Address: string }
  readonly Service: {
    readonly ID: string
    readonly Address: string
    readonly Port: number
    readonly Meta: { readonly zone: string }
  }
}

const entry = (port: number, id: string): Entry => ({
  Node: { Address: '127.0.0.1' },
  Service: { ID: id, Address: '', Port: port, Meta: { zone: id } },
})

/** Answers as Consul does: a question with the newest index waits for a change. */
async function startConsul(): Promise<{
  readonly url: string
  readonly questions: readonly string[]
  list(entries: readonly Entry[] | 'failure'): void
  stop(): Promise<void>
}> {
  let index = 1
  let entries: readonly Entry[] | 'failure' = []
  const waiting = new Set<ServerResponse>()
  const questions: string[] = []
  const answer = (response: ServerResponse): void => {
    waiting.delete(response)
    response.statusCode = entries === 'failure' ? 500 : 200
    response.setHeader('x-consul-index', index)
    response.end(JSON.stringify(entries))
  }
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://consul')
    questions.push(pathname + (searchParams.has('wait') ? '?wait' : ''))
    if (searchParams.get('index') === `${index}`) waiting.add(response)
    else answer(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    questions,
    list(listed) {
      entries = listed
      index += 1
      for (const response of waiting) answer(response)
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('the guide shows the discovery as it is compiled and tested here', async () => {
  await expectGuideToShow('add-a-discovery-source', './consul.ts')
})

test.each(DRIVERS)(
  'the discovery of the guide finds nodes and zones over $driver, and keeps them when it fails',
  async ({ make }) => {
    const { primary, replicas, user, database } = await cluster()
    const registry = await startConsul()
    registry.list([entry(primary.port, 'a')])
    const followed = withFailover({
      discover: consul({ url: registry.url, service: 'shop db' }),
      pool: ({ host, port, name = host }) =>
        createPool({ driver: make(), connection: { host, port, user, database }, name }),
    })
    const errors: PoolEvents['error'][] = []
    followed.on('error', (event) => errors.push(event))
    await followed.ready()
    expect((await followed.query('select 1')).node).toBe('a')
    await expect.poll(() => registry.questions.at(-1)).toBe('/v1/health/service/shop%20db?wait')

    registry.list([entry(primary.port, 'a'), entry(replicas[0]!.port, 'b')])
    const zones = () =>
      followed.topology.current.nodes.map(({ id, state, zone }) => `${id} ${state} ${zone}`).sort()
    await expect.poll(zones, { timeout: 5_000 }).toEqual(['a primary a', 'b replica b'])

    registry.list('failure')
    await expect.poll(() => errors.length).toBe(1)
    expect((errors[0]!.error as Error).message).toMatch(
      /^consul\(127\.0\.0\.1:\d+, shop db\) failed/,
    )
    registry.list([])
    const asked = registry.questions.length
    await expect.poll(() => registry.questions.length, { timeout: 5_000 }).toBeGreaterThan(asked)
    expect(zones()).toEqual(['a primary a', 'b replica b'])
    expect((await followed.query('select 1')).node).toBe('a')
    await followed.close()
    await registry.stop()
  },
)

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPool } from '@poolhouse/core'
import { type Discovery, withFailover } from '@poolhouse/failover'
import { expect, it } from 'vitest'
import { DRIVERS } from '../../support/drivers.js'
import { startServers, until } from '../support/wire-servers.js'

// The example of docs/guides/failover.md, word for word.

interface ConsulEntry {
  readonly Node: { readonly Node: string }
  readonly Service: { readonly Address: string; readonly Port: number; readonly Tags: string[] }
}

function consul(url: string, service: string): Discovery {
  let index = '0'
  return {
    name: `consul(${service})`,
    async next({ signal }) {
      // Consul answers when something has changed, or after 55 s.
      const query = `${url}/v1/health/service/${service}?index=${index}&wait=55s`
      const response = await fetch(query, { signal })
      if (!response.ok) throw new Error(`Consul answered ${response.status}`)
      index = response.headers.get('x-consul-index') ?? '0'
      const entries = (await response.json()) as ConsulEntry[]
      return {
        nodes: entries.map(({ Node, Service }) => ({
          host: Service.Address,
          port: Service.Port,
          name: Node.Node,
          role: Service.Tags.includes('primary') ? 'primary' : 'replica',
        })),
        validMs: 0, // ask again at once: the next question waits for news
      }
    },
  }
}

it.each(DRIVERS)('follows a discovery of the application’s own over $driver', async ({ make }) => {
  await using servers = await startServers()
  const { a, b } = servers
  const entry = (port: number, name: string): ConsulEntry => ({
    Node: { Node: name },
    Service: { Address: '127.0.0.1', Port: port, Tags: [] },
  })
  let entries = [entry(a.port, 'a')]
  let version = 1
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const answer = (): void => {
      response.setHeader('x-consul-index', String(version))
      response.end(JSON.stringify(entries))
    }
    if (request.url?.includes(`index=${version}&`)) waiting.add(answer)
    else answer()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await using pool = withFailover({
      discover: consul(`http://127.0.0.1:${port}`, 'postgres'),
      pool: (node) =>
        createPool({
          driver: make(),
          connection: { host: node.host, port: node.port, user: 'wire', database: 'wire' },
          name: node.name!,
        }),
    })
    expect(await pool.query('select 1')).toMatchObject({ node: 'a' })
    entries = [...entries, entry(b.port, 'b')]
    version++
    for (const answer of waiting) answer()
    await until(() => pool.topology.current.replicas.length === 1)
    expect(pool.topology.current.replicas[0]).toMatchObject({ id: 'b' })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

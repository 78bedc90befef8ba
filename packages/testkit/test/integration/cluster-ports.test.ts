import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, expect, it, vi } from 'vitest'

// Other files of this process have loaded the modules without a spy, and those that come later want
// them so.
vi.resetModules()
vi.doMock('../../src/machine/free-port.js', { spy: true })
const { findFreePorts } = await import('../../src/machine/free-port.js')
const { startCluster } = await import('../../src/cluster/start-cluster.js')
afterAll(() => {
  vi.doUnmock('../../src/machine/free-port.js')
  vi.resetModules()
})

it('takes other ports when another process has been faster', async () => {
  const rival = createServer().listen(0, '127.0.0.1')
  await once(rival, 'listening')
  const { port } = rival.address() as AddressInfo
  const [free] = await findFreePorts(1)
  vi.mocked(findFreePorts).mockClear().mockResolvedValueOnce([port, free!])

  await using cluster = await startCluster({ replicas: 1 })

  expect(findFreePorts).toHaveBeenCalledTimes(2)
  expect(cluster.nodes.map((node) => node.port)).not.toContain(port)
  expect(await cluster.primary.sql('select from pg_stat_replication')).toHaveLength(1)
  rival.close()
})

it('never gives the same port twice in one answer', async () => {
  const ports = await findFreePorts(9)
  expect(new Set(ports).size).toBe(9)
  for (const port of ports) expect(port).toBeLessThan(32_768) // not lent to outgoing connections
})

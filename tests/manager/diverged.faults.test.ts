import { createManager } from '@poolhouse/manager'
import { startCluster } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { until } from '../read-replicas/replica-cluster.js'
import { scenario } from '../support/scenario.js'

describe('the health of a database', () => {
  scenario(
    'T51: is degraded while a server that is listed as its replica has another history',
    async ({ make }) => {
      await using cluster = await startCluster({ replicas: 1 })
      const [a, b] = cluster.nodes
      await using manager = createManager({
        databases: { app: { driver: make(), primary: a!.url, replicas: [b!.url] } },
      })
      const told: string[] = []
      const app = manager.database('app')
      app.on('diverged', ({ reason }) => told.push(reason))
      const read = () =>
        app.query<{ port: number }>('select inet_server_port() as port', [], { intent: 'read' })
      await until(
        async () => (await read()).rows[0]!.port,
        (port) => port === b!.port,
      )
      expect(manager.health()).toMatchObject({ ready: true, degraded: false })
      await b!.promote({ refollow: false })
      await until(
        () => manager.health().degraded,
        (degraded) => degraded,
      )
      expect(manager.health().databases['app']!.reasons.join()).toContain('it is not in recovery')
      await until(
        () => told.length,
        (times) => times === 1,
      )
      expect((await read()).rows[0]!.port).toBe(a!.port)
    },
    30_000,
  )
})

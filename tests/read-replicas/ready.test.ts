import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import type { Cluster, ClusterNode } from '@poolhouse/testkit'
import { beforeAll, describe, expect, test } from 'vitest'
import { everyServer } from '../support/every-server.js'

describe.each(everyServer({ replicas: 1 }))(
  'a start over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    let started: Cluster
    let stopWriting: () => Promise<void>

    beforeAll(async () => {
      started = await cluster()
      const [primary] = started.nodes as [ClusterNode]
      await primary.sql('create table if not exists busy(n int)')
      let isOver = false
      const writing = (async () => {
        while (!isOver) await primary.sql('insert into busy values (1)')
      })()
      stopWriting = async () => {
        isOver = true
        await writing
      }
      return () => stopWriting()
    }, 60_000)

    const followed = (): ReplicaPool => {
      const primary = withFailover(
        started.nodes.map(({ name, url }) => createPool({ driver: make(), connection: url, name })),
      )
      return withReplicas(primary, primary.topology)
    }
    const watched = (): ReplicaPool => {
      const [primary, replica] = started.nodes.map(({ name, url }) =>
        createPool({ driver: make(), connection: url, name }),
      )
      return withReplicas(primary!, [replica!])
    }
    const kinds = [
      ['over a topology', followed],
      ['over pools', watched],
    ] as const

    test.each(kinds)(
      'T93: after ready() the first bounded read goes to a replica: %s',
      async (_, open) => {
        for (let round = 0; round < 5; round++) {
          await using db = open()
          await db.ready()
          const reads = await Promise.all(
            Array.from({ length: 10 }, () => db.query('select 1', [], { intent: 'read' })),
          )
          expect(reads.map(({ node }) => node)).toEqual(reads.map(() => started.replicas[0]!.name))
        }
      },
    )
  },
)

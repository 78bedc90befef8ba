import { createManager, type Manager } from '@poolhouse/manager'
import type { Cluster } from '@poolhouse/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../read-replicas/replica-cluster.js'
import { everyServer } from '../support/every-server.js'

const ANY_AGE = { maxStalenessMs: Number.POSITIVE_INFINITY }
const ROUNDS = 3

/** What refuses the tenant on both servers, and the SQLSTATE that its callers see. */
const REFUSALS: readonly {
  readonly what: string
  readonly code: string
  readonly since?: number
  readonly set: (tenant: string) => readonly string[]
}[] = [
  { what: 'its database was dropped', code: '3D000', set: (t) => [`drop database ${t}`] },
  {
    what: 'its role may not connect to its database',
    code: '42501',
    set: (t) => [`revoke connect on database ${t} from public`],
  },
  {
    what: 'its database takes no connections',
    code: '55000',
    set: (t) => [`alter database ${t} allow_connections false`],
  },
  { what: 'its role may not log in', code: '28000', set: (t) => [`alter role ${t} nologin`] },
  {
    what: 'its password was changed',
    code: '28P01',
    set: (t) => [`alter role ${t} password 'another'`],
  },
  { what: 'its role is gone', code: '28P01', set: (t) => [`drop role ${t}`] },
]

describe.each(everyServer({ replicas: 1 }))(
  'a tenant that a server refuses, over $driver on PostgreSQL $version',
  ({ make, version, cluster: clusterOf }) => {
    let cluster: Cluster
    let manager: Manager<{ app: object }> | undefined
    let tenant: string
    let count = 0

    beforeEach(async () => {
      cluster = await clusterOf()
      tenant = `refused_${process.pid}_${version}_${make().name.replace(/\W/g, '')}_${count++}`
    })
    afterEach(async () => {
      await manager?.close({ timeoutMs: 1_000 })
      for (const node of cluster.replicas) await node.resumeReplay()
    })

    /** A manager over the cluster, whose primary is followed or fixed. */
    function manage(kind: 'nodes' | 'replicas'): { readonly ejected: readonly unknown[] } {
      const [primary, ...replicas] = cluster.nodes.map(({ url }) => url)
      const app =
        kind === 'nodes' ? { nodes: [primary!, ...replicas] } : { primary: primary!, replicas }
      manager = createManager({
        drivers: { only: make() },
        databases: { app },
        tenants: {
          resolve: (id) =>
            id === 'well' ? { schema: 'public' } : { database: id, user: id, password: 'secret' },
        },
      }) as unknown as Manager<{ app: object }>
      const ejected: unknown[] = []
      manager!.database('app').on('ejected', (event) => ejected.push(event))
      return { ejected }
    }

    const create = async (): Promise<void> => {
      await cluster.primary.sql(`create role ${tenant} login password 'secret'`)
      await cluster.primary.sql(`create database ${tenant}`)
    }

    /** Reads of a tenant that is well: resolves with which node served how many. */
    async function sharesOfOthers(): Promise<Map<string | undefined, number>> {
      const reader = manager!.tenant('well').reader(ANY_AGE)
      const shares = new Map<string | undefined, number>()
      for (let read = 0; read < ROUNDS; read++) {
        const { node } = await reader.query('select 1')
        shares.set(node, (shares.get(node) ?? 0) + 1)
      }
      return shares
    }

    /** Resolves with the name of the replica as soon as others read on it. */
    async function replicaServesOthers(): Promise<string> {
      const replica = cluster.replicas[0]!.url
      const reader = manager!.tenant('well').reader(ANY_AGE)
      let node: string | undefined
      await until(
        async () => {
          node = (await reader.query('select 1')).node
          return node
        },
        (seen) => seen !== undefined && replica.includes(seen.replace('well@', '')),
      )
      return node!
    }

    it.each(['nodes', 'replicas'] as const)(
      'T54: reads on the primary while its database and role are not on the replica yet, and the replica serves all others (%s)',
      async (kind) => {
        const { ejected } = manage(kind)
        const replica = await replicaServesOthers()
        await cluster.replicas[0]!.pauseReplay()
        await create()
        const own = manager!.tenant(tenant).reader(ANY_AGE)
        for (let round = 0; round < ROUNDS; round++) {
          const { rows } = await own.query('select current_database() as name')
          expect(rows).toEqual([{ name: tenant }])
          expect(await sharesOfOthers()).toEqual(new Map([[replica, ROUNDS]]))
        }
        expect(ejected).toEqual([])
      },
      60_000,
    )

    it.each(REFUSALS)(
      'T54: fails alone and at once when $what ($code)',
      async ({ code, set }) => {
        const { ejected } = manage('nodes')
        const replica = await replicaServesOthers()
        await create()
        for (const statement of set(tenant)) await cluster.primary.sql(statement)
        const own = manager!.tenant(tenant)
        for (let round = 0; round < 3; round++) {
          for (const pool of [own, own.reader(ANY_AGE)]) {
            const error = await pool.query('select 1').catch((reason: unknown) => reason)
            expect(error).toMatchObject({ sqlState: code, fatal: true, executed: 'no' })
          }
          expect(await sharesOfOthers()).toEqual(new Map([[replica, ROUNDS]]))
          await manager!.database('app').query('select 1')
        }
        expect(ejected).toEqual([])
      },
      60_000,
    )

    it('T54: that has used up the connections of its role or its database takes none from others', async () => {
      const { ejected } = manage('nodes')
      const replica = await replicaServesOthers()
      await create()
      await cluster.primary.sql(`alter role ${tenant} connection limit 0`)
      const own = manager!.tenant(tenant)
      const limits = (): (number | undefined)[] =>
        Object.values(manager!.stats().servers).map(({ limit }) => limit)
      const before = limits()
      for (const pool of [own, own.reader(ANY_AGE)]) {
        const error = await pool.query('select 1', [], { timeoutMs: 300 }).catch((e: unknown) => e)
        expect(error).toMatchObject({ executed: 'no', cause: { sqlState: '53300' } })
      }
      await cluster.primary.sql(`alter role ${tenant} connection limit -1`)
      await cluster.primary.sql(`alter database ${tenant} connection limit 0`)
      for (const pool of [own, own.reader(ANY_AGE)]) {
        const error = await pool.query('select 1', [], { timeoutMs: 300 }).catch((e: unknown) => e)
        expect(error).toMatchObject({ executed: 'no', cause: { sqlState: '53300' } })
      }
      expect(await sharesOfOthers()).toEqual(new Map([[replica, ROUNDS]]))
      expect(limits()).toEqual(before)
      expect(ejected).toEqual([])
    }, 60_000)

    it('T54: through which the cluster was watched leaves the others their primary and their replica', async () => {
      await cluster.primary.sql(`create role ${tenant} login password 'secret'`)
      const all = cluster.nodes.map(({ url }) => url)
      const as = (url: string): string => {
        const address = new URL(url)
        address.username = tenant
        address.password = 'secret'
        return address.href
      }
      await using both = createManager({
        drivers: { only: make() },
        databases: { first: { nodes: all.map(as) }, second: { nodes: all } },
      })
      const [first, second] = [both.database('first'), both.database('second')]
      await first.query('select 1')
      await second.query('select 1')
      await second.reader(ANY_AGE).query('select 1')
      await cluster.primary.sql(`alter role ${tenant} nologin`)
      const lost = new Promise((resolve) => void first.on('destroy', resolve))
      for (const node of cluster.nodes) {
        await node.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${tenant}'`,
        )
      }
      await lost
      await second.topology!.refresh('the test asks')
      const refused = await first.query('select 1').catch((reason: unknown) => reason)
      expect(refused).toMatchObject({ sqlState: '28000', executed: 'no' })
      const states = second.topology!.current.nodes.map(({ state }) => state)
      expect(states).toEqual(['primary', 'replica'])
      await second.query('select 1')
      await second.reader(ANY_AGE).query('select 1')
    }, 60_000)

    it('T54: whose sessions are ended, and whose database is dropped under it, leaves the replica to the others', async () => {
      const { ejected } = manage('nodes')
      const replica = await replicaServesOthers()
      await create()
      const own = manager!.tenant(tenant)
      const reader = own.reader(ANY_AGE)
      await own.query('select 1')
      const address = replica.slice(replica.indexOf('@'))
      await until(
        async () => (await reader.query('select 1')).node,
        (node) => node?.endsWith(address) === true,
      )
      for (let round = 0; round < 3; round++) {
        await cluster.replicas[0]!.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${tenant}'`,
        )
        await reader.query('select 1')
        expect(await sharesOfOthers()).toEqual(new Map([[replica, ROUNDS]]))
      }
      await cluster.primary.sql(`drop database ${tenant} with (force)`)
      for (let round = 0; round < ROUNDS; round++) {
        await reader.query('select 1').catch(() => undefined)
        expect(await sharesOfOthers()).toEqual(new Map([[replica, ROUNDS]]))
      }
      expect(ejected).toEqual([])
    }, 60_000)
  },
)

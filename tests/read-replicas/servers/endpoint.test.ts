import { createPool, type UnidentifiedEvent } from '@poolhouse/core'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import { startPgBouncer } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startBalancingRelay } from '../../support/balancing-relay.js'
import { everyServer } from '../../support/every-server.js'
import { until } from '../../support/until.js'

const SERVER = 'select inet_server_port() as port'

describe.each(everyServer({ replicas: 2 }))(
  'a reader endpoint over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const routed = (primary: string, endpoint: string, options?: ReplicasOptions): ReplicaPool => {
      const [first, second] = [
        createPool({ driver: make(), connection: primary, name: 'primary', max: 8 }),
        createPool({ driver: make(), connection: endpoint, name: 'endpoint', max: 8 }),
      ]
      // Not by how busy they are: the first answers of a server pay for its connections.
      const db = withReplicas(first, [second], { strategy: 'roundRobin', ...options })
      onTestFinished(() => db.close({ timeoutMs: 1_000 }))
      return db
    }
    /** Until both servers behind the endpoint serve reads. */
    const ready = async (db: ReplicaPool): Promise<void> => {
      await db.ready()
      await until(async () => {
        await Promise.all(
          Array.from({ length: 8 }, () => db.reader().query('select pg_sleep(0.01)')),
        )
        const { candidates } = db.explainRoute('select 1', { intent: 'read' })
        return candidates.filter(({ eligible }) => eligible).length === 2
      })
    }

    it('T52: serves bounded reads from the server that is fresh, and from no other', async () => {
      const { primary, nodes } = await cluster()
      const [, fresh, paused] = nodes
      await using relay = await startBalancingRelay(fresh!.url, paused!.url)
      await primary.sql('create table if not exists ticks(at bigint)')
      await primary.sql('grant all on ticks to app')
      // A bound of the pool's own, by which it looks at its servers often enough.
      const db = routed(primary.url, relay.through(primary.url), { maxStalenessMs: 1_000 })
      await ready(db)
      const both = await Promise.all(Array.from({ length: 40 }, () => db.reader().query(SERVER)))
      expect(new Set(both.map(({ rows }) => rows[0]!['port'])).size).toBe(2)
      await paused!.pauseReplay()
      try {
        await db.query('insert into ticks values (1)')
        await until(async () => {
          await db.query('insert into ticks values (2)')
          const { candidates } = db.explainRoute('select 1', { intent: 'read' })
          return candidates.filter(({ eligible }) => eligible).length === 1
        })
        const writer = setInterval(() => void db.query('insert into ticks values (3)'), 20)
        const reads = await Promise.all(Array.from({ length: 80 }, () => db.reader().query(SERVER)))
        clearInterval(writer)
        const ports = reads.map(({ rows }) => rows[0]!['port'])
        expect(ports).not.toContain(paused!.port)
        // Most of them by the replica, as long as it has a connection.
        expect(ports.filter((port) => port === fresh!.port).length).toBeGreaterThan(60)
        for (const { stalenessMs } of reads) expect(stalenessMs ?? 0).toBeLessThanOrEqual(1_000)
      } finally {
        await paused!.resumeReplay()
      }
    })

    it('T52: shows a session each of its own writes, whichever server answers', async () => {
      const { primary, nodes } = await cluster()
      const [, fresh, paused] = nodes
      await using relay = await startBalancingRelay(fresh!.url, paused!.url)
      await primary.sql('drop table if exists mine')
      await primary.sql('create table mine(id int)')
      await primary.sql('grant all on mine to app')
      const db = routed(primary.url, relay.through(primary.url))
      await ready(db)
      await paused!.pauseReplay()
      try {
        const missed: number[] = []
        await Promise.all(
          Array.from({ length: 80 }, async (_, id) => {
            const session = db.session()
            await session.query('insert into mine values ($1)', [id])
            for (let read = 0; read < 2; read++) {
              const { rows } = await session
                .reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
                .query('select 1 from mine where id = $1', [id])
              if (rows.length === 0) missed.push(id)
            }
          }),
        )
        expect(missed).toEqual([])
      } finally {
        await paused!.resumeReplay()
      }
    })

    it('T52: that leads to the primary too serves what that has committed', async () => {
      const { primary, nodes } = await cluster()
      await using relay = await startBalancingRelay(primary.url, nodes[1]!.url)
      const db = routed(primary.url, relay.through(primary.url))
      await ready(db)
      const reads = await Promise.all(Array.from({ length: 40 }, () => db.reader().query(SERVER)))
      expect(new Set(reads.map(({ rows }) => rows[0]!['port']))).toEqual(
        new Set([primary.port, nodes[1]!.port]),
      )
      await expect(db.reader().query('create table nothing(id int)')).rejects.toThrow()
    })

    it('T52: behind a pooler serves reads that accept any age, and no others, and an event says why', async () => {
      const { primary, nodes } = await cluster()
      await using bouncer = await startPgBouncer({
        target: nodes[1]!.url,
        auth: 'scram-sha-256',
        poolSize: 2,
      })
      const told: UnidentifiedEvent[] = []
      const db = routed(primary.url, bouncer.url)
      db.on('unidentified', (event) => told.push(event))
      await until(async () => told.length > 0)
      const session = db.session()
      await session.query('select 1')
      expect(await db.reader().query('select 1')).toMatchObject({ node: 'primary' })
      expect(await session.reader().query('select 1')).toMatchObject({ node: 'primary' })
      const any = db.reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
      expect(await any.query('select 1')).toMatchObject({ node: 'endpoint' })
      expect(told).toEqual([
        { pool: db.name, node: 'endpoint', reason: expect.stringContaining('pooler') },
      ])
      const [candidate] = db.explainRoute('select 1', { intent: 'read' }).candidates
      expect(candidate).toMatchObject({
        eligible: false,
        reason: expect.stringContaining('pooler'),
      })
    }, 180_000)

    it('T52: whose servers do not tell where their log is serves reads that accept any age, and no others, until they do', async () => {
      const { primary, nodes } = await cluster()
      await using relay = await startBalancingRelay(nodes[1]!.url, nodes[2]!.url)
      await primary.sql('revoke execute on function pg_last_wal_replay_lsn() from public')
      const hidden = async (): Promise<boolean> => {
        const text =
          "select has_function_privilege('app', 'pg_last_wal_replay_lsn()', 'execute') as may"
        const seen = await Promise.all(nodes.map(async (node) => (await node.sql(text))[0]!['may']))
        return seen.every((may) => may === false)
      }
      await until(hidden)
      const told: UnidentifiedEvent[] = []
      const db = routed(primary.url, relay.through(primary.url), { maxStalenessMs: 500 })
      db.on('unidentified', (event) => told.push(event))
      try {
        await until(async () => told.length > 0)
        expect(told[0]!.reason).toMatch(/does not tell where its log is: .*pg_last_wal_replay_lsn/)
        const session = db.session()
        await session.query('select 1')
        expect(await db.reader().query('select 1')).toMatchObject({ node: 'primary' })
        expect(await session.reader().query('select 1')).toMatchObject({ node: 'primary' })
        const any = db.reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
        expect(await any.query('select 1')).toMatchObject({ node: 'endpoint' })
      } finally {
        await primary.sql('grant execute on function pg_last_wal_replay_lsn() to public')
      }
      await until(async () => (await db.reader().query('select 1')).node === 'endpoint')
    }, 30_000)
  },
)

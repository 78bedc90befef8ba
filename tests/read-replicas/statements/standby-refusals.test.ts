import { type ConnectionPool, createPool, type QueryResult } from '@poolhouse/core'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import type { ClusterNode } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../../support/every-server.js'
import { until, untilFitting } from '../replica-cluster.js'

const OBJECTS = [
  'create unlogged table u(id int)',
  'insert into u values (1)',
  'create view of_u as select * from u',
  'create table parts(id int) partition by range (id)',
  'create unlogged table part partition of parts for values from (0) to (9)',
  'insert into parts values (1)',
  'create table t(id int)',
  'create sequence s',
  `create function count_u() returns bigint language plpgsql as $$
     begin return (select count(*) from u); end $$`,
  `create function raises() returns int language plpgsql as $$
     begin raise exception 'cannot access temporary or unlogged relations during recovery'
       using errcode = '0A000'; end $$`,
  'create table calls(id int)',
  'grant all on all tables in schema public to public',
  'grant all on all sequences in schema public to public',
]

/** What only a standby refuses, and a primary answers in a read-only transaction. */
const REFUSED = [
  'select id from u',
  'table u',
  'select id from of_u',
  'with x as (select id from u) select id from x',
  'select id from parts',
  'select count_u() as id',
  'explain select id from u',
  'select pg_current_wal_lsn() as id',
  "select pg_walfile_name('0/1') as id",
]
/** What is a write, wherever it lands. */
const WRITES = [
  "select nextval('s')",
  "select setval('s', 7)",
  'select * from t for update',
  'select pg_current_xact_id()',
  'insert into t values (1)',
  'create temp table temporary(id int)',
  "select pg_notify('a', 'b')",
]

const servers = everyServer({ replicas: 1, auth: 'trust' })

describe.each(servers)('over $driver on PostgreSQL $version', ({ make, cluster, version }) => {
  beforeAll(async () => {
    const [primary, replica] = (await cluster()).nodes as [ClusterNode, ClusterNode]
    const [made] = await primary.sql<{ made: boolean }>(
      "select to_regclass('u') is not null as made",
    )
    if (!made!.made) for (const sql of OBJECTS) await primary.sql(sql)
    await until(
      () => replica.sql<{ there: boolean }>("select to_regclass('calls') is not null as there"),
      ([row]) => row?.there === true,
    )
  }, 120_000)

  async function connect(options: ReplicasOptions = {}): Promise<{
    readonly db: ReplicaPool
    readonly standby: ConnectionPool
    [Symbol.asyncDispose](): Promise<void>
  }> {
    const { nodes } = await cluster()
    const [primary, standby] = nodes.map(({ name, url }) =>
      createPool({ driver: make(), connection: url, name, max: 4 }),
    ) as [ConnectionPool, ConnectionPool]
    // A busy machine must not make the replica too old.
    const db = withReplicas(primary, [standby], { maxStalenessMs: 60_000, ...options })
    await untilFitting(db, [standby.name])
    return { db, standby, [Symbol.asyncDispose]: () => db.close({ timeoutMs: 1_000 }) }
  }

  it('T62: a read that a standby refuses for being one is answered by the primary, and its like go there straight', async () => {
    await using setting = await connect()
    const { db, standby } = setting
    const session = db.session()
    const ways: ((text: string) => Promise<QueryResult>)[] = [
      (text) => db.reader().query(text),
      (text) => db.query(text, [], { intent: 'read' }),
      (text) => session.reader().query(text),
      (text) => db.query(`/* poolhouse: read */ ${text}`),
    ]
    for (const text of REFUSED) {
      const before = standby.stats().counters.acquired
      // What asks for the server itself may not be hinted to a replica.
      for (const way of text.includes('pg_') ? ways.slice(0, 3) : ways) {
        const { rows, node } = await way(text)
        expect([text, node, rows.length]).toEqual([text, 'a', 1])
      }
      expect([text, standby.stats().counters.acquired - before]).toEqual([text, 1])
    }
    expect((await db.reader().query('select 1')).node).toBe(standby.name)
  })

  it('T62: a stream or a copy that a standby refuses for being one begins on the primary', async () => {
    await using setting = await connect()
    const { db } = setting
    for (const pool of [db.reader(), db.session().reader()]) {
      for (const text of ['select id from u', 'select id from parts', 'select count_u() as id']) {
        for (let call = 0; call < 2; call++) {
          const rows: unknown[] = []
          for await (const row of pool.stream(text)) rows.push(row)
          expect([text, rows.length]).toEqual([text, 1])
        }
      }
      for (const text of [
        'copy u to stdout',
        'copy part to stdout',
        'copy (select id from parts) to stdout',
      ]) {
        let copied = ''
        for await (const piece of pool.copyTo(text)) copied += Buffer.from(piece).toString()
        expect([text, copied]).toEqual([text, '1\n'])
      }
    }
  })

  it('T62: a read-only transaction is run again on the primary if retry allows it, and its error says that it may be', async () => {
    await using setting = await connect()
    const { db, standby } = setting
    const nodes: (string | undefined)[] = []
    const work = async (pool: ReplicaPool | ReturnType<ReplicaPool['reader']>, attempts: number) =>
      await pool.transaction(
        async (tx) => {
          nodes.push((await tx.query('select 1')).node)
          return (await tx.query('select id from u')).rows
        },
        { readOnly: true, retry: { attempts } },
      )
    for (const pool of [db, db.reader(), db.session().reader()]) {
      nodes.length = 0
      expect(await work(pool, 2)).toEqual([{ id: 1 }])
      expect(nodes).toEqual([standby.name, 'a'])
      await expect(work(pool, 1)).rejects.toMatchObject({
        code: '0A000',
        executed: 'no',
        retryable: true,
      })
    }
    await expect(db.reader().use((lease) => lease.query('select id from u'))).rejects.toMatchObject(
      { code: '0A000', executed: 'no' },
    )
    await using lease = await db.reader().acquire()
    await expect(lease.query('select id from u')).rejects.toMatchObject({ code: '0A000' })
  })

  it('T62: what is serializable, or writes, or was said by a function of the user, is as it was', async () => {
    await using setting = await connect()
    const { db, standby } = setting
    const level = await db
      .reader()
      .transaction(async (tx) => (await tx.query('show transaction_isolation')).rows, {
        isolation: 'serializable',
      })
    expect(level).toEqual([{ transaction_isolation: 'serializable' }])
    for (const text of WRITES) {
      await expect(db.reader().query(text), text).rejects.toMatchObject({ name: 'ReadIntentError' })
    }
    if (version === 14) {
      await expect(db.reader().query('select lo_create(0)')).rejects.toMatchObject({
        name: 'ReadIntentError',
        cause: { code: 'XX000' },
      })
    }
    const before = standby.stats().counters.acquired
    await expect(db.reader().query('select raises()')).rejects.toMatchObject({
      code: '0A000',
      executed: 'rolled-back',
    })
    expect(standby.stats().counters.acquired - before).toBe(1)
  })

  it.each(['conservative', 'optimistic'] as const)(
    'T62: with classify %s a statement that a standby refuses for being one runs on the primary, unless a function raised that',
    async (classify) => {
      await using setting = await connect({ classify })
      const { db, standby } = setting
      for (const text of ['select id from u', 'select id from of_u', 'select count_u() as id']) {
        for (let call = 0; call < 2; call++) {
          expect([text, (await db.query(text)).node]).toEqual([text, 'a'])
          for await (const _row of db.stream(text));
        }
      }
      expect(db.explainRoute('select id from u').target).toBe('primary')
      const before = standby.stats().counters.acquired
      await expect(db.query('select raises()')).rejects.toMatchObject({ code: '0A000' })
      const asked = standby.stats().counters.acquired - before
      expect(asked).toBe(classify === 'optimistic' ? 1 : 0)
    },
  )
})

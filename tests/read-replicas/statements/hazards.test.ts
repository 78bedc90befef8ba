import { type ConnectionPool, createPool } from '@poolhouse/core'
import {
  lexerClassifier,
  type ReplicaPool,
  type StatementClassifier,
  withReplicas,
} from '@poolhouse/read-replicas'
import { parserClassifier } from '@poolhouse/read-replicas/parser'
import type { ClusterNode } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../../support/every-server.js'
import { until, untilFitting } from '../replica-cluster.js'

const OBJECTS = [
  'create table t(id int)',
  'insert into t values (1)',
  'create sequence s',
  'create table orders(id serial)',
  "create function grab(t) returns boolean language sql as 'select pg_try_advisory_lock(7)'",
  "create function grab(bigint) returns boolean language sql as 'select pg_try_advisory_lock($1)'",
  // Called like functions of the server that do no harm.
  "create function lower(t) returns boolean language sql as 'select pg_try_advisory_lock(7)'",
  "create function public.substring(t, int) returns boolean language sql as 'select pg_try_advisory_lock(7)'",
  "create function upper(date) returns boolean language sql as 'select pg_try_advisory_lock(7)'",
  "create function seen(boolean, t) returns boolean language sql as 'select pg_try_advisory_lock(7)'",
  'create aggregate max(t) (sfunc = seen, stype = boolean)',
  'create sequence "Numbers"',
  'create schema other',
  'create sequence other.tickets',
  'grant usage on schema other to public',
  'grant all on all sequences in schema other to public',
  'create table done(id int)',
  'grant all on all tables in schema public to public',
  'grant all on all sequences in schema public to public',
]

/** What a standby would do, and wrongly. */
const SILENT = [
  'select (1::bigint).pg_advisory_lock',
  'select (array[1::bigint])[1].pg_try_advisory_lock',
  'select x.pg_try_advisory_lock from generate_series(1::bigint, 1) x',
  'select (0.5::float8).setseed',
  'select x.setseed from unnest(array[0.5::float8]) x',
  'select last_value from s',
  'select s.last_value, s."log_cnt" from s',
  'select * from pg_sequences',
  'select * from orders_id_seq',
  'table orders_id_seq',
  "select pg_sequence_last_value('s')",
  "select ('s'::regclass).pg_sequence_last_value",
  'select * from s',
  'table s',
  'table only public.s',
  'select x.* from t, s x',
  'select * from (s cross join t)',
  'select * from t, (select 1 where true) x, other.tickets',
  'select * from "Numbers"',
]
/** What calls a function of the user, in ways that do not look like it. */
const OWN = [
  'select (t).grab from t',
  'select (1::bigint).grab',
  'select (id::bigint).grab from t',
  'select t.grab from t',
  'select x.grab from generate_series(1::bigint, 2) x',
  'select public.t.grab from public.t',
  'select extract(epoch from now()) from t where t.grab',
  'select t.lower from t',
  'select lower(t) from t',
  'select max(t) from t',
  'select substring(t, 1) from t',
  'select upper(current_date)',
]
/** What tells nothing to be afraid of. */
const READS = [
  'select t.id, t.* from t',
  "select pg_catalog.lower('A')",
  'select id as s from t order by s',
  'select s.id, count(*) from t s group by s.id',
  'select c.relname from pg_catalog.pg_class c where c.oid = 1259',
  'select id operator(pg_catalog.+) 1 as last_value from t',
]

const classifiers: [string, () => Promise<StatementClassifier>][] = [
  ['tokens, conservative', async () => lexerClassifier()],
  ['tokens, optimistic', async () => lexerClassifier({ mode: 'optimistic' })],
  ['the parser, conservative', async () => await parserClassifier()],
  ['the parser, optimistic', async () => await parserClassifier({ mode: 'optimistic' })],
]

describe.each(everyServer({ replicas: 1, auth: 'trust' }))(
  'over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    beforeAll(async () => {
      const [primary, replica] = (await cluster()).nodes as [ClusterNode, ClusterNode]
      const there = "select to_regclass('done') is not null as there"
      const [made] = await primary.sql<{ there: boolean }>(there)
      if (!made!.there) for (const sql of OBJECTS) await primary.sql(sql)
      await until(
        () => replica.sql<{ there: boolean }>(there),
        ([row]) => row?.there === true,
      )
    }, 120_000)

    async function connect(classify: StatementClassifier): Promise<{
      readonly db: ReplicaPool
      readonly standby: ConnectionPool
      [Symbol.asyncDispose](): Promise<void>
    }> {
      const { nodes } = await cluster()
      const [primary, standby] = nodes.map(({ name, url }) =>
        createPool({ driver: make(), connection: url, name, max: 4 }),
      ) as [ConnectionPool, ConnectionPool]
      const db = withReplicas(primary, [standby], { classify, maxStalenessMs: 60_000 })
      await untilFitting(db, [standby.name])
      await db.ready({ timeoutMs: 10_000 })
      return { db, standby, [Symbol.asyncDispose]: () => db.close({ timeoutMs: 1_000 }) }
    }

    it.each(classifiers)(
      'T59: what a replica would do wrongly never goes there by its text, in any notation, as %s',
      async (mode, classifier) => {
        await using setting = await connect(await classifier())
        const { db, standby } = setting
        const own = mode.includes('conservative') ? OWN : []
        for (const text of [...SILENT, ...own]) {
          const before = standby.stats().counters.acquired
          // The primary may refuse it: a lock of a session has no place in a pool.
          await db.query(text, [], { timeoutMs: 5_000 }).catch(() => undefined)
          await drain(db.stream(text)).catch(() => undefined)
          await drain(db.copyTo(`copy (${text}) to stdout`)).catch(() => undefined)
          const asked = standby.stats().counters.acquired - before
          expect([text, asked, db.explainRoute(text).target]).toEqual([text, 0, 'primary'])
        }
        for (const text of READS) expect([text, (await db.query(text)).node]).toEqual([text, 'b'])
        const { rows } = await standby.query(
          "select count(*)::int as locks from pg_locks where locktype = 'advisory'",
        )
        expect(rows).toEqual([{ locks: 0 }])
      },
    )

    it('T59: what the pool itself makes counts at once, and names of extensions hide nothing', async () => {
      await using setting = await connect(lexerClassifier())
      const { db, standby } = setting
      const name = `made_${standby.name}_${Date.now()}`
      const text = `select t.${name} from t`
      expect(db.explainRoute(text).target).toBe('replica')
      await db.query(
        `create function ${name}(t) returns boolean language sql as 'select pg_try_advisory_lock(7)'`,
      )
      await db.query('create extension if not exists pg_trgm')
      await db.query('create extension if not exists pgcrypto')
      expect(db.explainRoute(text).target).toBe('primary')
      await db.ready({ timeoutMs: 10_000 })
      expect(db.explainRoute(text).target).toBe('primary')
      for (const known of ["select digest('a', 'sha1')", "select similarity('a', 'b')"])
        expect([known, db.explainRoute(known).target]).toEqual([known, 'replica'])
      await db.query(`drop function ${name}(t)`)
    })

    it('T59: the names are told to any role, whatever its settings are', async () => {
      const { nodes } = await cluster()
      const [primary] = nodes as [ClusterNode]
      await primary.sql('drop role if exists plain')
      await primary.sql('create role plain login')
      for (const set of [
        'search_path = other',
        "default_transaction_isolation = 'serializable'",
        'default_transaction_read_only = on',
      ])
        await primary.sql(`alter role plain set ${set}`)
      const [first, second] = nodes.map(({ name, url }) => {
        const connection = new URL(url)
        connection.username = 'plain'
        return createPool({ driver: make(), connection: String(connection), name, max: 4 })
      }) as [ConnectionPool, ConnectionPool]
      const options = { classify: 'conservative', maxStalenessMs: 60_000 } as const
      await using db = withReplicas(first, [second], options)
      await untilFitting(db, [second.name])
      await until(
        async () => {
          await db.ready({ timeoutMs: 10_000 })
          return db.explainRoute('select 1').target
        },
        (target) => target === 'replica',
      )
      for (const text of ['select t.grab from t', 'select * from s'])
        expect([text, db.explainRoute(text).target]).toEqual([text, 'primary'])
    })

    it('T59: a name in writes keeps a call in attribute notation on the primary', async () => {
      await using setting = await connect(
        lexerClassifier({ mode: 'optimistic', writes: ['public.grab'] }),
      )
      const { db } = setting
      for (const text of OWN.filter((own) => /\bgrab\b/.test(own))) {
        expect([text, db.explainRoute(text).target]).toEqual([text, 'primary'])
        await expect(db.query(`/* poolhouse: read */ ${text}`)).rejects.toMatchObject({
          name: 'ReadIntentError',
        })
      }
    })
  },
)

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _one of stream);
}

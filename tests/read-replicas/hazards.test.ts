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
import { everyServer } from '../support/every-server.js'
import { until, untilFitting } from './replica-cluster.js'

const OBJECTS = [
  'create table t(id int)',
  'insert into t values (1)',
  'create sequence s',
  'create table orders(id serial)',
  "create function grab(t) returns boolean language sql as 'select pg_try_advisory_lock(7)'",
  "create function grab(bigint) returns boolean language sql as 'select pg_try_advisory_lock($1)'",
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
]
/** What calls a function of the user, in ways that do not look like it. */
const OWN = ['select (t).grab from t', 'select (1::bigint).grab', 'select (id::bigint).grab from t']
/** What tells nothing to be afraid of. */
const READS = [
  'select t.id, t.* from t',
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

    it('T59: a name in writes keeps a call in attribute notation on the primary', async () => {
      await using setting = await connect(
        lexerClassifier({ mode: 'optimistic', writes: ['public.grab'] }),
      )
      const { db } = setting
      for (const text of ['select t.grab from t', ...OWN]) {
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

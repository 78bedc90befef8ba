import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import type { Cluster } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../../support/every-server.js'
import { until } from '../replica-cluster.js'

/** What a role may be set to, and what our own statements must not mind. */
const SETTINGS: readonly (readonly [setting: string, value: string, since: number])[] = (
  [
    ['default_transaction_isolation', 'serializable'],
    ['default_transaction_deferrable', 'on'],
    ['statement_timeout', "'1ms'"],
    ['lock_timeout', "'1ms'"],
    ['transaction_timeout', "'1s'", 17],
    ['idle_session_timeout', "'300ms'"],
    ['idle_in_transaction_session_timeout', "'50ms'"],
    ['search_path', 'nowhere'],
    ['bytea_output', 'escape'],
    ['datestyle', "'SQL, DMY'"],
    ['intervalstyle', 'iso_8601'],
    ['timezone', "'Asia/Kolkata'"],
    ['standard_conforming_strings', 'off'],
    ['extra_float_digits', '-15'],
    ['client_encoding', 'latin1'],
    ['row_security', 'off'],
    ['plan_cache_mode', 'force_generic_plan'],
    ['quote_all_identifiers', 'on'],
    ['role', 'app_group'],
  ] as const
).map(([setting, value, since = 14]) => [setting, value, since] as const)

describe.each(everyServer({ replicas: 1 }))(
  'what a role is set to, over $driver on PostgreSQL $version',
  ({ make, version, cluster: clusterOf }) => {
    let cluster: Cluster

    beforeAll(async () => {
      cluster = await clusterOf()
      await cluster.primary.sql(`do $$ begin
        if not exists (select from pg_roles where rolname = 'set_role') then
          create role app_group; create role set_role login password 'secret' in role app_group;
          create table public.notes (n int); grant all on public.notes to public; grant create on schema public to public;
        end if; end $$`)
    }, 120_000)

    const urls = (): string[] =>
      cluster.nodes.map(({ url }) => {
        const address = new URL(url)
        address.username = 'set_role'
        address.password = 'secret'
        return address.href
      })

    const pools = () =>
      urls().map((connection, index) =>
        createPool({ driver: make(), connection, name: index === 0 ? 'a' : 'b', max: 4 }),
      )

    const has = SETTINGS.filter(([, , since]) => since <= version)
    it.each(has)(
      'T63: %s = %s keeps no replica away, and no primary',
      async (setting, value) => {
        await cluster.primary.sql(`alter role set_role reset all`)
        await cluster.primary.sql(`alter role set_role set ${setting} to ${value}`)
        await until(
          async () =>
            (
              await cluster.replicas[0]!.sql<{ n: number }>(
                `select count(*)::int as n from pg_db_role_setting s join pg_roles r on r.oid = setrole where rolname = 'set_role' and setconfig::text ilike '%${setting}=%'`,
              )
            )[0]?.n,
          (n) => n === 1,
        )
        const [primary, replica] = pools()
        await using plain = withReplicas(primary!, [replica!])
        const fits = (db: typeof plain): string =>
          db
            .explainRoute('select 1', { intent: 'read' })
            .candidates.map((c) => `${c.node} ${c.eligible} ${c.eligible ? '' : c.reason}`)
            .join()
        await until(
          () => fits(plain),
          (seen) => seen.startsWith('b true'),
          6_000,
        )
        const [one, two] = pools()
        const followed = withFailover([one!, two!])
        await using routed = withReplicas(followed, followed.topology)
        await until(
          () => followed.topology.current.nodes.map(({ state }) => state).join(),
          (seen) => seen === 'primary,replica',
          6_000,
        )
        await until(
          () => fits(routed),
          (seen) => seen.includes('b true'),
          6_000,
        )
        // What a time limit does to the caller's own statements is what it is for.
        if (!setting.endsWith('statement_timeout')) {
          for (const db of [plain, routed]) {
            for (let read = 0; read < 5; read++) {
              expect((await db.reader().query('select 1 as n')).node).toBe('b')
              // Between BEGIN and the statement this process may have no processor for 50 ms.
              if (setting === 'idle_in_transaction_session_timeout') continue
              const node = await db.transaction(async (tx) => (await tx.query('select 1')).node, {
                readOnly: true,
              })
              expect(node).toBe('b')
            }
            const [row] = (
              await db.reader().query("select current_setting('transaction_isolation') as level")
            ).rows
            const isSerializable = value === 'serializable'
            expect(row).toEqual({ level: isSerializable ? 'repeatable read' : 'read committed' })
            const streamed: unknown[] = []
            for await (const one of db.reader().stream('select 1 as n')) streamed.push(one)
            expect(streamed).toEqual([{ n: 1 }])
            expect(
              await db.use(async (lease) => (await lease.query('select 1')).node, {
                intent: 'read',
              }),
            ).toBe('b')
          }
        }
      },
      40_000,
    )
  },
)

import {
  type ConnectionPool,
  cleanMarkers,
  createPool,
  type Driver,
  InDoubtError,
  markerTable,
  type PoolOptions,
} from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { createManager, type Manager, type TenantTarget } from '@poolhouse/manager'
import { withReplicas } from '@poolhouse/read-replicas'
import { type ClusterNode, startFaultProxy } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { until } from '../support/until.js'

// Every function that a statement of ours calls, and aggregates among them.
const FUNCTIONS = [
  ...[
    'pg_backend_pid',
    'version',
    'current_setting',
    'set_config',
    'lower',
    'now',
    'host',
    'substr',
  ],
  ...['inet_server_addr', 'inet_server_port', 'pg_is_in_recovery', 'pg_last_wal_replay_lsn'],
  ...[
    'pg_current_wal_insert_lsn',
    'pg_current_wal_flush_lsn',
    'pg_current_wal_lsn',
    'pg_last_wal_receive_lsn',
    'pg_walfile_name',
  ],
  ...[
    'pg_is_wal_replay_paused',
    'pg_postmaster_start_time',
    'pg_control_system',
    'format',
    'count',
  ],
  ...['pg_control_checkpoint', 'pg_control_recovery', 'pg_current_xact_id', 'pg_xact_status'],
  ...['pg_terminate_backend', 'pg_read_file', 'pg_advisory_unlock_all', 'int4div', 'concat'],
  ...['pg_prepared_statement', 'pg_notify', 'pg_stat_get_activity', 'quote_ident', 'greatest'],
]
const TYPES = ['text', 'json', 'bool', 'timestamptz', 'xid', 'xid8', 'int4', 'name', 'pg_lsn']
const VIEWS = [
  'pg_stat_activity',
  'pg_settings',
  'pg_stat_wal_receiver',
  'pg_stat_archiver',
  'pg_prepared_statements',
  'pg_type',
]
const OPERATORS: readonly (readonly [sign: string, left: string, right: string])[] = [
  ...['=', '<>', '~~', '||', '<'].map((sign) => [sign, 'text', 'text'] as const),
  ...['=', '-', '<', '<=', '>'].map((sign) => [sign, 'int4', 'int4'] as const),
  ...['<', '<=', '>'].map((sign) => [sign, 'timestamptz', 'timestamptz'] as const),
  ['=', 'xid', 'xid'],
  ['=', 'bool', 'bool'],
  ['=', 'name', 'text'],
  ['~~', 'name', 'text'],
  ['-', 'timestamptz', 'interval'],
  ['*', 'float8', 'interval'],
  ['||', 'text', 'int4'],
  ['||', 'text', 'anynonarray'],
  ['||', 'anynonarray', 'text'],
  ['->', 'json', 'text'],
]
const WORDS = new Set(
  'select from where and or else exists filter in case then when extract greatest coalesce bit operator values as interval conflict poolhouse_marker key'.split(
    ' ',
  ),
)

/** Everything that a statement of ours names, in front of the catalogue, and of no use. */
async function makeEvil(node: ClusterNode): Promise<void> {
  await node.sql('drop schema if exists evil cascade')
  await node.sql('create schema evil')
  await node.sql('grant usage on schema evil to app')
  await node.sql(`do $do$
    declare f record;
    begin
      for f in select p.proname, oidvectortypes(p.proargtypes) as types from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any('{${FUNCTIONS.join()}}')
          and not exists (select from unnest(p.proargtypes::oid[]) a where a in ('"any"'::regtype, 'internal'::regtype))
      loop
        execute format('create function evil.%I(%s) returns int language plpgsql as $f$ begin raise exception ''evil function %s''; end $f$',
          f.proname, f.types, f.proname);
      end loop;
    end $do$`)
  for (const [index, [sign, left, right]] of OPERATORS.entries()) {
    const arguments_ = `pg_catalog.${left}, pg_catalog.${right}`
    await node.sql(
      `create function evil.operator_${index}(${arguments_}) returns bool language plpgsql as $$ begin raise exception 'evil operator ${sign}'; end $$`,
    )
    await node.sql(
      `create operator evil.${sign} (leftarg = pg_catalog.${left}, rightarg = pg_catalog.${right}, function = evil.operator_${index})`,
    )
  }
  for (const type of TYPES) {
    await node.sql(`create domain evil.${type} as pg_catalog.${type} check (false)`)
  }
  for (const view of VIEWS) {
    await node.sql(`create view evil.${view} as select 1 / 0 as evil`)
    await node.sql(`grant select on evil.${view} to app`)
  }
}

/** A driver that tells the text of each statement. */
function recording(driver: Driver, texts: Set<string>): Driver {
  return {
    ...driver,
    connect: async (context) => {
      const connection = await driver.connect(context)
      const run = connection.run.bind(connection)
      connection.run = (statement, done) => {
        texts.add(statement.text)
        run(statement, done)
      }
      return connection
    },
  }
}

/** Calls, casts and operators of a text that are not named with their schema. */
function unqualified(text: string): string[] {
  const bare = text
    .replaceAll(/E?'(?:[^']|'')*'/g, "''")
    .replaceAll(/OPERATOR\(pg_catalog\.\S+\)/gi, ' ')
  const calls = [...bare.matchAll(/(?<![\w.$"])([a-z_]\w*)\s?\(/gi)].map(([, name]) =>
    name!.toLowerCase(),
  )
  const casts = [...bare.matchAll(/::([a-z_]\w*)(?!\w|\.)/g)].map(([, name]) => name!)
  const operators =
    bare.match(/(?<![:\w])(?:\|\||<=|>=|<>|<|>|->|\blike\b|\bis distinct\b)/gi) ?? []
  return [
    ...calls.filter((name) => !WORDS.has(name)),
    ...casts.filter((name) => !['int', 'boolean', 'bit', 'double'].includes(name)),
    ...operators,
  ]
}

describe.each(everyServer({ replicas: 1, synchronous: false }))(
  'names in front of the catalogue, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const texts = new Set<string>()
    // What an application runs itself is named as it has to be.
    const own = new Set<string>()
    const ask = (text: string): string => {
      own.add(text)
      return text
    }

    const evil = (url: string): string =>
      `${url}${url.includes('?') ? '&' : '?'}options=${encodeURIComponent('-c search_path=evil,pg_catalog,public')}`
    const pool = (url: string, options: Partial<PoolOptions> = {}): ConnectionPool => {
      const made = createPool({
        driver: recording(make(), texts),
        connection: evil(url),
        max: 2,
        ...options,
      })
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      return made
    }

    beforeAll(async () => {
      const { primary } = await cluster()
      await primary.sql(`drop table if exists public.poolhouse_marker, public.notes`)
      await primary.sql(markerTable)
      await primary.sql('create table public.notes (n int)')
      await primary.sql('grant all on public.poolhouse_marker, public.notes to app')
      await makeEvil(primary)
    }, 60_000)

    it('T37: the schema does what it is for', async () => {
      const one = pool((await cluster()).primary.url)
      for (const text of [
        'select now()',
        'select 1 = 1',
        "select 'a'::text",
        'table pg_settings',
      ]) {
        expect(await failureOf(one.query(ask(text)))).toMatchObject({ name: 'DatabaseError' })
      }
    })

    it.each(['auto', 'always'] as const)(
      'T37: sessions are opened, reset, listened on, streamed and cleaned with reset %s',
      async (reset) => {
        const { primary } = await cluster()
        const one = pool(primary.url, { reset, max: 1 })
        for (let round = 0; round < 3; round++) {
          await one.use(async (lease) => {
            await lease.query(ask("set lock_timeout = '1s'"))
            await lease.query(ask('prepare left_behind as select 1'))
            await lease.query(ask('listen news'))
            await lease.query(ask('begin'))
          })
        }
        const heard: string[] = []
        const listener = pool(primary.url, { max: 1 })
        await listener.listen('news', (payload) => heard.push(payload))
        await one.query(ask("select pg_catalog.pg_notify('news', 'hot')"))
        await until(() => heard.length > 0, 'the notification')
        const rows: unknown[] = []
        for await (const row of one.stream(ask('select 1 as n'))) rows.push(row)
        expect(rows).toEqual([{ n: 1 }])
      },
    )

    it('T37: keys of transactions are put, found and cleaned', async () => {
      const one = pool((await cluster()).primary.url)
      let done = 0
      for (let round = 0; round < 2; round++) {
        const result = await one.transaction(async () => ({ done: ++done }), {
          idempotencyKey: 'k',
        })
        expect(result).toEqual({ done: 1 })
      }
      expect(await cleanMarkers(one, { olderThanMs: 1e9 })).toBe(0)
      expect(await cleanMarkers(one, { olderThanMs: 0 })).toBe(1)
    })

    it('T37: nodes are probed, and the outcome of a transaction is found', async () => {
      const [a, b] = (await cluster()).nodes
      const proxy = await startFaultProxy(a!.url)
      const through = new URL(a!.url)
      through.port = String(proxy.port)
      const whole = withFailover([pool(through.href, { name: 'a' }), pool(b!.url, { name: 'b' })], {
        probe: { intervalMs: 100, timeoutMs: 2_000 },
      })
      onTestFinished(async () => {
        await whole.close({ timeoutMs: 0 })
        await proxy[Symbol.asyncDispose]()
      })
      await whole.query(ask('select 1'))
      await until(() => whole.topology.current.replicas.length === 1, 'the replica')
      const { primary, replicas } = whole.topology.current
      expect([primary, ...replicas].map((node) => JSON.stringify(node))).toEqual([
        expect.stringContaining('a'),
        expect.stringContaining('b'),
      ])
      const insert = { text: ask('insert into notes values ($1)'), values: [1] }
      for (const [lose, outcome] of [
        [() => proxy.dropCommitAnswer(), 'committed'],
        [() => proxy.dropCommitRequest(), 'aborted'],
      ] as const) {
        lose()
        const error = await failureOf(whole.transaction((tx) => tx.query(insert)))
        expect(error).toBeInstanceOf(InDoubtError)
        expect(await (error as InDoubtError).resolve()).toBe(outcome)
      }
    })

    it('T37: replicas are sampled, and a session reads what it has written', async () => {
      const [a, b] = (await cluster()).nodes
      const replica = pool(b!.url, { name: 'b' })
      const whole = withReplicas(pool(a!.url, { name: 'a' }), [replica])
      onTestFinished(() => whole.close({ timeoutMs: 0 }))
      await until(
        async () => (await whole.query(ask('select 1 as n'), [], { intent: 'read' })).node === 'b',
        'a read on the replica',
      )
      const session = whole.session()
      await session.query(ask('insert into notes values (2)'))
      expect(session.token).toEqual(expect.any(String))
      const { rows } = await session.query(ask('select n from notes'), [], { intent: 'read' })
      expect(rows).toContainEqual({ n: 2 })
    })

    it('T37: a manager counts connections and serves its tenants', async () => {
      const { primary } = await cluster()
      const made = createManager({
        drivers: { only: recording(make(), texts) },
        databases: { app: { primary: evil(primary.url), pool: { max: 3 } } },
        budget: { perServer: 'auto', instances: 'discover' },
        tenants: {
          resolve: (id): TenantTarget =>
            id === 'rows' ? { settings: { 'app.tenant': id } } : { schema: { name: 'public' } },
        },
      }) as Manager
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      const own_ = ask("select pg_catalog.current_setting('app.tenant') as tenant")
      expect((await made.tenant('rows').query(own_)).rows).toEqual([{ tenant: 'rows' }])
      await made.tenant('schema').query(ask('select n from notes'))
      await made.ready()
      await until(() => [...texts].some((text) => text.includes('max_connections')), 'the census')
    })

    it('T37: every function, operator and type that was sent by itself was named with its schema', () => {
      const sent = [...texts].filter((text) => !own.has(text))
      expect(sent.length).toBeGreaterThan(12)
      const wrong = sent
        .map((text) => [unqualified(text), text])
        .filter(([found]) => found!.length > 0)
      expect(wrong).toEqual([])
    })
  },
)

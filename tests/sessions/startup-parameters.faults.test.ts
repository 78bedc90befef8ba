import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import { createManager, type Manager } from '@poolhouse/manager'
import { type PgBouncer, type PgBouncerOptions, startPgBouncer } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

const MODES = ['session', 'transaction'] as const
type Mode = (typeof MODES)[number]

/** What applications ask for, in forms that the server shows in another one. */
const ACCEPTED = {
  statement_timeout: 60_000,
  lock_timeout: '1min',
  idle_in_transaction_session_timeout: '90 s',
  work_mem: '65536kB',
  jit: true,
  enable_seqscan: 'no',
  DateStyle: 'German',
  timezone: 'europe/berlin',
  default_transaction_isolation: 'Repeatable Read',
  search_path: ' "Acme Inc" , public',
  'app.tenant': 'it\'s \\ "quoted" öü',
  extra_float_digits: 2,
  client_min_messages: 'WARNING',
  application_name: 'mine',
} as const

describe.each(everyServer())(
  'what was asked for at start-up, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const bouncers = new Map<Mode, PgBouncer>()

    const connectionOf = (url: string, parameters: Record<string, string | number | boolean>) => {
      const { username, password, hostname, port, pathname } = new URL(url)
      return {
        host: hostname,
        port: Number(port),
        user: decodeURIComponent(username),
        password: decodeURIComponent(password),
        database: pathname.slice(1),
        parameters,
      }
    }
    const pool = (options: Omit<PoolOptions, 'driver'>): ConnectionPool => {
      const made = createPool({ driver: make(), name: 'asking', max: 2, ...options })
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      return made
    }
    const manager = (url: string, options: Partial<PoolOptions> = {}): Manager => {
      const made = createManager({
        drivers: { only: make() },
        databases: { app: { primary: url, pool: options as never } },
        tenants: { resolve: (id) => ({ schema: id }) },
      }) as Manager
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      return made
    }
    const start = async (options: Partial<PgBouncerOptions>): Promise<PgBouncer> =>
      await startPgBouncer({
        target: (await cluster()).primary.url,
        auth: 'scram-sha-256',
        poolSize: 2,
        settings: { ignore_startup_parameters: 'options,extra_float_digits' },
        ...options,
      })

    // The first one on a machine fetches PgBouncer.
    beforeAll(async () => {
      const { primary } = await cluster()
      for (const tenant of ['acme', 'globex']) {
        await primary.sql(`drop schema if exists ${tenant} cascade; create schema ${tenant}`)
        await primary.sql(`create table ${tenant}.orders as select '${tenant}' as owner`)
        await primary.sql(`grant all on schema ${tenant} to app`)
        await primary.sql(`grant all on ${tenant}.orders to app`)
      }
      for (const poolMode of MODES) bouncers.set(poolMode, await start({ poolMode }))
    }, 180_000)
    afterAll(async () => {
      for (const bouncer of bouncers.values()) await bouncer.stop()
    })

    describe.each(
      MODES.flatMap((mode) => [
        { mode, pooler: undefined },
        { mode, pooler: 'none' as const },
      ]),
    )('behind PgBouncer in $mode mode that drops it, with pooler $pooler', ({ mode, pooler }) => {
      const url = (): string => bouncers.get(mode)!.url

      it('T71: tenants in schemas are refused, and none reads the rows of another', async () => {
        const { primary } = await cluster()
        // Where the session would lead to: the rows of one tenant.
        await primary.sql('alter role app set search_path = acme')
        onTestFinished(async () => void (await primary.sql('alter role app reset search_path')))
        const bouncer = await start({ poolMode: mode })
        onTestFinished(() => bouncer.stop())
        const tenants = manager(bouncer.url, { pooler })
        const read = 'select owner from orders'
        const seen: unknown[] = []
        for (const id of ['acme', 'globex', 'globex']) {
          const error = await failureOf(
            tenants
              .tenant(id)
              .query(read)
              .then(({ rows }) => seen.push(...rows)),
          )
          expect(error).toMatchObject({ name: 'ConnectError', fatal: true, executed: 'no' })
          expect(error.message).toContain('search_path')
          expect(error.message).toContain(`"\\"${id}\\""`)
          expect(error.message).toContain('ignore_startup_parameters')
          expect(error.message).toContain('pooler')
        }
        expect(seen).toEqual([])
      })

      it.each([
        [{ statement_timeout: 1234 }, '"1234"', '"0"'],
        [{ search_path: 'globex' }, '"globex"', '"\\"$user\\", public"'],
        [{ TimeZone: 'Asia/Tokyo' }, '"Asia/Tokyo"', ''],
        [{ DateStyle: 'German' }, '"German"', ''],
        [{ default_transaction_read_only: true }, '"true"', '"off"'],
      ])('T71: %j is missed by every way to open a session', async (parameters, asked, has) => {
        const one = pool({ connection: connectionOf(url(), parameters), pooler })
        for (const call of [
          () => one.query('select 1'),
          () => one.acquire(),
          () => one.openSession(),
          // Behind a pooler that was noticed there is no listening at all.
          ...(pooler === 'none' ? [() => one.listen('jobs', () => {})] : []),
        ]) {
          const error = await failureOf(call())
          expect(error).toMatchObject({ name: 'ConnectError', fatal: true, executed: 'no' })
          expect(error.message).toContain(Object.keys(parameters)[0])
          expect(error.message).toContain(`was asked for as ${asked}`)
          expect(error.message).toContain(`the session has ${has}`)
        }
        expect(one.stats().total).toBe(0)
      })

      it('T71: an own parameter that is missed is named, and its value is not told', async () => {
        const parameters = { 'app.token': 'secret 4711' }
        const one = pool({ connection: connectionOf(url(), parameters), pooler })
        const error = await failureOf(one.query('select 1'))
        expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
        expect(error.message).toContain('connection.parameters.app.token')
        expect(error.message).not.toContain('4711')
      })

      it('T71: what the role of the server is given comes through all the same', async () => {
        const { primary } = await cluster()
        await primary.sql("alter role app set lock_timeout = '5s'")
        onTestFinished(async () => void (await primary.sql('alter role app reset lock_timeout')))
        const bouncer = await start({ poolMode: mode })
        onTestFinished(() => bouncer.stop())
        const one = pool({
          connection: connectionOf(bouncer.url, { lock_timeout: 5_000 }),
          pooler,
        })
        expect((await one.query('show lock_timeout')).rows).toEqual([{ lock_timeout: '5s' }])
      })

      it('T71: a pool that asks for nothing works', async () => {
        const one = pool({ connection: url(), pooler })
        expect((await one.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      })
    })

    it.each([undefined, 'none', 'no pooler'] as const)(
      'T71: a server itself gives it, whatever form it shows it in (%s)',
      async (pooler) => {
        const { primary } = await cluster()
        const connection = connectionOf(primary.url, ACCEPTED)
        const one = pool({ connection, pooler: pooler === 'no pooler' ? undefined : pooler })
        await using lease = await one.acquire()
        const { rows } = await lease.query(
          "select current_setting('search_path') as path, current_setting('app.tenant') as tenant, current_setting('lock_timeout') as lock",
        )
        expect(rows).toEqual([
          { path: ACCEPTED.search_path, tenant: ACCEPTED['app.tenant'], lock: '1min' },
        ])
      },
    )

    it('T71: asking leaves nothing behind in the session', async () => {
      const { primary } = await cluster()
      const one = pool({ connection: connectionOf(primary.url, ACCEPTED), max: 1 })
      const changed =
        "select name, setting, reset_val from pg_settings where source = 'session' and setting <> reset_val"
      expect((await one.query(changed)).rows).toEqual([])
      const fresh = pool({ connection: primary.url, max: 1 })
      const settings = 'select name, setting from pg_settings order by name'
      const names = new Set(Object.keys(ACCEPTED).map((name) => name.toLowerCase()))
      // What the next transaction begins with, by its default.
      names.add('transaction_isolation')
      const others = async (from: ConnectionPool) =>
        (await from.query<{ name: string }>(settings)).rows.filter(
          ({ name }) => !names.has(name.toLowerCase()),
        )
      expect(await others(one)).toEqual(await others(fresh))
      // What was asked for is what a reset returns to.
      await one.use((lease) => lease.query('set lock_timeout = 7'))
      expect((await one.query('show lock_timeout')).rows).toEqual([{ lock_timeout: '1min' }])
    })

    it('T71: asking keeps no statement from being prepared', async () => {
      const { primary } = await cluster()
      for (const parameters of [{ search_path: 'acme' }, { TimeZone: 'europe/paris' }]) {
        const one = pool({ connection: connectionOf(primary.url, parameters), max: 1 })
        for (let n = 0; n < 5; n++) await one.query('select $1::int as n', [n])
        const { rows } = await one.query('select count(*)::int as n from pg_prepared_statements')
        expect(rows).toEqual([{ n: 1 }])
      }
    })

    it('T71: a parameter that is fixed after the start-up is accepted as well', async () => {
      const { primary } = await cluster()
      const { user, password } = { user: 'warden', password: 'warden 1' }
      await primary.sql(`drop role if exists ${user}`)
      await primary.sql(`create role ${user} login superuser password '${password}'`)
      const parameters = { ignore_system_indexes: 'true', lock_timeout: '2min' }
      const connection = { ...connectionOf(primary.url, parameters), user, password }
      const one = pool({ connection })
      expect((await one.query('show ignore_system_indexes')).rows).toEqual([
        { ignore_system_indexes: 'on' },
      ])
    })

    it('T71: tenants in schemas read their own rows from the server itself', async () => {
      const { primary } = await cluster()
      const tenants = manager(primary.url)
      for (const id of ['acme', 'globex', 'acme']) {
        const { rows } = await tenants.tenant(id).query('select owner from orders')
        expect(rows).toEqual([{ owner: id }])
      }
    })

    it('T71: a parser of ours for text and integers does not disturb the question', async () => {
      const { primary } = await cluster()
      const one = pool({
        connection: connectionOf(primary.url, ACCEPTED),
        types: { int4: (text) => `int ${text}`.slice(4), text: (text) => ({ text }) },
      })
      expect((await one.query('select 1::int8::text as one')).rows).toEqual([
        { one: { text: '1' } },
      ])
    })
  },
)

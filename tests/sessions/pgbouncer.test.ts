import {
  type ConnectionPool,
  createPool,
  type Driver,
  type PoolOptions,
  SessionStateError,
} from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import {
  type Cluster,
  type PgBouncerOptions,
  startCluster,
  startPgBouncer,
} from '@poolhouse/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { failureOf } from '../support/failure-of.js'
import { type Far, farAway } from '../support/far-away.js'
import { until } from '../support/until.js'

const drivers: readonly [name: string, driver: Driver][] = [
  ['node-postgres', nodePostgres()],
  ['postgres-js', postgresJs()],
]

let cluster: Cluster
/** With two server connections. */
let pgbouncer: FarBouncer

/** PgBouncer, and the way to it. */
interface FarBouncer extends Far {
  readonly ca: string | undefined
}

// The first one on a machine fetches PgBouncer.
beforeAll(async () => {
  cluster = await startCluster({ replicas: 0, auth: 'scram-sha-256' })
  pgbouncer = await start({ poolSize: 2 })
}, 180_000)
afterAll(async () => {
  await pgbouncer?.[Symbol.asyncDispose]()
  await cluster?.stop()
})

async function start(options: Partial<PgBouncerOptions>): Promise<FarBouncer> {
  const started = await startPgBouncer({
    target: cluster.primary.url,
    auth: 'scram-sha-256',
    ...options,
  })
  const far = await farAway(started.url)
  return {
    url: far.url,
    port: far.port,
    ca: started.ca,
    async [Symbol.asyncDispose]() {
      await far[Symbol.asyncDispose]()
      await started.stop()
    },
  }
}

const PID = 'select pg_backend_pid() as pid'
const running = (marker: string) => async (): Promise<boolean> => {
  const rows = await cluster.primary.sql(
    `select from pg_stat_activity where state = 'active' and query like '%' || $1 || '%' and pid <> pg_backend_pid()`,
    [marker],
  )
  return rows.length > 0
}

describe.each(drivers)('a pool behind PgBouncer, through %s', (_name, driver) => {
  function pool(options: Partial<PoolOptions> = {}, through: Far = pgbouncer): ConnectionPool {
    const made = createPool({
      driver,
      connection: through.url,
      name: 'bounced',
      pooler: 'pgbouncer',
      max: 6,
      ...options,
    })
    onTestFinished(() => made.close({ timeoutMs: 0 }))
    return made
  }

  beforeEach(async () => {
    await cluster.primary.sql('drop table if exists items; create table items (id int primary key)')
    await cluster.primary.sql('grant all on items to app')
  })

  it('serves more connections than the server has, with and without values, named or not', async () => {
    const bounced = pool()
    // Slow enough for the pooler to want its second session, which takes it some 20 ms to open.
    const statement = {
      text: 'select $1::int as n, pg_backend_pid() as pid, pg_sleep(0.01)',
      name: 'the_same',
    }
    const results = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const { rows } = await bounced.query<{ n: number; pid: number }>({
          ...statement,
          values: [n],
        })
        expect(rows[0]!.n).toBe(n)
        return rows[0]!.pid
      }),
    )
    expect(new Set(results).size).toBe(2)
    const prepared = await Promise.all(
      [1, 2].map(() => bounced.query('select name from pg_prepared_statements')),
    )
    expect(prepared.flatMap(({ rows }) => rows)).toEqual([])
  })

  it('keeps a transaction in one server session, and commits and rolls back', async () => {
    const bounced = pool()
    await Promise.all(
      Array.from({ length: 10 }, (_, id) =>
        bounced.transaction(async (tx) => {
          const first = (await tx.query<{ pid: number }>(PID)).rows[0]!.pid
          await tx.query("select set_config('app.id', $1, true)", [String(id)])
          await tx.query('insert into items values ($1)', [id])
          const kept = await tx.query(
            "select pg_backend_pid() as pid, current_setting('app.id') as id",
          )
          expect(kept.rows).toEqual([{ pid: first, id: String(id) }])
          if (id % 2 === 1) await tx.rollback()
        }),
      ),
    )
    const { rows } = await bounced.query('select id from items order by id')
    expect(rows).toEqual([0, 2, 4, 6, 8].map((id) => ({ id })))
    // What set_config made is gone with its transaction.
    const left = await bounced.query("select current_setting('app.id', true) as id")
    expect(left.rows[0]!['id'] ?? '').toBe('')
  })

  it('refuses what would stay behind in a server session, in and outside a transaction, and sends nothing', async () => {
    const bounced = pool({ max: 1 })
    const texts = [
      'set statement_timeout = 1',
      'listen jobs',
      'prepare p as select 1',
      'select pg_advisory_lock(1)',
      'create temp table t (a int)',
      'declare c cursor with hold for select 1',
      "select set_config('statement_timeout', '1', false)",
    ]
    for (const text of texts) {
      const outside = await failureOf(bounced.query(text))
      expect(outside).toBeInstanceOf(SessionStateError)
      expect(outside).toMatchObject({ code: 'POOLHOUSE_SESSION_STATE', executed: 'no' })
      const inside = await failureOf(bounced.transaction((tx) => tx.query(text)))
      expect(inside).toBeInstanceOf(SessionStateError)
    }
    await expect(bounced.listen('jobs', () => undefined)).rejects.toBeInstanceOf(SessionStateError)
    await bounced.transaction(async (tx) => {
      await tx.query('set local statement_timeout = 10000')
      await tx.query('select pg_advisory_xact_lock(1)')
      await tx.query('create temp table t (a int) on commit drop')
      await tx.query('insert into t values (1)')
    })
    const { rows } = await bounced.query('show statement_timeout')
    expect(rows).toEqual([{ statement_timeout: '0' }])
    expect(bounced.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('rolls back what its borrower left open, and lends the same connection on', async () => {
    const bounced = pool({ max: 1 })
    const lease = await bounced.acquire()
    await lease.query('begin')
    await lease.query('insert into items values (1)')
    lease.release()
    expect((await bounced.query('select from items')).rowCount).toBe(0)
    expect(bounced.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('closes a connection whose raw client was taken', async () => {
    const bounced = pool({ max: 1 })
    await bounced.use(async (lease) => {
      expect(lease.raw).toBeDefined()
    })
    await bounced.query('select 1')
    expect(bounced.stats().counters).toMatchObject({ created: 2, destroyed: 1 })
  })

  it('cancels a statement at its deadline, and no statement of another client', async () => {
    const bounced = pool()
    // The deadlines below are for statements, not for connections.
    await bounced.warm(6)
    let stopped = false
    const harmed: unknown[] = []
    const others = Array.from({ length: 3 }, async () => {
      while (!stopped) {
        await bounced.query('select pg_sleep(0.002), $1::int', [1]).catch((e) => harmed.push(e))
      }
    })
    try {
      const late = await failureOf(bounced.query('select pg_sleep(60)', [], { timeoutMs: 100 }))
      expect(late).toMatchObject({ name: 'StatementTimeoutError' })
      for (let round = 0; round < 100; round++) {
        const abort = new AbortController()
        // From before it is sent until after its answer.
        setTimeout(() => abort.abort(), round % 10)
        await bounced
          .query('select pg_sleep(0.004)', [], { signal: abort.signal })
          .catch((error: Error) => expect(error.name).toBe('AbortError'))
      }
    } finally {
      stopped = true
      await Promise.all(others)
    }
    expect(harmed).toEqual([])
    await until(
      async () => !(await running('pg_sleep(60)')()),
      'the late statement to be cancelled',
    )
    expect(bounced.stats().counters.destroyed).toBe(0)
  })

  it('runs the statement behind a cancelled one of the same lease unharmed', async () => {
    const bounced = pool({ max: 2 })
    await bounced.use(async (lease) => {
      for (let round = 0; round < 30; round++) {
        const abort = new AbortController()
        setTimeout(() => abort.abort(), round % 6)
        await lease.query('begin')
        await lease.query('savepoint s')
        await lease.query('select pg_sleep(0.003)', [], { signal: abort.signal }).catch(() => {})
        await lease.query('rollback to s')
        expect((await lease.query('select $1::int as n', [round])).rows).toEqual([{ n: round }])
        await lease.query('commit')
      }
    })
  })

  it('gives up at its deadline while every server connection is taken, as unknown, and serves on', async () => {
    await using narrow = await start({ poolSize: 1 })
    const bounced = pool({ max: 3 }, narrow)
    await bounced.warm(2)
    const busy = bounced.query('select pg_sleep(0.8) as busy')
    await until(running('as busy'), 'the only server connection to be taken')
    const late = await failureOf(bounced.query('select 1', [], { timeoutMs: 100 }))
    // PgBouncer has it and will run it: a cancel request is for what runs, and this one waits.
    expect(late).toMatchObject({ name: 'StatementTimeoutError', executed: 'unknown' })
    await busy
    expect((await bounced.query('select 2 as n')).rows).toEqual([{ n: 2 }])
  })

  it('proves with a ping that the server answers, and not only PgBouncer', async () => {
    await using own = await start({ poolSize: 1 })
    const bounced = pool({ max: 1 }, own)
    await using session = await bounced.openSession()
    await session.query('select 1')
    await session.ping()
    await cluster.primary.freeze()
    try {
      const ping = session.ping().then(
        () => 'answered',
        () => 'failed',
      )
      const silence = new Promise((resolve) => setTimeout(resolve, 300, 'silent'))
      expect(await Promise.race([ping, silence])).toBe('silent')
    } finally {
      await cluster.primary.thaw()
    }
    await session.ping()
  })

  it('tells a lost server session from a lost statement, and goes on with the next', async () => {
    const bounced = pool({ max: 1 })
    const [lost] = await Promise.all([
      failureOf(
        bounced.transaction(async (tx) => {
          await tx.query('insert into items values (1)')
          const { pid } = (await tx.query<{ pid: number }>(PID)).rows[0]!
          await cluster.primary.sql('select pg_terminate_backend($1)', [pid])
          await tx.query('select 1')
        }),
      ),
    ])
    expect(lost).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
    expect((await bounced.query('select from items')).rowCount).toBe(0)
  })

  it('streams rows in one exchange, with a name or without, while others are served', async () => {
    const bounced = pool()
    const text = 'select n, pg_backend_pid() as pid from generate_series(1, $1::int) n'
    for (const name of [undefined, 'rows']) {
      const pids = new Set<number>()
      let seen = 0
      const rows = bounced.stream<{ n: number; pid: number }>(
        { text, name, values: [2500] },
        { batchSize: 100 },
      )
      for await (const { n, pid } of rows) {
        expect(n).toBe(++seen)
        pids.add(pid)
        if (seen % 1000 === 0) await bounced.query('select 1')
      }
      expect({ seen, sessions: pids.size }).toEqual({ seen: 2500, sessions: 1 })
    }
    const left = await bounced.query('select name from pg_prepared_statements')
    expect(left.rows).toEqual([])
  })

  it('streams inside a transaction, and gives a stream up without harm to the connection', async () => {
    const bounced = pool({ max: 1 })
    const text = 'select n from generate_series(1, 100000) n'
    await bounced.transaction(async (tx) => {
      await tx.query('insert into items values (1)')
      for await (const _ of tx.stream(text, undefined, { batchSize: 10 })) break
      await tx.query('insert into items values (2)')
    })
    for await (const _ of bounced.stream(text, undefined, { batchSize: 10 })) break
    expect((await bounced.query('select from items')).rowCount).toBe(2)
    expect(bounced.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('refuses a stream that would change the session, and sends nothing', async () => {
    const bounced = pool({ max: 1 })
    const rows = bounced.stream("select set_config('a.b', 'c', false)")
    await expect(rows.next()).rejects.toBeInstanceOf(SessionStateError)
    const { rows: left } = await bounced.query("select current_setting('a.b', true) as b")
    expect(left[0]!['b'] ?? '').toBe('')
  })

  it('copies in and out', async () => {
    const bounced = pool()
    const ids = Array.from({ length: 5_000 }, (_, id) => `${id}\n`)
    await bounced.copyFrom('copy items from stdin', ids)
    let bytes = ''
    for await (const chunk of bounced.copyTo('copy (select id from items order by id) to stdout')) {
      bytes += Buffer.from(chunk).toString()
    }
    expect(bytes).toBe(ids.join(''))
  })

  it('in statement mode tells what to set when a transaction is wanted', async () => {
    await using single = await start({ poolMode: 'statement' })
    const bounced = pool({}, single)
    const error = await failureOf(bounced.transaction((tx) => tx.query('select 1')))
    expect(error).toMatchObject({ name: 'ConnectionLostError' })
    expect(error.message).toMatch(/not allowed in statement pooling mode; set pool_mode = trans/)
    expect((await bounced.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('logs in over TLS', async () => {
    await using secure = await start({ tls: true })
    const { ca } = secure
    const { user, password, database } = cluster
    const bounced = pool({
      connection: {
        host: 'localhost',
        port: secure.port,
        user,
        password,
        database,
        ssl: { mode: 'verify-full', ca },
      },
    })
    expect((await bounced.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    const abort = new AbortController()
    const call = failureOf(
      bounced.query('select pg_sleep(60) as tls', [], { signal: abort.signal }),
    )
    await until(running('as tls'), 'the statement to run')
    abort.abort()
    expect(await call).toMatchObject({ name: 'AbortError' })
    await until(async () => !(await running('as tls')()), 'the statement to be cancelled')
  })
})

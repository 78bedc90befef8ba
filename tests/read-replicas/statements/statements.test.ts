import {
  type ConnectionPool,
  DatabaseError,
  type Lease,
  type QueryResult,
  ReadIntentError,
} from '@poolhouse/core'
import { lexerClassifier, type ReplicaPool } from '@poolhouse/read-replicas'
import { parserClassifier } from '@poolhouse/read-replicas/parser'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS, PG, POSTGRES_JS } from '../../support/drivers.js'
import {
  type ReplicaCluster,
  startReplicaCluster,
  until,
  untilFitting,
} from '../replica-cluster.js'
import {
  ECOSYSTEM_STUDY,
  GRANTS,
  OBJECTS,
  ROUTING_STUDY,
  type StatementCase,
} from './statements.js'

const ALL = [...ROUTING_STUDY, ...ECOSYSTEM_STUDY]
// The parser sees to it that both decide alike; what follows from that depends on the driver alone.
const SETTINGS = [
  ...DRIVERS.flatMap((driver) => [
    { ...driver, by: 'tokens', classifier: lexerClassifier, mode: 'conservative' as const },
    { ...driver, by: 'tokens', classifier: lexerClassifier, mode: 'optimistic' as const },
  ]),
  { ...PG, by: 'the parser', classifier: parserClassifier, mode: 'conservative' as const },
  { ...POSTGRES_JS, by: 'the parser', classifier: parserClassifier, mode: 'optimistic' as const },
]

let setting: ReplicaCluster
let numbers = 0

beforeAll(async () => {
  setting = await startReplicaCluster()
  await using routed = setting.connect(DRIVERS[0]!.make())
  for (const sql of OBJECTS) await routed.db.query(sql)
  for (const sql of GRANTS) await setting.primary.sql(sql)
  for (const replica of [setting.b, setting.c]) {
    await until(
      () => replica.sql("select to_regclass('numbered')::text as is"),
      (rows) => JSON.stringify(rows).includes('numbered'),
    )
  }
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const textOf = ({ text }: StatementCase): string => text.replaceAll('#', String(++numbers))

/** Runs a statement on one connection; resolves with its SQLSTATE or undefined. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (error instanceof DatabaseError) return error.code
    throw error
  }
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _one of stream);
}

async function runOn(lease: Lease, statement: StatementCase): Promise<void> {
  for (const before of statement.after ?? []) await lease.query(before)
  const text = textOf(statement)
  if (statement.by === 'copyTo') await drain(lease.copyTo(text))
  else if (statement.by === 'copyFrom') await lease.copyFrom(text, ['x\n'])
  else await lease.query(text)
  if (statement.then !== undefined) await lease.query(statement.then)
}

/** What may be left in a session and must not be. */
async function stateOf(lease: Lease): Promise<unknown> {
  const { rows } = await lease.query(`
    select (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
      (select count(*)::int from pg_cursors where name not like 'poolhouse%' and name <> '') as cursors,
      (select count(*)::int from pg_prepared_statements where from_sql) as prepared,
      (select count(*)::int from pg_listening_channels()) as channels,
      (select string_agg(name, ',' order by name) from pg_settings where source = 'session') as settings`)
  return rows
}

describe('the studies', () => {
  it('have 38 and 50 statements', () => {
    expect([ROUTING_STUDY.length, ECOSYSTEM_STUDY.length]).toEqual([38, 50])
  })

  it.each(DRIVERS)(
    'S20, S21, S24: a standby refuses what writes, and nothing goes there that it would do wrongly over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const standby = routed.pools[1] as ConnectionPool
      for (const statement of ALL) {
        const { text, onStandby, conservative, optimistic } = statement
        const goes = conservative ?? optimistic
        await standby.use(async (lease) => {
          const before = goes === undefined ? undefined : await stateOf(lease)
          const code = await codeOf(runOn(lease, statement))
          const refusal =
            onStandby === 'reads' || onStandby === 'succeeds wrongly' ? undefined : onStandby
          expect([text, code]).toEqual([text, refusal])
          if (goes === undefined) return
          expect([text, onStandby]).not.toEqual([text, 'succeeds wrongly'])
          expect([text, await stateOf(lease)]).toEqual([text, before])
        })
      }
    },
  )
})

describe.each(SETTINGS)('classification by $by, $mode, over $driver', (one) => {
  let routed: Awaited<ReturnType<typeof connect>>

  async function connect(): Promise<ReturnType<ReplicaCluster['connect']>> {
    const made = setting.connect(one.make(), { classify: await one.classifier({ mode: one.mode }) })
    await untilFitting(made.db, ['b', 'c'])
    return made
  }

  beforeAll(async () => {
    routed = await connect()
    return () => routed[Symbol.asyncDispose]()
  })

  it('S17–S26: explains every statement of the studies as expected', () => {
    for (const statement of ALL) {
      const { target, decidedBy, reason } = routed.db.explainRoute(textOf(statement))
      const expected = statement[one.mode] ?? 'primary'
      expect([statement.text, target, decidedBy, reason]).toEqual([
        statement.text,
        expected,
        'text',
        expect.stringContaining(expected === 'replica' ? 'by its text' : 'its text does not say'),
      ])
    }
  })

  it('S17–S27, X18: runs every statement of the studies where it belongs, and each write exactly once', async () => {
    const { db, pools } = routed
    for (const statement of ALL.filter(({ by }) => by !== 'session')) {
      const { text, onStandby, logs, refusedAnyway } = statement
      const isTried = statement[one.mode] === 'replica'
      const isRefused = isTried && onStandby !== 'reads'
      const rowsBefore = logs && (await rowsOfLog(pools[0]!))
      const before = db.stats().routing!
      const { code, node } = await runBy(db, statement)
      const after = db.stats().routing!
      expect({
        text,
        code,
        tried: after['classified']! - before['classified']!,
        reruns: after['reruns']! - before['reruns']!,
        onReplica: node === undefined ? undefined : node !== 'a',
        added: logs && (await rowsOfLog(pools[0]!)) - rowsBefore!,
      }).toEqual({
        text,
        code: refusedAnyway,
        tried: isTried ? 1 : 0,
        reruns: isRefused ? 1 : 0,
        onReplica: node === undefined ? undefined : isTried && !isRefused,
        added: logs && 1,
      })
    }
  })
})

async function rowsOfLog(primary: ConnectionPool): Promise<number> {
  const { rows } = await primary.query<{ n: number }>('select count(*)::int as n from log')
  return rows[0]!.n
}

async function runBy(
  db: ReplicaPool,
  statement: StatementCase,
): Promise<{ node?: string | undefined; code?: string | undefined }> {
  const text = textOf(statement)
  if (statement.by === 'copyTo') {
    await drain(db.copyTo(text))
    return {}
  }
  if (statement.by === 'copyFrom') {
    await db.copyFrom(text, ['x\n'])
    return {}
  }
  let result: QueryResult | undefined
  const code = await codeOf(
    db.query(text).then((answer) => {
      result = answer
    }),
  )
  return { code, node: result?.node }
}

describe.each(DRIVERS)('what the text cannot tell, over $driver', ({ make }) => {
  it('S27: a function that writes runs once on the primary, and then goes there straight', async () => {
    await using routed = setting.connect(make(), { classify: 'optimistic' })
    const { db, pools } = routed
    await untilFitting(db, ['b', 'c'])
    const before = await rowsOfLog(pools[0]!)
    const { rows, node } = await db.query('select writes($1) as said', ['hello'])
    expect([rows, node]).toEqual([[{ said: 'hello' }], 'a'])
    expect(db.stats().routing).toMatchObject({ classified: 1, reruns: 1 })
    expect(db.explainRoute('SELECT writes($1) AS said -- again').decidedBy).toBe('experience')
    await db.query("select writes('again') as said")
    expect(db.stats().routing).toMatchObject({ classified: 1, reruns: 1 })
    expect(await rowsOfLog(pools[0]!)).toBe(before + 2)
  })

  it('S27: what a session wrote in this way it reads', async () => {
    await using routed = setting.connect(make(), { classify: 'optimistic' })
    const { db, pools } = routed
    await untilFitting(db, ['b', 'c'])
    const before = await rowsOfLog(pools[0]!)
    const session = db.session()
    for (let round = 1; round <= 5; round++) {
      // A text of its own each time, so that a replica refuses it each time.
      await session.query(`select writes('x') as said_${round}_${++numbers}`)
      const { rows } = await session.query<{ n: number }>('select count(*)::int as n from log')
      expect(rows[0]!.n).toBe(before + round)
    }
    expect(db.stats().routing).toMatchObject({ reruns: 5 })
  })

  it('a table that a replica has not heard of yet is read on the primary', async () => {
    await using routed = setting.connect(make(), { classify: 'conservative' })
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    const table = `new_${++numbers}`
    await Promise.all([setting.b.pauseReplay(), setting.c.pauseReplay()])
    try {
      await db.query(`create table ${table} (id int)`)
      expect((await db.query(`select * from ${table}`)).node).toBe('a')
      const streamed = db.stream(`select * from ${table} where id > 0`)
      expect(await streamed.next()).toEqual({ done: true, value: undefined })
      expect(db.stats().routing).toMatchObject({ reruns: 2 })
    } finally {
      await Promise.all([setting.b.resumeReplay(), setting.c.resumeReplay()])
    }
  })

  it('S28: a hint wins over the text, and is data in a parameter', async () => {
    await using routed = setting.connect(make(), { classify: 'conservative' })
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    expect((await db.query('/* poolhouse: write */ select 1')).node).toBe('a')
    expect((await db.query('-- poolhouse: read\nselect reads_volatile()')).node).not.toBe('a')
    const write = db.query("/* poolhouse: read */ insert into log(a) values ('x')")
    await expect(write).rejects.toBeInstanceOf(ReadIntentError)
    const hint = '/* poolhouse: read */ select 1'
    const { node } = await db.query('insert into log(a) values ($1)', [hint])
    expect(node).toBe('a')
    await expect(db.query('/* poolhouse: read */ select pg_advisory_lock(1)')).rejects.toThrow(
      'holds on one server only',
    )
  })

  it('S29: a declared read that writes is an error with classify too', async () => {
    await using routed = setting.connect(make(), { classify: 'optimistic' })
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    for (const text of ["select writes('x')", "insert into log(a) values ('x')"]) {
      await expect(db.reader().query(text)).rejects.toBeInstanceOf(ReadIntentError)
      await expect(db.query(text, [], { intent: 'read' })).rejects.toBeInstanceOf(ReadIntentError)
    }
  })

  it('S30: a serializable read runs on the primary with classify too', async () => {
    await using routed = setting.connect(make(), { classify: 'optimistic' })
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    const node = db.transaction(async (tx) => (await tx.query('select 1')).node, {
      readOnly: true,
      isolation: 'serializable',
    })
    await expect(node).resolves.toBe('a')
  })
})

describe('the functions of a real server', () => {
  // Volatile, and still the same on every server of a cluster.
  const HARMLESS: ReadonlySet<string> = new Set(
    (
      'array_sample array_shuffle clock_timestamp gen_random_uuid random random_normal timeofday uuidv4 uuidv7 pg_database_size ' +
      'pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size pg_sleep pg_sleep_for ' +
      'pg_sleep_until pg_partition_ancestors pg_partition_tree'
    ).split(' '),
  )

  it('S20, S21: go to no replica by their text if they are volatile, but for those that are known to be harmless', async () => {
    const classifier = lexerClassifier({ mode: 'optimistic' })
    const rows = (await setting.primary.sql(
      "select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace and provolatile = 'v' and prorettype::regtype::text !~ '(trigger|internal|handler)$' order by 1",
    )) as { proname: string }[]
    expect(rows.length).toBeGreaterThan(150)
    const wrong = rows
      .map(({ proname }) => ({ proname, ...classifier.classify(`select ${proname}()`) }))
      .filter(({ proname, verdict }) => (verdict === 'read') !== HARMLESS.has(proname))
    expect(wrong).toEqual([])
    const tried = rows.filter(
      ({ proname }) => classifier.classify(`select ${proname}()`).verdict === 'unknown',
    )
    // Nothing is known of these; only the handlers of languages could do any harm, and they cannot
    // be called.
    expect(tried.map(({ proname }) => proname)).toEqual([
      'amvalidate',
      'current_query',
      'plpgsql_inline_handler',
      'plpgsql_validator',
    ])
  })
})

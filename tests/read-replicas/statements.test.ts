import { type ConnectionPool, DatabaseError, type Lease, type QueryResult } from '@poolhouse/core'
import { lexerClassifier, type ReplicaPool } from '@poolhouse/read-replicas'
import { parserClassifier } from '@poolhouse/read-replicas/parser'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS, PG, POSTGRES_JS } from '../support/drivers.js'
import { type ReplicaCluster, startReplicaCluster, until, untilFitting } from './replica-cluster.js'
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

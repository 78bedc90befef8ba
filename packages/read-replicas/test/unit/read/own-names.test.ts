import { partyOfCall } from '@poolhouse/core/kit'
import { describe, expect, test } from 'vitest'
import { changesNames } from '../../../src/classify/changes-names.js'
import type { StatementClassifier } from '../../../src/classify/classification.js'
import { lexerClassifier } from '../../../src/classify/lexer-classifier.js'
import { readOwnNames } from '../../../src/classify/own-names.js'
import { parserClassifier } from '../../../src/classify/parser-classifier.js'
import { TextRoutes } from '../../../src/classify/text-routes.js'
import { type ReplicaPool, withReplicas } from '../../../src/index.js'
import { sqlError } from '../failures.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock } from '../manual-clock.js'
import { startSetting } from '../setting.js'

const call = (own_name: string): unknown => ({ own_name, is_call: true, is_attribute: false })
const attribute = (own_name: string): unknown => ({ own_name, is_call: true, is_attribute: true })
const sequence = (own_name: string): unknown => ({ own_name, is_sequence: true })
const ROWS = [
  attribute('grab'),
  call('lower'),
  call('substring'),
  attribute('name'),
  sequence('numbers'),
  sequence('Tickets'),
]
const named = (rows: unknown[]): ReturnType<typeof readOwnNames> =>
  readOwnNames({ rows: rows as Record<string, unknown>[] } as never)
const { names } = named(ROWS)

const classifiers: [string, () => Promise<StatementClassifier>][] = [
  ['tokens', async () => lexerClassifier({ reads: ['upper'], writes: ['public.grabbed'] })],
  ['the parser', async () => await parserClassifier({ reads: ['upper'] })],
]

describe.each(classifiers)('T59: by %s, with the names of the database', (_kind, make) => {
  test.each([
    'select t.grab from t',
    'select public.t.grab from t',
    'select t . "grab" from t',
    'select 1 from t join u on (t.grab)',
    'select 1 from t where t.id is distinct from t.grab',
    'select extract(year from t.grab) from t',
    'select x.name from x',
    'select lower(a) from t',
    'select substring(a, 1) from t',
    'copy (select t.grab from t) to stdout',
    'explain select t.grab from t',
  ])('%s may call a function of the database', async (text) => {
    const classifier = await make()
    expect(classifier.classify(text).verdict).toBe('read')
    expect(classifier.classify(text, names)).toMatchObject({ verdict: 'unknown' })
  })

  test.each([
    'select * from numbers',
    'select * from public.numbers',
    'select * from only (numbers)',
    'table numbers',
    'select * from t, numbers',
    'select * from t x, f_(1) as y, public.numbers z'.replace('f_', 'unnest'),
    'select * from (numbers cross join t)',
    'select * from (select a from t where b group by a order by a) x, numbers',
    'select * from t natural join numbers',
    'select * from "Tickets"',
    'with x as (table numbers) select * from x',
  ])('%s reads a sequence', async (text) => {
    const classifier = await make()
    expect(classifier.classify(text).verdict).toBe('read')
    expect(classifier.classify(text, names)).toMatchObject({ verdict: 'write' })
  })

  test('a list of relations may end with a relation named like a sequence', async () => {
    expect((await make()).classify('select * from t, orders_id_seq').verdict).toBe('write')
  })

  test.each([
    'select grab from t',
    'select pg_catalog.lower(a) from t',
    'select upper(a), numbers from t',
    'select a, numbers, sum(numbers) from t where a in (numbers, 1) order by a, numbers',
    'select * from tickets',
    'select t.id from t as name',
    'select 1::lower(2)'.replace('lower', 'varchar'),
  ])('%s still only reads', async (text) => {
    expect((await make()).classify(text, named([...ROWS, call('upper')]).names).verdict).toBe(
      'read',
    )
  })
})

describe('names of extensions', () => {
  test('do not hide functions that the list of harmless ones has on purpose', () => {
    const extension = { own_name: 'gen_salt', is_call: false, is_attribute: true }
    expect(named([extension]).names.attributes.has('gen_salt')).toBe(false)
    const other = { own_name: 'dblink_exec', is_call: false, is_attribute: true }
    expect(named([other]).names.attributes.has('dblink_exec')).toBe(true)
  })
})

describe('a statement', () => {
  test.each([
    'create function f() returns int language sql as $$ select 1 $$',
    '/* x */ CREATE OR REPLACE FUNCTION f() returns int return 1',
    'alter sequence s rename to r',
    'create temp sequence s',
    'create aggregate a (int) (sfunc = f, stype = int)',
    'create extension dblink',
    'alter schema a rename to b',
    'select 1; create procedure p() as $$ begin end $$ language plpgsql',
    'do $$ begin create sequence s; end $$',
    'alter routine f set schema a',
  ])('%s may change the names', (text) => expect(changesNames(text)).toBe(true))

  test.each([
    'create table t (id int)',
    'create temp table t as select 1',
    "insert into log values ('create function')",
    '/* action: create function */ insert into t values (1)',
    'alter table t add a int',
    'insert into t (created) values (1)',
  ])('%s does not', (text) => expect(changesNames(text)).toBe(false))
})

describe('routes of texts', () => {
  test('T59: are decided again with other names, and kept while the names stay the same', () => {
    let now: typeof names | undefined
    const asked: string[] = []
    const inner = lexerClassifier()
    const classifier: StatementClassifier = {
      ...inner,
      classify: (text, own) => {
        asked.push(text)
        return inner.classify(text, own)
      },
    }
    const routes = new TextRoutes(classifier, () => now)
    const text = 'select t.grab from t'
    expect(routes.routeOf(text)).toMatchObject({ to: 'primary', by: 'text' })
    now = named([]).names
    expect(routes.routeOf(text).to).toBe('replica')
    expect(routes.routeOf(text).to).toBe('replica')
    now = names
    expect(routes.routeOf(text).to).toBe('primary')
    expect(routes.routeOf(text).to).toBe('primary')
    expect(asked).toHaveLength(3)
  })
})

function refusal(code: string): Promise<never> {
  const refused = Promise.reject(sqlError(code))
  refused.catch(() => {})
  return refused
}

const TEXT = 'select t.grab from t'
const nodeOf = async (db: ReplicaPool, text = 'select 1'): Promise<string> =>
  (await db.query(text)).node === 'a' ? 'primary' : 'replica'

describe('a pool that classifies', () => {
  test('T59: asks its primary once when it is made, and sends no text to a replica before it knows the names', async () => {
    const clock = new ManualClock()
    const [primary, b] = [new FakePool('a'), new FakePool('b')]
    primary.inRecovery = false
    let answer: (rows: unknown[]) => void = () => {}
    primary.names = new Promise((resolve) => {
      answer = resolve
    })
    const db = withReplicas(primary, [b], { clock, classify: 'conservative' })
    await clock.advance(300)
    expect(primary.named).toHaveLength(1)
    const waits = [nodeOf(db), nodeOf(db)]
    const short = db.query('select 2', [], { timeoutMs: 2_000 })
    await clock.advance(499)
    expect([primary.asked.length, b.asked.length]).toEqual([0, 0])
    await clock.advance(1)
    expect(await Promise.all(waits)).toEqual(['primary', 'primary'])
    expect((await short).node).toBe('a')
    expect(primary.asked.find(({ text }) => text === 'select 2')?.options?.timeoutMs).toBe(1_500)
    const soon = nodeOf(db)
    const rows = db.stream('select 3').next()
    expect((await db.query('/* poolhouse: read */ select 1')).node).toBe('b')
    answer([])
    expect(await soon).toBe('replica')
    await rows
    expect(b.asked.some(({ text }) => text === 'select 3')).toBe(true)
    await clock.advance(1)
    expect(await nodeOf(db)).toBe('replica')
    expect(primary.named).toHaveLength(1)
    expect(primary.named[0]?.options).toMatchObject({ timeoutMs: 5_000, intent: 'write' })
    await db.close()
  })

  test('T59: asks again while it is used, and knows within a minute what other programs have created', async () => {
    const { db, primary, clock } = await startSetting({ classify: 'conservative' })
    expect(await nodeOf(db, TEXT)).toBe('replica')
    primary.names = ROWS as unknown[]
    await clock.advance(29_000)
    expect(await nodeOf(db, TEXT)).toBe('replica')
    await clock.advance(1_000)
    await nodeOf(db)
    await clock.advance(1)
    expect([await nodeOf(db, TEXT), await nodeOf(db)]).toEqual(['primary', 'replica'])
    expect(primary.named).toHaveLength(2)
    // It was not used for a long time, so the names it knew are too old.
    await clock.advance(60_000)
    primary.names = []
    expect(await nodeOf(db, TEXT)).toBe('replica')
  })

  test('T59: keeps what it knows while the primary does not answer', async () => {
    const { db, primary, clock } = await startSetting({ classify: 'conservative' })
    primary.names = refusal('57P03')
    await clock.advance(31_000)
    expect(await nodeOf(db)).toBe('replica')
    await clock.advance(1)
    expect(primary.named.length).toBeGreaterThan(1)
    await clock.advance(120_000)
    expect(await nodeOf(db)).toBe('replica')
  })

  test('T59: reports once why the server refuses to tell the names', async () => {
    const clock = new ManualClock()
    const [primary, b] = [new FakePool('a'), new FakePool('b')]
    primary.inRecovery = false
    primary.names = refusal('42501')
    const db = withReplicas(primary, [b], { clock, classify: 'optimistic' })
    const errors: unknown[] = []
    db.on('error', ({ error }) => errors.push(error))
    for (let turn = 0; turn < 3; turn++) {
      expect(await nodeOf(db)).toBe('primary')
      expect(db.explainRoute('select 1').reason).toContain('are not known yet')
      await clock.advance(1_000)
    }
    expect(errors).toHaveLength(1)
    await db.close()
  })

  test.each([
    ['unannotated', undefined],
    ['declared a write', { intent: 'write' }],
  ] as const)(
    'T59: forgets the names while one of its statements may change them, %s',
    async (_kind, options) => {
      const { db, primary, clock } = await startSetting({ classify: 'conservative' })
      expect(await nodeOf(db, TEXT)).toBe('replica')
      let end: () => void = () => {}
      primary.answer = ({ text }) =>
        text.startsWith('create') ? new Promise<void>((resolve) => (end = resolve)) : undefined
      for (const one of [db, db.session()]) {
        const asked = primary.named.length
        const done = one.query('create function grab(t) returns int return 1', [], options)
        await clock.advance(1)
        expect(await nodeOf(db, TEXT)).toBe('primary')
        expect(primary.named).toHaveLength(asked)
        primary.names = ROWS as unknown[]
        end()
        await done
        await clock.advance(1)
        expect(primary.named).toHaveLength(asked + 1)
        expect([await nodeOf(db, TEXT), await nodeOf(db)]).toEqual(['primary', 'replica'])
      }
    },
  )

  test('asks nothing for a classifier that does not use names', async () => {
    const { classify } = lexerClassifier()
    const own = { mode: 'conservative', classify: (text: string) => classify(text) } as const
    const { db, primary } = await startSetting({ classify: own })
    expect(await nodeOf(db, TEXT)).toBe('replica')
    expect(primary.named).toHaveLength(0)
  })

  test('T59: keeps the names of each database that shares its servers', async () => {
    const { db, primary, clock } = await startSetting({ classify: 'conservative' })
    const [one, other] = [{}, {}]
    Object.defineProperty(primary, 'names', {
      get: () => (partyOfCall() === one ? ROWS : partyOfCall() === other ? [] : undefined),
    })
    const shared = primary as { databaseOfCall?: object | undefined }
    const at = async (called: object | undefined): Promise<string> => {
      shared.databaseOfCall = called
      return await nodeOf(db, TEXT)
    }
    expect(await at(other)).toBe('replica')
    expect(await at(one)).toBe('primary')
    await clock.advance(1)
    expect([await at(one), await at(other), await at(undefined)]).toEqual([
      'primary',
      'replica',
      'primary',
    ])
  })
})

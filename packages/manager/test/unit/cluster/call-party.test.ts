import { AsyncLocalStorage } from 'node:async_hooks'
import { DatabaseError, type Pool, type QueryResult, type Statement } from '@poolhouse/core'
import {
  type FakeDriver,
  type FakeReply,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import { runWith } from '@poolhouse/read-replicas'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createManager, type Manager, type NamedDatabase } from '../../../src/index.js'

// Two databases on the same two servers: h1 is the primary, h2 its replica.
const NAMES = ['one', 'two'] as const
type Name = (typeof NAMES)[number]
const READ = 'select lower(t) from items'

let clock: VirtualClock
let driver: FakeDriver
let manager: Manager<Record<Name, { nodes: string[] }>>
/** Where each statement was run, with the database of the session: `h1/one`. */
let ran: [text: string, where: string][]
/** What the server says to a statement; undefined for its rows. */
let reply: (text: string, host: string) => FakeReply | undefined

beforeEach(() => {
  clock = virtualClock()
  ran = []
  reply = () => undefined
  const places = new Map<number, { host: string; database: string }>()
  driver = fakeDriver({
    clock,
    onConnect: (attempt, { settings }) => {
      const { host, database } = settings.endpoint
      places.set(attempt, { host, database: database! })
      return undefined
    },
    onStatement: ({ text }: Statement, { info }) => {
      const { host, database } = places.get(info.backendPid)!
      if (text.includes('in_recovery')) return { rows: [factsOf(host !== 'h1')] }
      if (text.includes('pg_catalog')) return { rows: [] }
      if (!text.includes('items')) return undefined
      ran.push([text, `${host}/${database}`])
      return reply(text, host) ?? { rows: [{ database }] }
    },
  })
})

afterEach(async () => {
  const closed = manager.close({ timeoutMs: 0 })
  await clock.advance(10_000)
  await closed
  vi.restoreAllMocks()
})

const factsOf = (inRecovery: boolean): Record<string, unknown> => ({
  in_recovery: inRecovery,
  lsn: '0/1000',
  flushed: '0/1000',
  replay_paused: false,
  system_id: '7000000000000000001',
  timeline: 1,
  received_timeline: inRecovery ? 1 : null,
  receiving: inRecovery,
  read_only: false,
  port: 5432,
})

function manage(reads: object = {}, nodes: string[] = ['h1', 'h2']): void {
  const database = (name: Name): object => ({
    nodes: nodes.map((host) => `postgres://u@${host}/${name}`),
    reads,
    failover: { retryBudget: 1 },
    pool: { min: 0 },
  })
  manager = createManager({
    drivers: { fake: driver },
    databases: { one: database('one'), two: database('two') } as never,
    clock,
    random: () => 0.5,
  })
}

const pools = (): NamedDatabase[] => NAMES.map((name) => manager.database(name) as NamedDatabase)

/** Makes the same call for both databases at once, and says which database answered each. */
async function answers(
  call: (pool: NamedDatabase) => Promise<QueryResult>,
  among = pools(),
  ms = 2_000,
): Promise<unknown[]> {
  const called = Promise.all(among.map(call))
  called.catch(() => {})
  await clock.advance(ms)
  return (await called).map(({ rows }) => (rows[0] as { database: unknown }).database)
}

/** Waits until the servers are known, and both databases have a session on each. */
async function settled(): Promise<void> {
  await answers((pool) => pool.query('select 0 from items'))
  await answers((pool) => pool.reader().query('select 0 from items'))
  ran.length = 0
}

const views: [string, (pool: NamedDatabase) => Pool][] = [
  ['the database', (pool) => pool],
  ['its reader', (pool) => pool.reader()],
  ['its session', (pool) => pool.session()],
  ['the reader of its session', (pool) => pool.session().reader()],
]

test.each(views)('a query of %s reaches its own database, held or not', async (_name, viewOf) => {
  manage({ classify: 'conservative' })
  expect(await answers((pool) => viewOf(pool).query(READ))).toEqual(NAMES)
  expect(await answers((pool) => viewOf(pool).query(READ))).toEqual(NAMES)
  expect(await answers((pool) => viewOf(pool).query({ text: READ }))).toEqual(NAMES)
})

test('a query in the scope of runWith, on its session, reaches its own database', async () => {
  manage({ classify: 'conservative' })
  for (const text of [READ, 'update items set n = 1']) {
    const call = (pool: NamedDatabase): Promise<QueryResult> =>
      runWith({ session: pool.session() }, () => pool.query(text))
    expect(await answers(call)).toEqual(NAMES)
    expect(await answers(call)).toEqual(NAMES)
  }
})

test('a read that a server lost or refused goes on within its own database', async () => {
  manage({ classify: 'conservative', readRetries: 2 })
  await settled()
  const failures: FakeReply[] = [{ lose: 'gone' }, { lose: 'gone' }]
  reply = (_text, host) => (host === 'h2' ? failures.pop() : undefined)
  expect(await answers((pool) => pool.reader().query(READ), pools(), 5_000)).toEqual(NAMES)
  expect(failures).toEqual([])
  failures.push({ lose: 'gone' }, { lose: 'gone' })
  expect(await answers((pool) => pool.query(READ), pools(), 5_000)).toEqual(NAMES)
  expect(ran.length).toBeGreaterThan(NAMES.length * 2)
})

test('a read that the replica has refused as a write goes to the primary of its own database', async () => {
  manage({ classify: 'optimistic' })
  await settled()
  const refused = new DatabaseError('cannot write', { code: '25006', severity: 'ERROR' })
  const text = 'select own(t) from items'
  reply = (_text, host) => (host === 'h2' ? { error: refused } : undefined)
  await answers((pool) => pool.query(text))
  expect(ran.map(([, where]) => where).sort()).toEqual(['h1/one', 'h1/two', 'h2/one', 'h2/two'])
})

test('a declared read without an answer is asked again in its own database', async () => {
  manage({}, ['h1'])
  await settled()
  const failures: FakeReply[] = [{ lose: 'gone' }, { lose: 'gone' }]
  reply = () => failures.pop()
  const reads = (pool: NamedDatabase): Promise<QueryResult> =>
    pool.query(READ, [], { intent: 'read' })
  expect(await answers(reads, pools(), 10_000)).toEqual(NAMES)
  expect(failures).toEqual([])
})

test('a write that the server has refused is sent again in its own database', async () => {
  manage({}, ['h1'])
  await settled()
  const refused = (): Error => new DatabaseError('no', { code: '25006', severity: 'ERROR' })
  const failures: FakeReply[] = [{ error: refused() }, { error: refused() }]
  reply = () => failures.pop()
  const text = 'update items set n = 1'
  expect(await answers((pool) => pool.query(text), pools(), 20_000)).toEqual(NAMES)
  expect(ran).toHaveLength(2 * NAMES.length)
})

test('a read that is sent to a second replica stays in its own database', async () => {
  const nodes = ['h1', 'h2', 'h3']
  manage({ hedgeAfterMs: 20 }, nodes)
  await settled()
  reply = (_text, host) => (host === 'h2' ? { hang: true } : undefined)
  for (let turn = 0; turn < 4; turn++)
    expect(await answers((pool) => pool.reader().query(READ))).toEqual(NAMES)
})

test('queries of a database enter no async context, held or not', async () => {
  const run = vi.spyOn(AsyncLocalStorage.prototype, 'run')
  const enter = vi.spyOn(AsyncLocalStorage.prototype, 'enterWith')
  manage({ classify: 'conservative' })
  expect(await answers((pool) => pool.query(READ))).toEqual(NAMES)
  expect(await answers((pool) => pool.query('update items set n = 1'))).toEqual(NAMES)
  expect(await answers((pool) => pool.reader().query(READ))).toEqual(NAMES)
  expect(run).not.toHaveBeenCalled()
  expect(enter).not.toHaveBeenCalled()
})

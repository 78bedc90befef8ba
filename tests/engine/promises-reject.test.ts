import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import {
  type ConnectionPool,
  cleanMarkers,
  createMarkerTable,
  createPool,
  type Lease,
  type Session,
  type Transaction,
} from '@poolhouse/core'
import { type FailoverPool, hosts, patroni, withFailover } from '@poolhouse/failover'
import { createManager, loadConfig, type Manager } from '@poolhouse/manager'
import { type ReplicaPool, type ReplicaSession, withReplicas } from '@poolhouse/read-replicas'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'

const OWN = new Error('from a getter')
const thrower = (): never => {
  throw OWN
}

const WRONG: readonly unknown[] = [
  null,
  7,
  -1,
  Number.NaN,
  'word',
  Symbol('s'),
  10n,
  Object.freeze({ timeoutMs: -1 }),
  Object.freeze({ unknown: 1 }),
  new Proxy({}, { get: thrower, ownKeys: thrower, has: thrower, getPrototypeOf: thrower }),
  Object.defineProperty({}, 'timeoutMs', { get: thrower, enumerable: true }),
  Object.defineProperty({}, 'text', { get: thrower, enumerable: true }),
]

/**
 * What the pools are asked of `describePool`'s suite, in the area "promises". Here is everything
 * else that returns a promise.
 */
interface Parts {
  readonly pool: ConnectionPool
  readonly followed: FailoverPool
  readonly routed: ReplicaPool
  readonly session: ReplicaSession
  readonly manager: Manager
}

type Call<On> = readonly [what: string, call: (on: On, value: never) => Promise<unknown>]

const CALLS: readonly Call<Parts>[] = [
  ['ConnectionPool.warm', ({ pool }, value) => pool.warm(value)],
  ['ConnectionPool.openSession', ({ pool }, value) => pool.openSession(value)],
  ['FailoverPool.switchover(fn)', ({ followed }, value) => followed.switchover(value)],
  [
    'FailoverPool.switchover(options)',
    ({ followed }, value) => followed.switchover(async () => {}, value),
  ],
  ['FailoverPool.drain(id)', ({ followed }, value) => followed.drain(value)],
  ['FailoverPool.drain(options)', ({ followed }, value) => followed.drain('no such node', value)],
  ['ReplicaSession.caughtUp', ({ session }, value) => session.caughtUp(value)],
  ['Manager.ready', ({ manager }, value) => manager.ready(value)],
  ['Manager.shutdown', ({ manager }, value) => manager.shutdown(value)],
  ['Manager.close', ({ manager }, value) => manager.close(value)],
  [
    'FollowedDatabase.switchover',
    ({ manager }, value) => (manager.database('app') as unknown as FailoverPool).switchover(value),
  ],
  [
    'FollowedDatabase.drain',
    ({ manager }, value) => (manager.database('app') as unknown as FailoverPool).drain(value),
  ],
  ['createMarkerTable', (_, value) => createMarkerTable(value)],
  ['cleanMarkers(pool)', (_, value) => cleanMarkers(value, { olderThanMs: 1 })],
  ['cleanMarkers(options)', ({ pool }, value) => cleanMarkers(pool, value)],
  ['loadConfig', (_, value) => loadConfig(value)],
]

const ON_A_LEASE: readonly Call<Lease>[] = [
  ['Lease.query(text)', (lease, value) => lease.query(value)],
  ['Lease.query(values)', (lease, value) => lease.query('select 1', value)],
  ['Lease.query(options)', (lease, value) => lease.query('select 1', [], value)],
  ['Lease.copyFrom(text)', (lease, value) => lease.copyFrom(value, [])],
  ['Lease.copyFrom(options)', (lease, value) => lease.copyFrom('copy t from stdin', [], value)],
]

const IN_A_TRANSACTION: readonly Call<Transaction>[] = [
  ['Transaction.query(text)', (tx, value) => tx.query(value)],
  ['Transaction.query(options)', (tx, value) => tx.query('select 1', [], value)],
  ['Transaction.copyFrom(text)', (tx, value) => tx.copyFrom(value, [])],
  ['Transaction.savepoint', (tx, value) => tx.savepoint(value)],
]

const ON_A_SESSION: readonly Call<Session>[] = [
  ['Session.query(text)', (session, value) => session.query(value)],
  ['Session.query(options)', (session, value) => session.query('select 1', [], value)],
  ['Session.listen', (session, value) => session.listen(value)],
]

/** Every wrong value must come back as a rejection. */
async function expectRejections<On>(on: On, [what, call]: Call<On>): Promise<void> {
  for (const value of WRONG) {
    let promise: Promise<unknown>
    const where = `${what} ${typeof value === 'object' && value !== null ? 'with an object' : inspect(value)}`
    try {
      promise = call(on, value as never)
    } catch (error) {
      expect.fail(`${where} threw instead of rejecting: ${String(error)}`)
    }
    const outcome = await promise.then(
      () => 'resolved',
      (error: unknown) => (error instanceof Error ? 'rejected' : inspect(error)),
    )
    // A frozen object of options that it does not know by that name, or a text where a text
    // belongs.
    expect([where, outcome]).toEqual([where, expect.stringMatching(/^(rejected|resolved)$/)])
  }
}

describe.each(everyServer().filter(({ version }) => version === 18))(
  'a call that returns a promise, over $driver',
  ({ make, cluster }) => {
    let parts: Parts
    let pool: ConnectionPool

    beforeAll(async () => {
      const { primary } = await cluster()
      const connection = primary.url
      const node = (name: string): ConnectionPool =>
        createPool({ driver: make(), connection, name, connectTimeoutMs: 2_000 })
      pool = node('one')
      const routed = withReplicas(node('primary'), [])
      const manager = createManager({
        drivers: { it: make() },
        databases: { app: { nodes: [connection] } },
        tenants: { resolve: () => ({ settings: { 'app.tenant': 'one' } }) },
      }) as unknown as Manager
      const followed = withFailover([node('followed')])
      await followed.ready()
      parts = { pool, routed, session: routed.session(), manager, followed }
    })

    afterAll(async () => {
      const { routed, manager, followed } = parts
      for (const each of [pool, routed, manager, followed]) await each.close({ timeoutMs: 0 })
    })

    it.each(CALLS)('T91: %s rejects and never throws', async (...call) => {
      await expectRejections(parts, call)
    })

    it.each(ON_A_LEASE)(
      'T91: %s rejects and never throws, also while a channel is traced',
      async (...call) => {
        const listener = (): void => {}
        subscribe('tracing:poolhouse:query:start', listener)
        try {
          await pool.use((lease) => expectRejections(lease, call))
          await expectRejections(pool, ['query', (on, value) => on.query(value)])
          await expectRejections(pool, ['acquire', (on, value) => on.acquire(value)])
        } finally {
          unsubscribe('tracing:poolhouse:query:start', listener)
        }
      },
    )

    it.each(IN_A_TRANSACTION)('T91: %s rejects and never throws', async (...call) => {
      await pool.transaction((tx) => expectRejections(tx, call)).catch(() => undefined)
    })

    it.each(ON_A_SESSION)('T91: %s rejects and never throws', async (...call) => {
      const session = await pool.openSession()
      try {
        await expectRejections(session, call)
      } finally {
        await session.close()
      }
    })

    it('T91: what is listed by discovery rejects and never throws', async () => {
      for (const discovery of [
        hosts('postgres://nowhere.invalid/app'),
        patroni({ urls: ['http://127.0.0.1:1'] }),
      ]) {
        for (const value of WRONG) {
          let promise: Promise<unknown> | undefined
          expect(() => {
            promise = Promise.resolve(discovery.next(value as never))
          }).not.toThrow()
          await promise?.catch(() => undefined)
        }
      }
    })

    it('T91: a tenant in the scope of another one is a pool whose calls reject', async () => {
      const { manager } = parts
      await manager.runAs('one', async () => {
        const other = manager.tenant('two')
        for (const call of [
          () => other.query('select 1'),
          () => other.acquire(),
          () => other.use(async () => {}),
          () => other.transaction(async () => {}),
          () => other.ready(),
          () => other.listen('news', () => {}),
          () => other.copyFrom('copy t from stdin', []),
          () => other.stream('select 1').next(),
          () => other.copyTo('copy t to stdout').next(),
          () => other.reader().query('select 1'),
        ]) {
          await expect(call()).rejects.toMatchObject({ name: 'WrongTenantError', executed: 'no' })
        }
      })
    })
  },
)

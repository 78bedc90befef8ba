import {
  type Pool,
  type PoolStats,
  type QueryResult,
  SessionStateError,
  TransactionError,
} from '@poolhouse/core'
import { MAX_MS, messageOf } from '@poolhouse/core/kit'
import { realTimers } from '@poolhouse/core/net'
import { isSeveral } from '@poolhouse/core/sql'
import type { Pool as PgPool, QueryResult as PgQueryResult, PoolClient } from 'pg'
import { fail } from './client/borrowing.js'
import { CheckOuts } from './client/check-outs.js'
import type { CheckOutOptions, ClientHost } from './client/client-host.js'
import { queryOn } from './client/query-on.js'
import { settle } from './client/settle.js'
import type { PgLibrary } from './pg-library.js'
import { toPgError } from './statement/pg-error.js'
import { ResultReader } from './statement/pg-result.js'
import { pgValues } from './statement/pg-values.js'
import {
  callbackOf,
  isSubmittable,
  type PgQuery,
  type QueryCallback,
  readQuery,
  type Submittable,
} from './statement/read-query.js'

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  release: (error?: Error | boolean) => void,
) => void
type EndCallback = (error?: Error) => void

/** Makes a facade over a pool; `options` are those that its `options` property shows. */
export type BoundPoolClass = new (
  pool: Pool,
  target: Pool,
  checkOut: CheckOutOptions,
  options: Record<string, unknown>,
) => PgPool

// A symbol and not a private field, so that methods work on a proxy of the pool too.
const STATE: unique symbol = Symbol('poolhouse.boundPool')

/** What a facade knows. */
interface State extends ClientHost {
  readonly checkOuts: CheckOuts
  read(result: QueryResult<unknown>): PgQueryResult
  failed(error: unknown): never
}

interface Facade {
  readonly [STATE]: State
  ending: boolean
  ended: boolean
}

// In place of those of `pg-pool`, which counts its own lists. The constructor of `pg.Pool` runs
// before there is anything to count.
const COUNTERS: PropertyDescriptorMap = {
  totalCount: counter((stats) => stats.total),
  idleCount: counter((stats) => stats.idle),
  waitingCount: counter((stats) => stats.pending),
  expiredCount: counter(() => 0),
}

// What takes a pool for the options of a connection reads this first, and would go to the server of
// the environment.
const NO_OPTION: PropertyDescriptor = {
  configurable: true,
  get: (): never => {
    throw new TypeError(
      'a pool was given where options of pg are expected: it is no instance of the pg.Pool that it was compared with, because a second copy of pg is in use; have one copy installed (npm ls pg, npm dedupe), or pass the other one to nodePostgres({ pg })',
    )
  },
}

const noRelease = (): void => {}
// How many facades a pool has that were not ended. The last one to end closes it.
const facadesOver = new WeakMap<Pool, number>()
// By the copy of `pg`, so that two facades of one copy have one class.
const classes = new WeakMap<PgLibrary, BoundPoolClass>()

/** The subclass of the application's `pg.Pool` that hands everything to a pool of Poolhouse. */
export function boundPoolClass(pg: PgLibrary): BoundPoolClass {
  const known = classes.get(pg)
  if (known !== undefined) return known
  const made = makeClass(pg)
  classes.set(pg, made)
  return made
}

function makeClass(pg: PgLibrary): BoundPoolClass {
  const ofModule = new ResultReader(pg)
  const failed = (error: unknown): never => {
    throw toPgError(pg, inWordsOfPg(error))
  }
  class BoundPool extends pg.Pool {
    constructor(
      base: Pool,
      pool: Pool,
      checkOut: CheckOutOptions,
      options: Record<string, unknown>,
    ) {
      super(withOwnSsl(options))
      const { types } = checkOut
      const results =
        types === undefined ? ofModule : new ResultReader({ ...pg, types } as unknown as PgLibrary)
      const read = (result: QueryResult<unknown>): PgQueryResult => results.read(result)
      const host: ClientHost = { ...checkOut, pg, base, pool, results, facade: this }
      const state: State = { ...host, checkOuts: new CheckOuts(host), read, failed }
      Object.defineProperty(this, STATE, { value: state })
      facadesOver.set(base, (facadesOver.get(base) ?? 0) + 1)
    }

    override query(first: unknown, second?: unknown, third?: unknown): never {
      return query(this as unknown as Facade, first, second, third) as never
    }

    override connect(callback?: ConnectCallback): never {
      return connect(this as unknown as Facade, callback) as never
    }

    override end(callback?: EndCallback): never {
      return end(this as unknown as Facade, callback) as never
    }
  }
  Object.defineProperties(BoundPool.prototype, { ...COUNTERS, ssl: NO_OPTION })
  // Libraries compare this name, and a minifier would change it.
  Object.defineProperty(BoundPool, 'name', { value: 'BoundPool' })
  return BoundPool as unknown as BoundPoolClass
}

/** `pg-pool` hides the key of `ssl` in the very object, which may be frozen. */
function withOwnSsl(options: Record<string, unknown>): Record<string, unknown> {
  const { ssl } = options
  if (typeof ssl !== 'object' || ssl === null) return options
  const own: Record<string, unknown> = { ...options, ssl: { ...ssl } }
  if ('password' in options) own['password'] = options['password']
  return own
}

function counter(count: (stats: PoolStats) => number): PropertyDescriptor {
  return {
    configurable: true,
    get(this: Partial<Facade>) {
      const state = this[STATE]
      return state === undefined ? 0 : count(state.base.stats())
    },
  }
}

function query(facade: Facade, first: unknown, second: unknown, third: unknown): unknown {
  const state = facade[STATE]
  if (
    typeof first === 'string' &&
    third === undefined &&
    (second === undefined ? !isSeveral(first) : Array.isArray(second) && second.length > 0) &&
    !facade.ending
  ) {
    // The usual form, without an object for the call.
    try {
      const values = pgValues(state.pg, second as readonly unknown[] | undefined)
      const statement = { text: first, values, undecoded: true } as const
      return state.pool.query(statement).then(state.read, state.failed)
    } catch (error) {
      // Of a value's own method.
      return Promise.reject(error)
    }
  }
  return queryAnyForm(facade, first, second, third)
}

function queryAnyForm(facade: Facade, first: unknown, second: unknown, third: unknown): unknown {
  if (typeof first === 'function') {
    const error = new Error(
      'Passing a function as the first parameter to pool.query is not supported',
    )
    return settle(Promise.reject(error), first, undefined)
  }
  const callback = callbackOf(second, third)
  if (isSubmittable(first)) return submit(facade, first, callback)
  let result: Promise<unknown>
  try {
    if (facade.ending) throw ended()
    result = run(facade, readQuery(first, second, third), first, second)
  } catch (error) {
    result = Promise.reject(error)
  }
  return settle(result, callback, undefined)
}

function run(facade: Facade, asked: PgQuery, first: unknown, second: unknown): Promise<unknown> {
  const state = facade[STATE]
  if (asked.needsClient) return onClient(facade, first, second)
  const { statement, asArray, types, timeoutMs } = asked
  const values = pgValues(state.pg, statement.values)
  const options = timeoutMs === undefined ? undefined : { timeoutMs }
  return state.pool
    .query({ ...statement, values }, options)
    .then((result) => state.results.read(result, asArray, types), state.failed)
}

/** Runs a query of `pg` itself on a client of its own. */
async function onClient(facade: Facade, first: unknown, second: unknown): Promise<unknown> {
  const client = await facade[STATE].checkOuts.checkOut().catch(facade[STATE].failed)
  try {
    return await queryOn(client, first, second)
  } finally {
    client.release()
  }
}

/** Hands a submittable to a client once there is one, and returns it at once. */
function submit(
  facade: Facade,
  submittable: Submittable,
  callback: QueryCallback | undefined,
): Submittable {
  const state = facade[STATE]
  if (callback !== undefined) submittable.callback ??= callback
  const checkedOut = facade.ending
    ? Promise.reject<PoolClient>(ended())
    : state.checkOuts.checkOut()
  checkedOut.then(
    (client) => {
      // Emitted when the submittable has got all that it will get.
      client.once('drain', () => client.release())
      client.query(submittable as never)
    },
    (error: unknown) => fail(submittable, toPgError(state.pg, error)),
  )
  return submittable
}

function connect(facade: Facade, callback: ConnectCallback | undefined): unknown {
  const checkedOut = facade.ending
    ? Promise.reject<PoolClient>(ended())
    : facade[STATE].checkOuts.checkOut().catch(facade[STATE].failed)
  if (callback === undefined) return checkedOut
  checkedOut.then(
    (client) => realTimers.nextTick(callback, undefined, client, client.release),
    (error: Error) => realTimers.nextTick(callback, error, undefined, noRelease),
  )
  return undefined
}

function end(facade: Facade, callback: EndCallback | undefined): unknown {
  if (facade.ending) {
    return settle(
      Promise.reject(new Error('Called end on pool more than once')),
      callback,
      undefined,
    )
  }
  facade.ending = true
  const closed = close(facade).catch(facade[STATE].failed)
  return settle(closed, callback, undefined)
}

async function close(facade: Facade): Promise<void> {
  const { base, pool, checkOuts } = facade[STATE]
  const others = facadesOver.get(base)! - 1
  facadesOver.set(base, others)
  // Lazy clients that are out need the pool for what they will run.
  await checkOuts.allBack(others > 0 || undefined)
  if (others === 0) await base.close({ timeoutMs: MAX_MS, waiters: 'serve' })
  else if (pool !== base) await pool.close()
  facade.ended = true
}

function ended(): Error {
  return new Error('Cannot use a pool after calling end on the pool')
}

/** Says what to do in words of `pg` where core names methods of its own pools. */
function inWordsOfPg(error: unknown): unknown {
  if (!messageOf(error).startsWith('pool.query cannot ')) return error
  if (error instanceof TransactionError) {
    return new TransactionError(
      'pool.query cannot begin or end a transaction, because each call may use another connection; take a client with pool.connect() and run BEGIN to COMMIT on that; if a library does this, it takes the pool for a client: give it one',
    )
  }
  if (error instanceof SessionStateError) {
    return new SessionStateError(
      'pool.query cannot take or give back an advisory lock of the session, because each call may use another connection and a lock would be gone with the call; take a client with pool.connect() and release it after the unlock, or use pg_advisory_xact_lock() in a transaction',
    )
  }
  return error
}

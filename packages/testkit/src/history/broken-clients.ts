import {
  ConnectionLostError,
  type Pool,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type Transaction,
} from '@poolhouse/core'
import { readQueryArguments } from '@poolhouse/core/kit'
import type { ViolationKind } from './verify-history.js'
import type { HistoryClient, WorkloadOptions } from './workload.js'

/** A client with one known fault, to prove that a checker of histories sees it. */
export interface BrokenClient {
  /** What it does wrong, in words. */
  readonly name: string
  /** What a checker must call it. */
  readonly breaks: ViolationKind
  /**
   * Puts the fault between the workers and a pool that works.
   *
   * @example
   * for (const client of brokenClients) startWorkload({ writes: client.wrap(db) })
   */
  wrap(pool: Pool): HistoryClient
}

type Send = () => Promise<QueryResult<never>>
type Fault = (send: Send, statement: Statement, pool: Pool) => Promise<QueryResult<never>>

// Every fault strikes only now and then: one that always strikes is found easily.
const EVERY = 7

/**
 * Deliberately broken clients, one for each kind of violation. `verifyHistory` must catch each of
 * them, and none of a client that is whole.
 */
export const brokenClients: readonly BrokenClient[] = [
  onInsert('acknowledges what it never sends', 'lost', async () => ({
    rows: [],
    rowCount: 1,
    command: 'INSERT',
    fields: [],
  })),
  onInsert('sends again what may have been executed', 'duplicated', async (send) => {
    await send()
    return send()
  }),
  onInsert(
    'writes rows that were not asked for',
    'phantom',
    async (send, { text, values = [] }, pool) => {
      await pool.query(text, [`${String(values[0])}-ghost`, ...values.slice(1)])
      return send()
    },
  ),
  onInsert('says "not executed" of what was executed', 'wrong-executed', async (send) => {
    await send()
    throw new ConnectionLostError('the connection was lost', { executed: 'no' })
  }),
  onInsert('fails without saying what became of the work', 'unstated', async () => {
    throw new Error('something went wrong')
  }),
  onInsert('answers after the deadline', 'late', async (send) => {
    const result = await send()
    await new Promise((resolve) => setTimeout(resolve, 900))
    return result
  }),
  onInsert('forgets to answer', 'unsettled', () => new Promise(() => {})),
  onInsert('does not give a connection back', 'leaked', async (send, _statement, pool) => {
    await pool.acquire()
    return send()
  }),
  onInsert('drops a promise that fails', 'unhandled', (send) => {
    void Promise.reject(new Error('dropped'))
    return send()
  }),
  onRead('reads from before the last write', 'stale-read', async () => seen(0)),
  onRead('reads from an older replica than before', 'backwards-read', async () => seen(1)),
  {
    name: 'commits one half of a transaction',
    breaks: 'torn',
    wrap: (pool) => ({
      query: pool.query.bind(pool) as Pool['query'],
      transaction: (work, options) => {
        let statements = 0
        return pool.transaction((tx) => {
          const query = ((...call: Parameters<Transaction['query']>) =>
            ++statements === 2
              ? Promise.resolve(seen(0))
              : tx.query(...call)) as Transaction['query']
          // The workers use nothing else of it.
          return work({ query } as Transaction)
        }, options)
      },
    }),
  },
]

/**
 * Clients whose reads are wrong in ways that only a closer look at them shows; caught where
 * `no-lost-reads` is promised too.
 */
export const brokenReaders: readonly BrokenClient[] = [
  onRead('reads what a failover has lost', 'lost-read', async () => seen(1_000_000)),
  onRead('leaves out a write that others after it have followed', 'stale-read', async (send) => {
    const result = await send()
    return { ...result, rows: result.rows.filter((_, index) => index !== 1) }
  }),
]

/** An application with one known fault in how it keeps the cookies of its users. */
export interface BrokenCookies {
  /** What it does wrong, in words. */
  readonly name: string
  /** What a checker must call it. */
  readonly breaks: ViolationKind
  /**
   * Puts the fault between the users and an application that works.
   *
   * @example
   * for (const each of brokenCookies) {
   *   startWorkload({ writes: db, users: 3, request: each.wrap(beginRequest) })
   * }
   */
  wrap(request: RequestMaker): RequestMaker
}

type RequestMaker = NonNullable<WorkloadOptions['request']>

/** Deliberately broken ways with cookies. */
export const brokenCookies: readonly BrokenCookies[] = [
  {
    name: 'forgets now and then what the cookie says',
    breaks: 'stale-read',
    wrap: (request) => {
      let count = 0
      return (cookie, method) => request(++count % EVERY === 0 ? '' : cookie, method)
    },
  },
  {
    name: 'hands back the cookie of an older request',
    breaks: 'stale-read',
    wrap: (request) => {
      let first: string | undefined
      let count = 0
      return (cookie, method) => {
        const served = request(cookie, method)
        return {
          run: (work) => served.run(work),
          async cookie() {
            const own = await served.cookie()
            if (own !== '') first ??= own
            return ++count % EVERY === 0 ? (first ?? own) : own
          },
        }
      }
    },
  },
]

function onInsert(name: string, breaks: ViolationKind, fault: Fault): BrokenClient {
  return onSome(name, breaks, /^insert/, fault)
}

function onRead(name: string, breaks: ViolationKind, fault: Fault): BrokenClient {
  return onSome(name, breaks, /^select/, fault)
}

function onSome(name: string, breaks: ViolationKind, which: RegExp, fault: Fault): BrokenClient {
  return {
    name,
    breaks,
    wrap(pool) {
      let count = 0
      const query = (
        first: string | Statement,
        second?: readonly unknown[] | QueryOptions,
        third?: QueryOptions,
      ): Promise<QueryResult<never>> => {
        const { statement, options } = readQueryArguments(first, second, third)
        const send: Send = () => pool.query<never>(statement, options)
        return which.test(statement.text) && ++count % EVERY === 0
          ? fault(send, statement, pool)
          : send()
      }
      return {
        query: query as Pool['query'],
        transaction: (work, options) => pool.transaction(work, options),
      }
    },
  }
}

function seen(seq: number): QueryResult<never> {
  return { rows: [{ seq } as never], rowCount: 1, command: 'SELECT', fields: [] }
}

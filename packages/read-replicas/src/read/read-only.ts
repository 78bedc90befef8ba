import type {
  AcquireOptions,
  Lease,
  Pool,
  QueryOptions,
  QueryResult,
  Statement,
} from '@poolhouse/core'
import { failAgain, refuseLoneStatement } from '@poolhouse/core/kit'

// A replica refuses writes by itself. These functions are for reads on a server that would carry
// writes out: a write on reader() must not succeed on the one day when the replicas are gone.

const ROLLBACK: QueryOptions = { timeoutMs: 2_000 }

/**
 * Begins a read on a standby whose role or database is set to SERIALIZABLE, which standbys refuse.
 */
export const BEGIN_REPEATABLE_READ: string = 'begin isolation level repeatable read read only'

/**
 * Makes the transactions of a lease read-only until it is given back. The pool undoes it like any
 * other SET.
 */
const SET_READ_ONLY = 'set default_transaction_read_only to on'
/** Makes the transactions of a lease REPEATABLE READ, for a standby that is set to SERIALIZABLE. */
export const SET_REPEATABLE_READ: string = "set default_transaction_isolation to 'repeatable read'"

/**
 * Runs one statement in a read-only transaction. The caller gets the answer before the transaction
 * ends, at the cost of one more round trip instead of two. `ended` is called when the connection is
 * free again.
 */
export function queryReadOnly<Row>(
  pool: Pool,
  statement: Statement,
  limits: () => QueryOptions | undefined,
  ended: () => void,
  begin: string = 'begin read only',
): Promise<QueryResult<Row>> {
  try {
    // On a replica the pool refuses such a statement. Here it could end the transaction that keeps
    // it from writing.
    refuseLoneStatement(statement)
  } catch (error) {
    ended()
    return Promise.reject(error)
  }
  return new Promise((resolve) => {
    answerReadOnly(pool, statement, limits, begin, resolve).then(ended, (error: unknown) => {
      // Has no effect if only the rollback failed: the caller has the answer, and the pool destroys
      // the connection.
      failAgain(resolve, error)
      ended()
    })
  })
}

async function answerReadOnly<Row>(
  pool: Pool,
  statement: Statement,
  limits: () => QueryOptions | undefined,
  begin: string,
  answered: (result: QueryResult<Row>) => void,
): Promise<void> {
  // Not `use`, which on Node.js before 24 makes every promise of the process slower from then on.
  const lease = await pool.acquire({ ...limits(), intent: 'read' })
  try {
    await lease.query(begin, undefined, limits())
    answered(await lease.query<Row>(statement, limits()))
    await lease.query('rollback', undefined, ROLLBACK)
  } finally {
    // Unlike `release`, it may find the connection gone.
    await lease[Symbol.asyncDispose]()
  }
}

/**
 * Acquires a connection whose transactions are read-only until it is given back. The pool undoes it
 * like any other SET.
 */
export async function acquireReadOnly(
  pool: Pool,
  options: AcquireOptions,
  set: string = SET_READ_ONLY,
): Promise<Lease> {
  const lease = await pool.acquire({ ...options, intent: 'read' })
  try {
    await setUp(lease, options, set)
    return lease
  } catch (error) {
    lease.destroy('it could not be set up for a read')
    throw error
  }
}

/** Runs `use` on such a connection. */
export function useReadOnly<R>(
  pool: Pool,
  work: (lease: Lease) => Promise<R>,
  options: AcquireOptions,
  set: string = SET_READ_ONLY,
): Promise<R> {
  return pool.use(
    async (lease) => {
      await setUp(lease, options, set)
      return await work(lease)
    },
    { ...options, intent: 'read' },
  )
}

async function setUp(
  lease: Lease,
  { signal, timeoutMs }: AcquireOptions,
  set: string,
): Promise<void> {
  await lease.query(set, undefined, { signal, timeoutMs })
}

import {
  type AcquireOptions,
  type Lease,
  type Pool,
  type QueryOptions,
  type QueryResult,
  refuseLoneStatement,
  type Statement,
} from '@poolhouse/core'

// A replica refuses writes by itself. These are for reads that land on a server that would carry them out: a write behind
// reader() must not work on the day the replicas are gone and fail on all others.

const ROLLBACK_MS = 2_000

/**
 * Runs one statement in a read-only transaction. The caller gets the answer before the transaction is ended, and pays one
 * more round trip and not two; `ended` is called when the connection is free again.
 */
export function queryReadOnly<Row>(
  pool: Pool,
  statement: Statement,
  limits: () => QueryOptions,
  ended: () => void,
): Promise<QueryResult<Row>> {
  try {
    // On a replica the pool refuses it; here it would end the very transaction that keeps the statement from writing.
    refuseLoneStatement(statement)
  } catch (error) {
    ended()
    return Promise.reject(error)
  }
  return new Promise((resolve, reject) => {
    pool
      .use(
        async (lease) => {
          await lease.query('begin read only', undefined, limits())
          resolve(await lease.query<Row>(statement, limits()))
          await lease.query('rollback', undefined, { timeoutMs: ROLLBACK_MS })
        },
        { ...limits(), intent: 'read' },
      )
      // Without effect if it is only the rollback that failed: the pool then throws the connection away, and nobody needs it.
      .catch(reject)
      .finally(ended)
  })
}

/** Lends a connection whose transactions are read-only until it is given back: the pool undoes that like any other SET. */
export async function acquireReadOnly(pool: Pool, options: AcquireOptions): Promise<Lease> {
  const lease = await pool.acquire({ ...options, intent: 'read' })
  try {
    await makeReadOnly(lease, options)
    return lease
  } catch (error) {
    lease.destroy('it could not be made read-only')
    throw error
  }
}

/** Like `use` on such a connection. */
export function useReadOnly<R>(
  pool: Pool,
  work: (lease: Lease) => Promise<R>,
  options: AcquireOptions,
): Promise<R> {
  return pool.use(
    async (lease) => {
      await makeReadOnly(lease, options)
      return await work(lease)
    },
    { ...options, intent: 'read' },
  )
}

async function makeReadOnly(lease: Lease, { signal, timeoutMs }: AcquireOptions): Promise<void> {
  const limits = { signal, timeoutMs }
  await lease.query('set default_transaction_read_only to on', undefined, limits)
}

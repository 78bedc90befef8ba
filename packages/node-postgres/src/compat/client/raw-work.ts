import type { EventEmitter } from 'node:events'
import { ConnectionLostError, type Lease } from '@poolhouse/core'
import { isServerError, toDatabaseError } from '@poolhouse/core/net'
import type { CustomTypesConfig, QueryResult as PgQueryResult } from 'pg'
import type { PgQuery } from '../statement/read-query.js'

/** The part of the raw client of a lease that is used. */
export interface RawClient extends EventEmitter {
  readonly connection: unknown
  readonly secretKey: number | null
  query(...args: unknown[]): unknown
  ref(): void
  unref(): void
}

/** The parsers of a client. */
export interface QueryTypes {
  /** Those that were set for it; undefined if none were. */
  readonly given: CustomTypesConfig | undefined
  /** Those in force. */
  readonly all: CustomTypesConfig
}

/** Gives something to the raw client of a lease; settles when that has nothing to do any more. */
export async function runRaw<R>(
  lease: Lease,
  give: (raw: RawClient) => R | Promise<R>,
): Promise<R> {
  const raw = lease.raw as RawClient
  // A query that fails is told so at its ErrorResponse; the session is free at ReadyForQuery.
  const free = whenFree(lease, raw)
  try {
    return await give(raw)
  } finally {
    await free
  }
}

/** Resolves when the raw client has no query left, or the session is over. */
function whenFree({ signal }: Lease, raw: RawClient): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      raw.off('drain', end)
      signal.removeEventListener('abort', end)
      resolve()
    }
    raw.on('drain', end)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

/**
 * Has `pg` itself run a query, which can do what statements of ours cannot: several statements with
 * a result each, binary values, portals. Rejects with errors of ours.
 */
export async function runRawQuery(
  lease: Lease,
  query: PgQuery,
  first: unknown,
  types: QueryTypes,
): Promise<PgQueryResult | PgQueryResult[]> {
  const config = {
    ...(typeof first === 'string' ? { text: first } : (first as object)),
    values: query.statement.values,
    types: query.types ?? types.all,
    callback: undefined,
    query_timeout: undefined,
  }
  try {
    return (await runRaw(lease, (raw) => raw.query(config))) as PgQueryResult | PgQueryResult[]
  } catch (cause) {
    if (isServerError(cause)) throw toDatabaseError(cause, !lease.signal.aborted)
    if (!lease.signal.aborted) throw cause
    const message = 'the connection ended before the server had answered'
    throw new ConnectionLostError(message, { executed: 'unknown', cause })
  }
}

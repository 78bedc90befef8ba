import type { Statement } from '@poolhouse/core'
import { isSeveral } from '@poolhouse/core/sql'
import type { CustomTypesConfig, QueryResult } from 'pg'

/** A callback of `pg`: called with an error alone, or with undefined and the result. */
export type QueryCallback = (error: Error | undefined, result?: QueryResult) => void

/** What `pg` lets a caller say about one query. */
interface QueryConfig {
  readonly text?: unknown
  readonly values?: unknown
  readonly name?: unknown
  readonly rowMode?: unknown
  readonly types?: CustomTypesConfig | undefined
  readonly query_timeout?: unknown
  readonly callback?: unknown
  readonly binary?: unknown
  readonly queryMode?: unknown
  readonly rows?: unknown
  readonly portal?: unknown
}

/** An object that talks to the connection itself: a cursor, a query stream, a COPY stream. */
export interface Submittable {
  submit(connection: unknown): unknown
  handleError(error: Error, connection: unknown): void
  callback?: QueryCallback | undefined
}

/** A query of `pg` in one shape, whatever the form of the call. */
export interface PgQuery {
  /** What to run; asks for undecoded values. Its values are those of the caller. */
  readonly statement: Statement
  /** Whether rows are arrays. */
  readonly asArray: boolean
  /** The parsers of this query alone. */
  readonly types: CustomTypesConfig | undefined
  /** `query_timeout`, in milliseconds; undefined for none. */
  readonly timeoutMs: number | undefined
  /** The callback that came with the call or in its config; undefined for the promise form. */
  readonly callback: QueryCallback | undefined
  /**
   * Whether only a query of `pg` itself can do what is asked: several statements in one text, whose
   * results are an array; binary results; a portal of its own; a name without its text.
   */
  readonly needsClient: boolean
}

/** Whether the first argument of `query` talks to the connection itself. */
export function isSubmittable(first: unknown): first is Submittable {
  return typeof (first as Submittable | null | undefined)?.submit === 'function'
}

/** The callback among the arguments of `query`; undefined for the promise form. */
export function callbackOf(second: unknown, third: unknown): QueryCallback | undefined {
  if (typeof second === 'function') return second as QueryCallback
  return typeof third === 'function' ? (third as QueryCallback) : undefined
}

/**
 * Brings the call forms of `pg` into one shape: `(text, values?, callback?)`, `(config, values?,
 * callback?)`. Throws what `pg` says of wrong arguments: `TypeError` without a query, `Error` for
 * values that are no array and for a config with neither text nor name.
 */
export function readQuery(first: unknown, second?: unknown, third?: unknown): PgQuery {
  if (first === undefined || first === null) {
    throw new TypeError('Client was passed a null or undefined query')
  }
  const config = (typeof first === 'string' ? { text: first } : first) as QueryConfig
  const { text, name, rowMode, types, query_timeout: timeout, callback, queryMode } = config
  const given = second && typeof second !== 'function' ? second : config.values
  if (typeof text !== 'string' && typeof name !== 'string') {
    throw new Error('A query must have either text or a name. Supplying neither is unsupported.')
  }
  const values = given ? (given as readonly unknown[]) : undefined
  if (values !== undefined && !Array.isArray(values)) {
    throw new Error('Query values must be an array')
  }
  const hasValues = values !== undefined && values.length > 0
  const special =
    Boolean(config.binary) ||
    Boolean(config.rows) ||
    Boolean(config.portal) ||
    (queryMode === 'extended' && !hasValues && !name)
  return {
    statement: {
      text: typeof text === 'string' ? text : '',
      values: hasValues ? values : undefined,
      name: typeof name === 'string' && name !== '' ? name : undefined,
      undecoded: true,
    },
    asArray: rowMode === 'array',
    types,
    timeoutMs: typeof timeout === 'number' && timeout > 0 ? timeout : undefined,
    callback:
      callbackOf(second, third) ??
      (typeof callback === 'function' ? (callback as QueryCallback) : undefined),
    needsClient: special || typeof text !== 'string' || (!hasValues && !name && isSeveral(text)),
  }
}

import type {
  CopySource,
  Lease,
  Queryable,
  QueryOptions,
  Statement,
  Streamable,
  StreamIterator,
  StreamOptions,
} from '@poolhouse/core'

/** Where the queries of one `sql` run: a pool, a transaction or a lease. */
export interface SqlTarget extends Queryable {
  stream<Row>(statement: Statement, options?: StreamOptions): StreamIterator<Row>
  copyTo(sql: string): StreamIterator<Uint8Array>
  copyFrom(sql: string, source: CopySource): Promise<unknown>
  /** What the caller of `createRoutedSql` said about all reads; undefined for nothing. */
  readonly limits: QueryOptions | undefined
  /**
   * Runs work on a connection of its own or of the lease. Undefined where there is none to have:
   * then a text with several statements is sent one by one.
   */
  readonly lent: (<R>(work: (lease: Lease) => Promise<R>) => Promise<R>) | undefined
}

/** The target over anything that queries and streams. */
export function targetOver(
  source: Queryable & Streamable,
  limits: QueryOptions | undefined,
  lent: SqlTarget['lent'],
): SqlTarget {
  return {
    query: source.query.bind(source),
    stream: source.stream.bind(source),
    copyTo: (sql) => source.copyTo(sql),
    copyFrom: (sql, data) => source.copyFrom(sql, data),
    limits,
    lent,
  }
}

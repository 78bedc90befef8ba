import type { EventEmitter } from 'node:events'
import type { Pool } from '@poolhouse/core'
import type { ClientConfig, CustomTypesConfig, PoolClient } from 'pg'
import type { PgLibrary } from '../pg-library.js'
import type { ResultReader } from '../statement/pg-result.js'

/** How clients are handed out and taken back. */
export interface CheckOutOptions {
  /** `eager`: a connection of the primary from the start; `lazy`: one per statement, if it can. */
  readonly checkout: 'eager' | 'lazy'
  /** What a second release does. */
  readonly doubleRelease: 'throw' | 'warn'
  /** Whether a transaction that says it only reads may be on a replica. Default true. */
  readonly readsElsewhere?: boolean
  /** The parsers of all clients. Default: those of `pg.types`. */
  readonly types?: CustomTypesConfig | undefined
  /**
   * Whether what is set in a new session by `onConnect` and listeners of `connect` is set again
   * after each reset. Default false: such a statement is refused.
   */
  readonly keepsSettings?: boolean
  /**
   * Longest time for a query that `pg` itself runs, in milliseconds; the pool's own limit does not
   * know of those. Default 0: none.
   */
  readonly queryTimeoutMs?: number
  /** Runs for each new client before it is announced; its rejection is that of the check-out. */
  onConnect?(client: PoolClient): unknown
  /** Runs for each new client before its first use; its rejection is that of the check-out. */
  verify?(client: PoolClient): Promise<void>
}

/** What clients need of the facade that hands them out. */
export interface ClientHost extends CheckOutOptions {
  /** The application's copy of `pg`. */
  readonly pg: PgLibrary
  /** The pool whose events tell of connections, and whose name is in messages. */
  readonly base: Pool
  /** Where statements and connections come from. */
  readonly pool: Pool
  /** Reads undecoded results. */
  readonly results: ResultReader
  /** The facade, which emits `connect`, `acquire`, `release`, `remove` and `error`. */
  readonly facade: EventEmitter & { readonly options: ClientConfig }
}

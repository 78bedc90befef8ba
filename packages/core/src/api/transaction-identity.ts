import { describeValue, refuseUnknownOptions } from '../base/option-check.js'
import { SERVER_COLUMNS } from '../server/server-words.js'
import { checkSignal, checkTimeout } from './call-options.js'

/**
 * What tells a transaction from every other one, and where in the history of its cluster it was
 * begun.
 */
export interface TransactionIdentity {
  /**
   * Its `xid8`, in decimal. Unique on one timeline of one cluster, and there only until a crash of
   * the server.
   */
  readonly xid: string
  /**
   * When the postmaster of the server started, as `ServerIdentity` has it; undefined if it was not
   * told.
   */
  readonly startedAt?: string | undefined
  /** Address and port of the server, as it sees them; undefined if it was not told. */
  readonly place?: string | undefined
  /** Process id of the server process that runs it; the real one, also behind a pooler. */
  readonly backendPid: number
  /** Where the write-ahead log ended when it began, such as `16/B374D848`. */
  readonly startLsn: string
  /** Timeline of the server when it began. */
  readonly timeline: number
  /** When it began by the clock of the server, in PostgreSQL's own text form. */
  readonly begunAt: string
}

/**
 * What became of a transaction whose COMMIT got no answer:
 *
 * - `committed`: it was done
 * - `aborted`: it was not done and never will be
 * - `lost`: it is not in the history of the present primary; a former primary that was left behind
 *   may have committed it
 * - `unknown`: nothing proves either
 *
 * After `aborted` and `lost` the work can be done again.
 */
export type TransactionOutcome = 'committed' | 'aborted' | 'lost' | 'unknown'

/** Options of `InDoubtError.resolve`. */
export interface ResolveOptions {
  /** Longest time in milliseconds; then the outcome is `unknown`. Default 15 000. */
  timeoutMs?: number | undefined
  /** Gives up: `resolve` rejects with `AbortError`. The outcome stays as open as it was. */
  signal?: AbortSignal | undefined
}

/**
 * Finds out what became of one transaction, in the time that it is given. A failure of its own
 * counts as `unknown`.
 */
export type OutcomeResolver = (limits: {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}) => Promise<TransactionOutcome>

const RESOLVE_MS = 15_000
const KNOWN: ReadonlySet<string> = new Set(['timeoutMs', 'signal'])

/**
 * Checks the options of `resolve` and fills in the default. Throws `TypeError` or `RangeError`
 * naming option and value.
 */
export function readResolveOptions(options: ResolveOptions): {
  timeoutMs: number
  signal: AbortSignal | undefined
} {
  const where = 'resolve'
  if (options === null || typeof options !== 'object') {
    throw new TypeError(`${where}: options must be an object, got ${describeValue(options)}`)
  }
  refuseUnknownOptions(where, options, KNOWN)
  const { timeoutMs = RESOLVE_MS, signal } = options
  checkTimeout(where, timeoutMs)
  checkSignal(where, signal)
  return { timeoutMs, signal }
}

/**
 * Asks a transaction for its identity; sent in one message with BEGIN. Assigns the `xid8`, and
 * fails with 25006 on a standby. The timeline comes from the name of the WAL file, because the
 * control file shows a new one only after the next checkpoint.
 */
export const IDENTITY_QUERY: string =
  'SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text AS xid, pg_catalog.pg_backend_pid() AS pid, ' +
  'pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text AS lsn, pg_catalog.now()::pg_catalog.text AS begun_at, ' +
  'pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) AS wal_file, ' +
  `${SERVER_COLUMNS.startedAt} AS started_at, ${SERVER_COLUMNS.place} AS place`

/**
 * Reads the answer to `IDENTITY_QUERY`, whatever the driver made of its types; undefined if it does
 * not tell.
 */
export function readIdentity({
  rows,
}: {
  readonly rows: readonly unknown[]
}): TransactionIdentity | undefined {
  const row = rows[0] as Partial<Record<string, unknown>> | undefined
  const { xid, pid, lsn, begun_at: begunAt, wal_file: walFile } = row ?? {}
  const { started_at: startedAt, place } = row ?? {}
  const timeline = typeof walFile === 'string' ? Number.parseInt(walFile.slice(0, 8), 16) : 0
  if (!(xid && pid && lsn && begunAt && timeline > 0)) return undefined
  return Object.freeze({
    xid: String(xid),
    backendPid: Number(pid),
    startLsn: String(lsn),
    timeline,
    begunAt: String(begunAt),
    startedAt: startedAt ? String(startedAt) : undefined,
    place: place ? String(place) : undefined,
  })
}

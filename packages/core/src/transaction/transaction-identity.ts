import type { TransactionOptions } from '../api/transaction.js'
import type { TransactionIdentity } from '../outcome/transaction-outcome.js'
import { SERVER_COLUMNS } from '../server/server-words.js'

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

/**
 * The text that begins a transaction with these options, and asks for its identity if somebody
 * wants it.
 */
export function beginStatement(options: TransactionOptions): string {
  let text = 'BEGIN'
  if (options.isolation !== undefined) text += ` ISOLATION LEVEL ${options.isolation.toUpperCase()}`
  if (options.readOnly !== undefined) text += options.readOnly ? ' READ ONLY' : ' READ WRITE'
  if (options.deferrable === true) text += ' DEFERRABLE'
  if (wantsIdentity(options)) text += `; ${IDENTITY_QUERY}`
  return text
}

/** Whether the identity of the transaction is to be taken. */
export function wantsIdentity({ resolver, readOnly }: TransactionOptions): boolean {
  return resolver !== undefined && readOnly !== true
}

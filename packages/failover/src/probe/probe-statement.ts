import type { QueryResult } from '@poolhouse/core'
import {
  type FactsRow,
  factsStatement,
  readBoolean,
  readFacts,
  readInteger,
  readText,
  SERVER_COLUMNS,
} from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'

// `boolean` needs no schema: it is a keyword of the grammar. `read_only` is the default of new
// transactions, not `transaction_read_only`, which is always on during recovery.
const COLUMNS = [
  "pg_catalog.current_setting('default_transaction_read_only')::boolean as read_only",
  `${SERVER_COLUMNS.address} OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) ${SERVER_COLUMNS.port} as address`,
  `${SERVER_COLUMNS.port} as port`,
  'pg_catalog.pg_backend_pid() as backend_pid',
]
const FENCED_PROBE = factsStatement({ history: true, positions: true }, COLUMNS)
const UNFENCED_PROBE = factsStatement({ history: false, positions: true }, COLUMNS)
const BARE_PROBE = factsStatement({ history: false, positions: false }, COLUMNS)

/** The row of a probe. */
interface ProbeRow extends FactsRow {
  readonly read_only?: unknown
  readonly address?: unknown
  readonly port?: unknown
  readonly backend_pid?: unknown
}

/**
 * The statements of a probe: the first is sent, and each further one replaces the one before where
 * the service refuses that. With fencing off they leave out the functions that hosted services
 * hide. Aurora refuses the functions of WAL positions too: 0A000 on a reader ("currently not
 * supported for Aurora"), and 55000 on a writer without logical replication ("wal_level must be set
 * to 'logical'").
 */
export function probeStatements(fence: 'timeline' | 'off'): readonly string[] {
  return fence === 'timeline' ? [FENCED_PROBE] : [UNFENCED_PROBE, BARE_PROBE]
}

/**
 * Reads the row of a probe, whatever types the driver gave its columns. `sessionPid` is the backend
 * process id that was announced when the session started. Throws `TypeError` if the row does not
 * say whether the server is in recovery.
 */
export function readProbe({ rows }: Pick<QueryResult, 'rows'>, sessionPid?: number): ProbeFacts {
  const row: ProbeRow = rows[0] ?? {}
  return Object.freeze({
    ...readFacts(row),
    readOnly: readBoolean(row.read_only) ?? false,
    address: readText(row.address),
    port: readInteger(row.port),
    backendPid: readPid(row.backend_pid),
    sessionPid: readPid(sessionPid),
  })
}

function readPid(value: unknown): number | undefined {
  // PgBouncer invents its own process ids, which are often negative. A driver that knows none says
  // 0.
  const pid = Number(readText(value) ?? 0)
  return Number.isInteger(pid) && pid !== 0 ? pid : undefined
}

import type { QueryResult, Statement } from '@poolhouse/core'
import {
  type FactsRow,
  factsStatement,
  readBoolean,
  readFacts,
  readInteger,
  readLogEnd,
  readText,
  SERVER_COLUMNS,
  type ServerFacts,
} from '@poolhouse/core/kit'

/** What one sample says about a server. */
export interface SampleFacts extends ServerFacts {
  /**
   * Whether it receives from another server now; undefined on a primary and where it was not asked.
   */
  readonly receiving: boolean | undefined
  /** Process of the server that answered; undefined where it was not asked. */
  readonly backendPid: number | undefined
  /**
   * Address and port, as the server sees them, or `unix:` and its port; undefined where it was not
   * asked.
   */
  readonly place: string | undefined
}

const PLACE = `${SERVER_COLUMNS.place} as place`

/** The one statement of a sample; any role may run it. */
export const SAMPLE_STATEMENT: string = factsStatement({ history: true, positions: true }, [
  PLACE,
  'case when r.in_recovery then exists(select from pg_catalog.pg_stat_wal_receiver) end as receiving',
  'pg_catalog.pg_backend_pid() as pid',
])

/**
 * The sample for services that hide the functions of the control file. It cannot tell one cluster
 * from another.
 */
export const PLAIN_SAMPLE_STATEMENT: string = factsStatement({ history: false, positions: true }, [
  PLACE,
])

// Named, so that a session plans it once: under load it is asked some hundred times a second.
const POSITION = (name: string, columns: string): Statement => ({
  name,
  text: `select pg_catalog.pg_is_in_recovery() as in_recovery, ${columns}, pg_catalog.pg_backend_pid() as pid`,
})

const LOG_END = `${SERVER_COLUMNS.inserted} as lsn, ${SERVER_COLUMNS.flushed} as flushed`

/**
 * The sample for a session that has answered a whole one. It leaves out what cannot have changed
 * since: reading the control file and the receiver is most of the work of a sample. It raises 55000
 * on a standby.
 */
export const PRIMARY_POSITION_STATEMENT: Statement = POSITION('poolhouse_primary_position', LOG_END)

/** The same for a standby. */
export const STANDBY_POSITION_STATEMENT: Statement = POSITION(
  'poolhouse_standby_position',
  `${SERVER_COLUMNS.replayed} as lsn`,
)

/**
 * The position of a primary, for a session that may belong to another server than the one that was
 * sampled: a whole sample without what concerns only standbys. It raises 55000 on a standby.
 */
export const WRITE_POSITION_STATEMENT: Statement = {
  name: 'poolhouse_write_position',
  text: `\
select false as in_recovery, ${LOG_END},
  ${SERVER_COLUMNS.systemId} as system_id, ${SERVER_COLUMNS.primaryTimeline} as timeline,
  ${SERVER_COLUMNS.startedAt} as started_at, ${PLACE}`,
}

/** The row of a sample. */
export interface SampleRow extends FactsRow {
  readonly receiving?: unknown
  readonly pid?: unknown
  readonly place?: unknown
}

/**
 * Reads the row of a sample, whatever the driver made of its types. Throws `TypeError` if it does
 * not tell the role.
 */
export function readSample({ rows }: Pick<QueryResult<SampleRow>, 'rows'>): SampleFacts {
  const row: SampleRow = rows[0] ?? {}
  return {
    ...readFacts(row),
    receiving: readBoolean(row.receiving),
    backendPid: readInteger(row.pid),
    place: readText(row.place),
  }
}

/**
 * Reads the row of a position, and takes everything else from `facts`. A primary keeps its timeline
 * until it is restarted. A standby may have followed another timeline since, so its timeline
 * becomes a lower bound. Undefined if the role has changed, or if another server may have answered
 * behind a proxy.
 */
export function readPosition(
  result: Pick<QueryResult<SampleRow>, 'rows'>,
  facts: SampleFacts,
): SampleFacts | undefined {
  const row: SampleRow = result.rows[0] ?? {}
  if (readBoolean(row.in_recovery) !== facts.inRecovery) return undefined
  if (readInteger(row.pid) !== facts.backendPid) return undefined
  const receiver = { receiver: undefined, receivedLsn: undefined }
  return { ...facts, lsn: readLogEnd(row), timelineExact: !facts.inRecovery, ...receiver }
}

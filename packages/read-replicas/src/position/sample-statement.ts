import type { QueryResult, Statement } from '@poolhouse/core'
import {
  MAY_READ_PAST,
  readBoolean,
  readInteger,
  readLsn,
  readText,
  readTimeline,
  SERVER_COLUMNS,
  TIMELINE_BEGIN,
  TimelinePast,
} from '@poolhouse/core/kit'

/** What one sample says about a server. */
export interface SampleFacts {
  /** Whether it replays somebody else's write-ahead log. */
  readonly inRecovery: boolean
  /** Where its log ends: inserted on a primary, replayed on a replica. */
  readonly lsn: bigint | undefined
  /** Whether replay was paused by hand. */
  readonly replayPaused: boolean
  /**
   * Whether it receives from another server now; undefined on a primary and where it was not asked.
   */
  readonly receiving: boolean | undefined
  /**
   * Process id of its WAL receiver, which any role is shown; null while none runs, undefined where
   * it was not asked.
   */
  readonly receiver: number | null | undefined
  /** System identifier of its cluster; undefined where it was not asked. */
  readonly systemId: string | undefined
  /** Its timeline; a lower bound unless `timelineExact`. Undefined where it was not asked. */
  readonly timeline: number | undefined
  /**
   * Whether the timeline is certain: on a primary, and on a replica for a role that may read all
   * statistics.
   */
  readonly timelineExact: boolean
  /** Process of the server that answered; undefined where it was not asked. */
  readonly backendPid: number | undefined
  /**
   * When its postmaster started, in seconds since 1970, as text that is exact to the microsecond:
   * it names one life of the server.
   */
  readonly startedAt: string | undefined
  /**
   * Address and port, as the server sees them, or `unix:` and its port; undefined where it was not
   * asked.
   */
  readonly place: string | undefined
  /** Whether the role may read the past of the server's timeline. */
  readonly tellsPast: boolean
  /** The past of its timeline, or where that began; undefined where neither is told. */
  readonly past: TimelinePast | undefined
}

const SERVER = `${SERVER_COLUMNS.startedAt} as started_at, ${SERVER_COLUMNS.place} as place`

const STATEMENT = (identity: string): string => `\
select r.in_recovery as in_recovery,
  case when r.in_recovery then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end::pg_catalog.text as lsn,
  case when r.in_recovery then pg_catalog.pg_is_wal_replay_paused() else false end as replay_paused,
  ${SERVER}${identity}
from (select pg_catalog.pg_is_in_recovery() as in_recovery offset 0) r`

/**
 * The one statement of a sample; any role may run it. Functions, operators and types are named with
 * their schema, because a `search_path` may have others of their names in front; `int`, `bit` and
 * `boolean` are words of the grammar. CASE guards the functions that raise 55000 in the other role,
 * and the role is asked once, in a sub-select that `offset 0` keeps whole.
 *
 * Timeline of a primary: the WAL file name of the current position, because the control file shows
 * the old timeline until the first checkpoint after a promotion. Of a standby: what its receiver
 * says, which only roles with pg_read_all_stats are shown, and the control file, which follows late
 * and is a lower bound.
 */
export const SAMPLE_STATEMENT: string = STATEMENT(`,
  ${SERVER_COLUMNS.systemId} as system_id,
  case when r.in_recovery then ${SERVER_COLUMNS.standbyTimeline} else ${SERVER_COLUMNS.primaryTimeline} end as timeline,
  case when r.in_recovery then ${SERVER_COLUMNS.receivedTimeline} end as received_timeline,
  case when r.in_recovery then exists(select from pg_catalog.pg_stat_wal_receiver) end as receiving,
  case when r.in_recovery then (select w.pid from pg_catalog.pg_stat_wal_receiver w) end as receiver,
  ${MAY_READ_PAST} as tells_past,
  case when not r.in_recovery then ${TIMELINE_BEGIN} end as begin,
  pg_catalog.pg_backend_pid() as pid`)

/**
 * The sample for services that hide the functions of the control file: it cannot tell one cluster
 * from another.
 */
export const PLAIN_SAMPLE_STATEMENT: string = STATEMENT('')

// Named, so that it is planned once for a session: under load it is asked some hundred times a
// second.
const POSITION = (name: string, lsn: string): Statement => ({
  name,
  text: `select pg_catalog.pg_is_in_recovery() as in_recovery, ${lsn}::pg_catalog.text as lsn, pg_catalog.pg_backend_pid() as pid`,
})

/**
 * The sample for a session whose server has answered a whole one: what cannot have changed since is
 * not asked again, and the control file and the receiver are most of the work of a sample. It
 * raises 55000 on a standby.
 */
export const PRIMARY_POSITION_STATEMENT: Statement = POSITION(
  'poolhouse_primary_position',
  'pg_catalog.pg_current_wal_insert_lsn()',
)

/** The same for a standby. */
export const STANDBY_POSITION_STATEMENT: Statement = POSITION(
  'poolhouse_standby_position',
  'pg_catalog.pg_last_wal_replay_lsn()',
)

/**
 * The position of a primary for any of its sessions, of which nobody knows whether it is with the
 * server that was sampled: a whole sample but for what concerns standbys alone. It raises 55000 on
 * a standby.
 */
export const WRITE_POSITION_STATEMENT: Statement = {
  name: 'poolhouse_write_position',
  text: `\
select false as in_recovery, pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text as lsn,
  ${SERVER_COLUMNS.systemId} as system_id, ${SERVER_COLUMNS.primaryTimeline} as timeline,
  ${SERVER}`,
}

/** The row of a sample. Drivers may give text where a type parser was replaced. */
export interface SampleRow {
  /** Boolean or its text. */
  readonly in_recovery?: unknown
  /** Text such as `0/3000060`, or null. */
  readonly lsn?: unknown
  /** Boolean or its text. */
  readonly replay_paused?: unknown
  /** Decimal text. */
  readonly system_id?: unknown
  /** Number or its text. */
  readonly timeline?: unknown
  /** Number or its text, or null. */
  readonly received_timeline?: unknown
  /** Boolean or its text, or null. */
  readonly receiving?: unknown
  /** Number or its text, or null. */
  readonly receiver?: unknown
  /** Number or its text. */
  readonly pid?: unknown
  /** Decimal text. */
  readonly started_at?: unknown
  /** Text such as `10.0.0.1:5432`. */
  readonly place?: unknown
  /** Boolean or its text. */
  readonly tells_past?: unknown
  /** Text such as `0/3000060`, or null. */
  readonly begin?: unknown
}

/**
 * Reads the row of a sample, whatever the driver made of its types. Throws `TypeError` if it does
 * not tell the role.
 */
export function readSample(result: Pick<QueryResult<SampleRow>, 'rows'>): SampleFacts {
  const row: SampleRow = result.rows[0] ?? {}
  const inRecovery = readBoolean(row.in_recovery)
  if (inRecovery === undefined) {
    throw new TypeError('the answer to a sample does not tell whether the server is in recovery')
  }
  const timeline = readTimeline(row.timeline)
  const begin = readLsn(row.begin)
  const received = readTimeline(row.received_timeline)
  return {
    inRecovery,
    lsn: readLsn(row.lsn),
    replayPaused: readBoolean(row.replay_paused) ?? false,
    receiving: readBoolean(row.receiving),
    receiver: row.receiver === null ? null : readInteger(row.receiver),
    systemId: readText(row.system_id),
    timeline: timeline === undefined ? undefined : Math.max(timeline, received ?? 0),
    timelineExact: timeline !== undefined && (!inRecovery || received !== undefined),
    backendPid: readInteger(row.pid),
    startedAt: readText(row.started_at),
    place: readText(row.place),
    tellsPast: readBoolean(row.tells_past) ?? false,
    past:
      timeline === undefined || begin === undefined
        ? undefined
        : TimelinePast.begunAt(timeline, begin),
  }
}

/**
 * Reads the row of a position, with everything else as `facts` have it. A primary keeps its
 * timeline until it is restarted; a standby may have followed another one meanwhile, so its
 * timeline becomes a lower bound. Undefined if the role has changed, or the server behind a proxy
 * may have.
 */
export function readPosition(
  result: Pick<QueryResult<SampleRow>, 'rows'>,
  facts: SampleFacts,
): SampleFacts | undefined {
  const row: SampleRow = result.rows[0] ?? {}
  if (readBoolean(row.in_recovery) !== facts.inRecovery) return undefined
  if (readInteger(row.pid) !== facts.backendPid) return undefined
  const lsn = readLsn(row.lsn)
  return { ...facts, lsn, timelineExact: !facts.inRecovery, receiver: undefined }
}

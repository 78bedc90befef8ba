import type { QueryResult } from '@poolhouse/core'
import {
  FIRST_TIMELINE,
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
import type { ProbeFacts } from '../base/observation.js'

const POSITIONS = `\
case when r.in_recovery then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end::pg_catalog.text as lsn,
  case when r.in_recovery then pg_catalog.pg_last_wal_receive_lsn() end::pg_catalog.text as receive_lsn,
  case when r.in_recovery then pg_catalog.pg_is_wal_replay_paused() else false end as replay_paused`
const NO_POSITIONS =
  'null::pg_catalog.text as lsn, null::pg_catalog.text as receive_lsn, false as replay_paused'

// What a server says about itself is asked in core's words. `boolean` is a word of the grammar.
//
// The branches are guarded by CASE because the functions of the other role raise 55000, and the
// role is asked once, in a sub-select that `offset 0` keeps from being asked again for each use.
//
// `read_only` is the default of new transactions and not `transaction_read_only`, which is always
// on during recovery.
//
// The timeline of a standby is a lower bound unless its receiver is shown, and makes nobody
// primary.
const PROBE = (
  identity: string,
  timeline: string,
  history: string,
  positions: string = POSITIONS,
): string => `\
select r.in_recovery as in_recovery,
  pg_catalog.current_setting('default_transaction_read_only')::boolean as read_only,
  ${identity} as system_id,
  ${timeline} as timeline,
  ${history},
  ${SERVER_COLUMNS.startedAt} as started_at,
  ${SERVER_COLUMNS.address} OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) ${SERVER_COLUMNS.port} as address,
  ${SERVER_COLUMNS.port} as port,
  pg_catalog.pg_backend_pid() as backend_pid,
  ${positions}
from (select pg_catalog.pg_is_in_recovery() as in_recovery offset 0) r`

const FENCED_PROBE: string = PROBE(
  SERVER_COLUMNS.systemId,
  `case when r.in_recovery then ${SERVER_COLUMNS.standbyTimeline} else ${SERVER_COLUMNS.primaryTimeline} end`,
  `case when r.in_recovery then ${SERVER_COLUMNS.receivedTimeline} end as received_timeline,
  case when r.in_recovery then (select w.pid from pg_catalog.pg_stat_wal_receiver w) end as receiver,
  ${MAY_READ_PAST} as tells_past,
  case when not r.in_recovery then ${TIMELINE_BEGIN} end as begin`,
)
const NO_HISTORY = 'null::int as received_timeline'
const UNFENCED_PROBE: string = PROBE('null::pg_catalog.text', 'null::int', NO_HISTORY)
const BARE_PROBE: string = PROBE('null::pg_catalog.text', 'null::int', NO_HISTORY, NO_POSITIONS)

/** A row of the probe; what type the driver gives each column is its business. */
type ProbeRow = Partial<
  Record<
    | 'in_recovery'
    | 'read_only'
    | 'system_id'
    | 'timeline'
    | 'received_timeline'
    | 'receiver'
    | 'tells_past'
    | 'begin'
    | 'started_at'
    | 'address'
    | 'port'
    | 'backend_pid'
    | 'lsn'
    | 'receive_lsn'
    | 'replay_paused',
    unknown
  >
>

/**
 * The one statement of a probe, and what to ask instead where the service does not support it
 * (0A000). With fencing off it leaves out the functions that hosted services hide; Aurora refuses
 * those of the WAL's positions too, as its documentation says.
 */
export function probeStatements(fence: 'timeline' | 'off'): readonly string[] {
  return fence === 'timeline' ? [FENCED_PROBE] : [UNFENCED_PROBE, BARE_PROBE]
}

/**
 * Reads the row of a probe, whatever the driver made of its types. `sessionPid` is the process id
 * that the session was given when it began. Throws `TypeError` if the row does not tell the role.
 */
export function readProbe(result: Pick<QueryResult, 'rows'>, sessionPid?: number): ProbeFacts {
  const row: ProbeRow = result.rows[0] ?? {}
  const inRecovery = readBoolean(row.in_recovery)
  if (inRecovery === undefined) {
    throw new TypeError('the answer to a probe does not tell whether the server is in recovery')
  }
  const timeline = readTimeline(row.timeline)
  const received = readTimeline(row.received_timeline)
  const timelineExact = timeline !== undefined && (!inRecovery || received !== undefined)
  return Object.freeze({
    inRecovery,
    readOnly: readBoolean(row.read_only) ?? false,
    systemId: readText(row.system_id),
    timeline: timeline === undefined ? undefined : Math.max(timeline, received ?? 0),
    timelineExact,
    past: timelineExact ? pastOf(timeline, readLsn(row.begin)) : undefined,
    tellsPast: readBoolean(row.tells_past) ?? false,
    receiver: row.receiver === null ? null : readInteger(row.receiver),
    startedAt: readText(row.started_at),
    address: readText(row.address),
    port: readInteger(row.port),
    backendPid: readPid(row.backend_pid),
    sessionPid: readPid(sessionPid),
    lsn: readLsn(row.lsn),
    receiveLsn: readLsn(row.receive_lsn),
    replayPaused: readBoolean(row.replay_paused) ?? false,
  })
}

/** What a probe tells of the past of a timeline. The first one has none. */
function pastOf(timeline: number, begin: bigint | undefined): TimelinePast | undefined {
  if (timeline === 1) return FIRST_TIMELINE
  return begin === undefined ? undefined : TimelinePast.begunAt(timeline, begin)
}

function readPid(value: unknown): number | undefined {
  // PgBouncer makes its own up, which are often negative; 0 is what a driver says that was not
  // told.
  const pid = Number(readText(value) ?? 0)
  return Number.isInteger(pid) && pid !== 0 ? pid : undefined
}

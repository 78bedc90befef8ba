import type { QueryResult } from '@poolhouse/core'
import type { ProbeFacts } from './observation.js'

const POSITIONS = `\
case when r.in_recovery then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end::pg_catalog.text as lsn,
  case when r.in_recovery then pg_catalog.pg_last_wal_receive_lsn() end::pg_catalog.text as receive_lsn,
  case when r.in_recovery then pg_catalog.pg_is_wal_replay_paused() else false end as replay_paused`
const NO_POSITIONS =
  'null::pg_catalog.text as lsn, null::pg_catalog.text as receive_lsn, false as replay_paused'

// Functions, operators and types are named with their schema: a `search_path` may have others of their names in front. `int`, `bit` and
// `boolean` are words of the grammar.
//
// The branches are guarded by CASE because the functions of the other role raise 55000, and the role is asked once, in a
// sub-select that `offset 0` keeps from being asked again for each use.
//
// `read_only` is the default of new transactions and not `transaction_read_only`, which is always on during recovery.
//
// Timeline of a primary: the WAL file name of the current position. pg_control_checkpoint() shows the old timeline until the
// first checkpoint after a promotion. Timeline of a standby: pg_stat_wal_receiver shows nothing to a role without
// pg_read_all_stats and pg_walfile_name() is refused during recovery, so what is left is the control file: the greater of the
// last restart point's timeline and of the one that recovery must reach. Both follow a change of timeline late (measured on
// 15.18: not before the next restart point), so it is a lower bound and decides nothing.
const PROBE = (identity: string, timeline: string, positions: string = POSITIONS): string => `\
select r.in_recovery as in_recovery,
  pg_catalog.current_setting('default_transaction_read_only')::boolean as read_only,
  ${identity} as system_id,
  ${timeline} as timeline,
  pg_catalog.pg_postmaster_start_time()::pg_catalog.text as started_at,
  pg_catalog.host(pg_catalog.inet_server_addr()) OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) pg_catalog.inet_server_port() as address,
  pg_catalog.pg_backend_pid() as backend_pid,
  ${positions}
from (select pg_catalog.pg_is_in_recovery() as in_recovery offset 0) r`

const FENCED_PROBE: string = PROBE(
  '(select system_identifier::pg_catalog.text from pg_catalog.pg_control_system())',
  `case when r.in_recovery
    then (select greatest(c.timeline_id, m.min_recovery_end_timeline)
      from pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() m)
    else ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int
  end`,
)
const UNFENCED_PROBE: string = PROBE('null::pg_catalog.text', 'null::int')
const BARE_PROBE: string = PROBE('null::pg_catalog.text', 'null::int', NO_POSITIONS)

/** A row of the probe; what type the driver gives each column is its business. */
type ProbeRow = Partial<
  Record<
    | 'in_recovery'
    | 'read_only'
    | 'system_id'
    | 'timeline'
    | 'started_at'
    | 'address'
    | 'backend_pid'
    | 'lsn'
    | 'receive_lsn'
    | 'replay_paused',
    unknown
  >
>

/**
 * The one statement of a probe, and what to ask instead where the service does not support it (0A000). With fencing off it leaves out the
 * functions that hosted services hide; Aurora refuses those of the WAL's positions too, as its documentation says.
 */
export function probeStatements(fence: 'timeline' | 'off'): readonly string[] {
  return fence === 'timeline' ? [FENCED_PROBE] : [UNFENCED_PROBE, BARE_PROBE]
}

/**
 * Reads the row of a probe, whatever the driver made of its types. `sessionPid` is the process id that the session was given when
 * it began. Throws `TypeError` if the row does not tell the role.
 */
export function readProbe(result: Pick<QueryResult, 'rows'>, sessionPid?: number): ProbeFacts {
  const row: ProbeRow = result.rows[0] ?? {}
  const inRecovery = readBoolean(row.in_recovery)
  if (inRecovery === undefined) {
    throw new TypeError('the answer to a probe does not tell whether the server is in recovery')
  }
  return Object.freeze({
    inRecovery,
    readOnly: readBoolean(row.read_only) ?? false,
    systemId: readText(row.system_id),
    timeline: readTimeline(row.timeline),
    startedAt: readText(row.started_at),
    address: readText(row.address),
    backendPid: readPid(row.backend_pid),
    sessionPid: readPid(sessionPid),
    lsn: readLsn(row.lsn),
    receiveLsn: readLsn(row.receive_lsn),
    replayPaused: readBoolean(row.replay_paused) ?? false,
  })
}

function readBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  switch (readText(value)?.toLowerCase()) {
    case 't':
    case 'true':
    case 'on':
    case '1':
      return true
    case 'f':
    case 'false':
    case 'off':
    case '0':
      return false
    default:
      return undefined
  }
}

function readText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return value instanceof Date ? value.toISOString() : undefined
}

function readPid(value: unknown): number | undefined {
  // PgBouncer makes its own up, which are often negative; 0 is what a driver says that was not told.
  const pid = Number(readText(value) ?? 0)
  return Number.isInteger(pid) && pid !== 0 ? pid : undefined
}

function readTimeline(value: unknown): number | undefined {
  const text = readText(value)
  if (text === undefined || !/^-?\d+$/.test(text)) return undefined
  // A timeline is unsigned; bit(32)::int shows the upper half as negative numbers.
  const timeline = Number(text) >>> 0
  return timeline === 0 ? undefined : timeline
}

/** Reads `16/B374D848`. Undefined for anything else. */
export function readLsn(value: unknown): bigint | undefined {
  const parts = typeof value === 'string' ? /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(value) : null
  if (parts === null) return undefined
  return (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`)
}

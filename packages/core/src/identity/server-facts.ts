import { endOfCommits } from '../base/log-end.js'
import {
  readBoolean,
  readInteger,
  readLsn,
  readText,
  readTimeline,
  SERVER_COLUMNS,
} from '../server/server-words.js'
import type { PrimarySample } from './cluster-history.js'
import type { FollowerSample } from './follower.js'
import { FIRST_TIMELINE, MAY_READ_PAST, TIMELINE_BEGIN, TimelinePast } from './timeline-past.js'

/** What a server says about itself, its log and the history of that. */
export interface ServerFacts {
  /** Whether it replays another server's write-ahead log. */
  readonly inRecovery: boolean
  /** Where its log ends: behind the last commit on a primary, replayed on a standby. */
  readonly lsn: bigint | undefined
  /** Whether replay was paused by hand. */
  readonly replayPaused: boolean
  /** System identifier of its cluster; undefined where it was not asked. */
  readonly systemId: string | undefined
  /** Its timeline; a lower bound unless `timelineExact`. Undefined where it was not asked. */
  readonly timeline: number | undefined
  /**
   * Whether the timeline is certain: on a primary, and on a standby that receives, for a role that
   * may read all statistics.
   */
  readonly timelineExact: boolean
  /** The past of its timeline, or where that began; undefined where neither is told. */
  readonly past: TimelinePast | undefined
  /** Whether the role may read all of that past. */
  readonly tellsPast: boolean
  /**
   * Process id of its WAL receiver, which any role is shown; null while none runs, undefined where
   * it was not asked.
   */
  readonly receiver: number | null | undefined
  /**
   * Position up to which its WAL receivers have written log, asked after `receiver`; undefined if
   * none has written any, and where it was not asked.
   */
  readonly receivedLsn: bigint | undefined
  /**
   * When its postmaster started, in seconds since 1970, as text that is exact to the microsecond.
   * It names one life of the server, and is only ever compared for equality.
   */
  readonly startedAt: string | undefined
}

/** The row that answers `factsStatement`. Each driver has its own type for each column. */
export type FactsRow = Readonly<
  Partial<
    Record<
      | 'in_recovery'
      | 'lsn'
      | 'flushed'
      | 'replay_paused'
      | 'system_id'
      | 'timeline'
      | 'received_timeline'
      | 'receiver'
      | 'receive_lsn'
      | 'tells_past'
      | 'begin'
      | 'started_at',
      unknown
    >
  >
>

// CASE guards the functions that raise 55000 in the other role.
const POSITIONS = [
  `case when r.in_recovery then ${SERVER_COLUMNS.replayed} else ${SERVER_COLUMNS.inserted} end as lsn`,
  `case when not r.in_recovery then ${SERVER_COLUMNS.flushed} end as flushed`,
  'case when r.in_recovery then pg_catalog.pg_is_wal_replay_paused() else false end as replay_paused',
]
const HISTORY = [
  `${SERVER_COLUMNS.systemId} as system_id`,
  `case when r.in_recovery then ${SERVER_COLUMNS.standbyTimeline} else ${SERVER_COLUMNS.primaryTimeline} end as timeline`,
  `case when r.in_recovery then ${SERVER_COLUMNS.receivedTimeline} end as received_timeline`,
  'case when r.in_recovery then (select w.pid from pg_catalog.pg_stat_wal_receiver w) end as receiver',
  'case when r.in_recovery then pg_catalog.pg_last_wal_receive_lsn() end::pg_catalog.text as receive_lsn',
  `${MAY_READ_PAST} as tells_past`,
  `case when not r.in_recovery then ${TIMELINE_BEGIN} end as begin`,
]

/**
 * The one statement that asks a server for its facts; any role may run it. The columns of `more`
 * are asked for too, and may use `r.in_recovery`. `history` and `positions` are left out for
 * services that hide those functions. The server's role is asked once, in a sub-select that
 * `offset 0` keeps whole.
 */
export function factsStatement(
  ask: { readonly history: boolean; readonly positions: boolean },
  more: readonly string[],
): string {
  const columns = [
    'r.in_recovery as in_recovery',
    `${SERVER_COLUMNS.startedAt} as started_at`,
    ...(ask.positions ? POSITIONS : []),
    ...(ask.history ? HISTORY : []),
    ...more,
  ]
  return `select ${columns.join(',\n  ')}
from (select pg_catalog.pg_is_in_recovery() as in_recovery offset 0) r`
}

/**
 * Reads the row that answers `factsStatement`, whatever the driver made of its types. Throws
 * `TypeError` if the row does not tell the role.
 */
export function readFacts(row: FactsRow): ServerFacts {
  const inRecovery = readBoolean(row.in_recovery)
  if (inRecovery === undefined) {
    throw new TypeError('the answer does not tell whether the server is in recovery')
  }
  const timeline = readTimeline(row.timeline)
  const received = readTimeline(row.received_timeline)
  const begin = readLsn(row.begin)
  const hasBegin = timeline !== undefined && begin !== undefined
  return {
    inRecovery,
    lsn: readLogEnd(row),
    replayPaused: readBoolean(row.replay_paused) ?? false,
    systemId: readText(row.system_id),
    timeline: timeline === undefined ? undefined : Math.max(timeline, received ?? 0),
    timelineExact: timeline !== undefined && (!inRecovery || received !== undefined),
    past: hasBegin ? TimelinePast.begunAt(timeline, begin) : undefined,
    tellsPast: readBoolean(row.tells_past) ?? false,
    receiver: row.receiver === null ? null : readInteger(row.receiver),
    receivedLsn: readLsn(row.receive_lsn),
    startedAt: readText(row.started_at),
  }
}

/**
 * Reads where the log of a server ends, from the columns `lsn` and `flushed`. The latter is asked
 * after the former, and only of a primary.
 */
export function readLogEnd(row: Pick<FactsRow, 'lsn' | 'flushed'>): bigint | undefined {
  const lsn = readLsn(row.lsn)
  return lsn === undefined ? undefined : endOfCommits(lsn, readLsn(row.flushed))
}

/**
 * What the facts of a primary say of the history that it writes. `place` is its address and port,
 * as it sees them.
 */
export function primarySampleOf(
  facts: ServerFacts,
  place: string | undefined,
  sentAt: number,
): PrimarySample {
  const { systemId, timeline, startedAt, lsn } = facts
  const past = pastOf(facts)
  return { systemId, timeline, begin: past?.begin, startedAt, place, lsn, past, sentAt }
}

/** What the facts of a server say of the history that it follows. `place` as for a primary. */
export function followerSampleOf(
  facts: ServerFacts,
  place: string | undefined,
  answeredAt: number,
): FollowerSample {
  const { systemId, timeline, timelineExact: exact, inRecovery, lsn, startedAt } = facts
  const { receiver, receivedLsn } = facts
  const begin = pastOf(facts)?.begin
  return {
    systemId,
    timeline,
    exact,
    begin,
    inRecovery,
    lsn,
    startedAt,
    place,
    receiver,
    receivedLsn,
    answeredAt,
  }
}

/** The first timeline has no file that tells its past, and needs none. */
function pastOf({ timeline, timelineExact, past }: ServerFacts): TimelinePast | undefined {
  return timeline === 1 && timelineExact ? FIRST_TIMELINE : past
}

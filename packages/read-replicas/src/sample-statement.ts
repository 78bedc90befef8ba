import type { QueryResult } from '@poolhouse/core'

/** What a sample tells about a server. */
export interface SampleFacts {
  /** Whether it replays another server's log. */
  readonly inRecovery: boolean
  /** Where its log ends: inserted on a primary, replayed on a replica. */
  readonly lsn: bigint | undefined
  /** Whether replay was paused by hand. */
  readonly replayPaused: boolean
}

/**
 * The one statement of a sample; any role may run it. CASE guards the functions that raise 55000 in the other role, and the
 * role is asked once, in a sub-select that `offset 0` keeps whole.
 */
export const SAMPLE_STATEMENT: string = `\
select r.in_recovery as in_recovery,
  case when r.in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text as lsn,
  case when r.in_recovery then pg_is_wal_replay_paused() else false end as replay_paused
from (select pg_is_in_recovery() as in_recovery offset 0) r`

/** The row of a sample. Drivers may give text where a type parser was replaced. */
export interface SampleRow {
  /** Boolean or its text. */
  readonly in_recovery?: unknown
  /** Text such as `0/3000060`, or null. */
  readonly lsn?: unknown
  /** Boolean or its text. */
  readonly replay_paused?: unknown
}

/** Reads the row of a sample, whatever the driver made of its types. Throws `TypeError` if it does not tell the role. */
export function readSample(result: Pick<QueryResult<SampleRow>, 'rows'>): SampleFacts {
  const row: SampleRow = result.rows[0] ?? {}
  const inRecovery = readBoolean(row.in_recovery)
  if (inRecovery === undefined) {
    throw new TypeError('the answer to a sample does not tell whether the server is in recovery')
  }
  return {
    inRecovery,
    lsn: readLsn(row.lsn),
    replayPaused: readBoolean(row.replay_paused) ?? false,
  }
}

function readBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (value === 't' || value === 'true') return true
  return value === 'f' || value === 'false' ? false : undefined
}

function readLsn(value: unknown): bigint | undefined {
  const parts = typeof value === 'string' ? /^([0-9a-f]+)\/([0-9a-f]+)$/i.exec(value) : null
  return parts === null ? undefined : (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`)
}

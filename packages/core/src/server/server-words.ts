/**
 * SQL and readers for what a server says about itself, in one place for everything that asks it:
 * the question to each new session, the probes of failover, the samples of read replicas.
 * Functions, operators and types are named with their schema, because a `search_path` may have
 * others of their names in front; `int`, `bit`, `extract` and `greatest` are words of the grammar.
 * Any role may call these functions unless the right was taken away.
 */
export interface ServerColumns {
  /**
   * Identifier of the cluster that the server belongs to, the same on a primary and its standbys.
   */
  readonly systemId: string
  /**
   * Timeline of a primary: from the WAL file name of the current position, because the control file
   * shows the old timeline until the first checkpoint after a promotion. Raises 55000 on a standby.
   */
  readonly primaryTimeline: string
  /**
   * Timeline of a standby: from the control file, which follows a change of timeline late (measured
   * on 15.18: not before the next restart point). So it is a lower bound.
   */
  readonly standbyTimeline: string
  /**
   * Timeline that a standby receives; null for a role without pg_read_all_stats, and while it
   * receives nothing.
   */
  readonly receivedTimeline: string
  /** Where the log of a primary ends. Raises 55000 on a standby. */
  readonly inserted: string
  /** Where the part of a primary's log ends that is safe on disk. Raises 55000 on a standby. */
  readonly flushed: string
  /** Up to where a standby has replayed the log. */
  readonly replayed: string
  /**
   * When the server was started, in seconds since 1970 with six decimals. Not a timestamp's text,
   * which depends on the session's settings.
   */
  readonly startedAt: string
  /** The address at which it accepted the session; null for a Unix socket. */
  readonly address: string
  /** The port at which it accepted the session; null for a Unix socket. */
  readonly port: string
  /**
   * Address and port in one text, `10.0.0.1:5432`; over a Unix socket `unix:` and the port at which
   * the server listens.
   */
  readonly place: string
}

/** The columns, as expressions without aliases. */
export const SERVER_COLUMNS: ServerColumns = Object.freeze({
  systemId: '(select system_identifier::pg_catalog.text from pg_catalog.pg_control_system())',
  primaryTimeline:
    "('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int",
  standbyTimeline:
    '(select greatest(c.timeline_id, m.min_recovery_end_timeline) from pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() m)',
  receivedTimeline: '(select received_tli from pg_catalog.pg_stat_wal_receiver)',
  inserted: 'pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text',
  flushed: 'pg_catalog.pg_current_wal_flush_lsn()::pg_catalog.text',
  replayed: 'pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text',
  startedAt: 'extract(epoch from pg_catalog.pg_postmaster_start_time())::pg_catalog.text',
  address: 'pg_catalog.host(pg_catalog.inet_server_addr())',
  port: 'pg_catalog.inet_server_port()',
  place:
    "coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), 'unix') OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) pg_catalog.current_setting('port')",
})

/** Reads a boolean, whatever the driver made of its type. Undefined for anything else. */
export function readBoolean(value: unknown): boolean | undefined {
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

/**
 * Reads a text, whatever the driver made of it. Undefined for null, for an empty one, and for
 * anything else.
 */
export function readText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return value instanceof Date ? value.toISOString() : undefined
}

/** Reads an integer, whatever the driver made of its type. Undefined for anything else. */
export function readInteger(value: unknown): number | undefined {
  const text = readText(value)
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text)
}

/**
 * Reads a timeline. It is unsigned; `bit(32)::int` shows the upper half as negative numbers.
 * Undefined for 0 and for anything else.
 */
export function readTimeline(value: unknown): number | undefined {
  const timeline = (readInteger(value) ?? 0) >>> 0
  return timeline === 0 ? undefined : timeline
}

/** Reads a position in the write-ahead log, such as `16/B374D848`. Undefined for anything else. */
export function readLsn(value: unknown): bigint | undefined {
  const parts = typeof value === 'string' ? /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(value) : null
  return parts === null ? undefined : (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`)
}

/** Writes a position in the write-ahead log as the server does: `16/B374D848`. */
export function lsnText(lsn: bigint): string {
  const hex = (part: bigint): string => part.toString(16).toUpperCase()
  return `${hex(lsn >> 32n)}/${hex(lsn & 0xffffffffn)}`
}

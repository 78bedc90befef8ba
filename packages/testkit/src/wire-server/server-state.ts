/** What a wire server says about itself. Every field may be changed at any time. */
export interface WireState {
  /** Whether it is a replica. */
  inRecovery: boolean
  /** `default_transaction_read_only`. A replica refuses writes whatever this says. */
  readOnly: boolean
  /** System identifier. */
  systemId: string
  /** Timeline. */
  timeline: number
  /** Write position of a primary, replay position of a replica, as `0/3000060`. */
  lsn: string
  /** Position received by a replica. Absent: NULL. */
  receiveLsn?: string
  /** Whether replay is paused. */
  replayPaused?: boolean
  /** `pg_postmaster_start_time()` as text. */
  startedAt: string
  /**
   * `inet_server_addr()`. Absent: NULL, as for a Unix socket. A wire server begins with the address
   * where it listens.
   */
  address?: string
  /** `inet_server_port()`. Absent: NULL. A wire server begins with the port where it listens. */
  port?: number
  /** `server_version`, such as `18.4`. */
  serverVersion: string
}

/** A role that a wire server can play. */
export type WireRole = 'primary' | 'replica' | 'primary-read-only'

/** A healthy primary on timeline 1. */
export function primaryState(): WireState {
  return {
    inRecovery: false,
    readOnly: false,
    systemId: '7000000000000000001',
    timeline: 1,
    lsn: '0/3000060',
    startedAt: '2026-01-01 00:00:00+00',
    serverVersion: '18.4',
  }
}

/** The settings that a server reports by itself, in the order in which PostgreSQL does. */
export function reportedSettings(state: WireState): Map<string, string> {
  return new Map([
    ['in_hot_standby', state.inRecovery ? 'on' : 'off'],
    ['integer_datetimes', 'on'],
    ['TimeZone', 'UTC'],
    ['IntervalStyle', 'postgres'],
    ['default_transaction_read_only', state.readOnly ? 'on' : 'off'],
    ['server_encoding', 'UTF8'],
    ['client_encoding', 'UTF8'],
    ['DateStyle', 'ISO, MDY'],
    ['standard_conforming_strings', 'on'],
    ['server_version', state.serverVersion],
  ])
}

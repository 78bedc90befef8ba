/**
 * Which server a session leads to, as that server said when the session was opened. What it did not
 * say is undefined: a service may hide a function. Frozen; the sessions of a pool share one object
 * for one answer.
 */
export interface ServerIdentity {
  /** Identifier of the cluster that it belongs to: a primary and its standbys have the same. */
  readonly systemId: string | undefined
  /**
   * Its timeline. Exact if it was a primary. Of a standby it is a lower bound: the control file
   * follows a promotion late, and what the receiver says is shown only to roles with
   * pg_read_all_stats.
   */
  readonly timeline: number | undefined
  /**
   * When it was started, in seconds since 1970 as text, exact to the microsecond:
   * `1764455784.123456`. A restart gives another one; a promotion does not, and neither does the
   * recovery after one of its processes has crashed.
   */
  readonly startedAt: string | undefined
  /**
   * The address at which it accepted this session. A server may have several, and behind a proxy it
   * is not the one that was dialled.
   */
  readonly address: string | undefined
  /** The port at which it listens. Undefined for a Unix socket. */
  readonly port: number | undefined
  /**
   * Whether it was a standby then. A promotion that the session lives through does not change this.
   */
  readonly inRecovery: boolean
}

/** What tells one life of one server from all others. */
export type ServerLife = Pick<ServerIdentity, 'systemId' | 'startedAt' | 'port'>

/**
 * Whether both are the same life of the same server: one cluster, started in the same microsecond,
 * on the same port. The address is not compared, because a server that listens on several has
 * accepted each session at one of them. False where either does not tell when it was started; what
 * only one of them tells besides is not compared.
 */
export function isSameServer(one: ServerLife | undefined, other: ServerLife | undefined): boolean {
  if (one === undefined || other === undefined) return false
  if (one === other) return one.startedAt !== undefined
  return (
    one.startedAt !== undefined &&
    one.startedAt === other.startedAt &&
    agree(one.systemId, other.systemId) &&
    agree(one.port, other.port)
  )
}

/**
 * Whether the second is the first one, started anew at the same place: to be asked of two servers
 * that one name has led to. Over a Unix socket a server tells no place, and none but the one of
 * that socket answers there.
 */
export function isRestarted(former: ServerIdentity, later: ServerIdentity): boolean {
  return (
    former.startedAt !== later.startedAt &&
    former.systemId === later.systemId &&
    former.address === later.address &&
    former.port === later.port &&
    (former.address !== undefined || former.systemId !== undefined)
  )
}

/** Names a server in messages: where it listens, and when it was started. */
export function describeServer(server: ServerIdentity): string {
  const { address, port, startedAt, inRecovery } = server
  const at = Number(startedAt)
  const since = Number.isFinite(at) ? `, up since ${new Date(at * 1000).toISOString()}` : ''
  const where = address === undefined ? 'a Unix socket' : `${address}:${port}`
  return `the ${inRecovery ? 'standby' : 'primary'} at ${where}${since}`
}

function agree(one: unknown, other: unknown): boolean {
  return one === other || one === undefined || other === undefined
}

/**
 * Whether a connection to this server will do; undefined is a connection of which that is not
 * known.
 */
export type AcceptsServer = (server: ServerIdentity | undefined) => boolean

/** What the files of one node are made of. */
export interface RepmgrNodeConfig {
  /** Number of the node, from 1. */
  readonly id: number
  /** Name of the node. */
  readonly name: string
  /** Folder of its files. */
  readonly home: string
  /** Address of the node. */
  readonly host: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** From where the nodes and their users come, as in `pg_hba.conf`. */
  readonly subnet: string
  /** Folder of the programs of PostgreSQL and repmgr. */
  readonly postgresBin: string
  /**
   * Whether a lost primary is given up after some 3 s, or after the minute of repmgr's defaults.
   */
  readonly quick: boolean
}

const QUICK = {
  reconnect_attempts: 3,
  reconnect_interval: 1,
  monitor_interval_secs: 1,
  // A candidate that finds another standby connected at its first look waits for all of this.
  sibling_nodes_disconnect_timeout: 3,
}

/** Where PostgreSQL listens is said on its command line: a clone has its source's files. */
export const POSTGRESQL_CONF = `
shared_preload_libraries = 'repmgr'
fsync = off
shared_buffers = 16MB
max_connections = 200
max_wal_senders = 10
wal_keep_size = 256MB
wal_log_hints = on
log_min_messages = warning
`

/** The text of `pg_hba.conf`. */
export function accessRules(subnet: string): string {
  const from = ['local all all trust', 'local replication all trust']
  return [...from, `host all all ${subnet} trust`, `host replication all ${subnet} trust`, ''].join(
    '\n',
  )
}

/** The text of `repmgr.conf`. */
export function repmgrConf(config: RepmgrNodeConfig): string {
  const { id, name, home, postgresBin, quick } = config
  const repmgr = `${postgresBin}/repmgr -f ${home}/repmgr.conf`
  const settings: Record<string, string | number> = {
    node_id: id,
    node_name: name,
    conninfo: conninfoOf(config),
    data_directory: `${home}/data`,
    pg_bindir: postgresBin,
    failover: 'automatic',
    promote_command: `${repmgr} standby promote`,
    follow_command: `${repmgr} standby follow --upstream-node-id=%n`,
    service_start_command: startCommand(config),
    // Or a primary that wakes up would go on to send its log to standbys that have elected another.
    standby_disconnect_on_failover: 'true',
    log_level: 'NOTICE',
    ...(quick && QUICK),
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${typeof value === 'number' ? value : `'${value}'`}\n`)
    .join('')
}

/** How repmgr and libpq reach a node. */
export function conninfoOf({ host, port }: Pick<RepmgrNodeConfig, 'host' | 'port'>): string {
  return `host=${host} port=${port} user=postgres dbname=postgres connect_timeout=2`
}

/** The command that starts PostgreSQL, and returns when it answers or after a minute. */
export function startCommand({ home, host, port, postgresBin }: RepmgrNodeConfig): string {
  const where = `-p ${port} -h ${host} -k ${home}`
  return `${postgresBin}/pg_ctl -s -w -D ${home}/data -l ${home}/postgres.log -o "${where}" start`
}

/** The command that disconnects the clients of PostgreSQL and returns when it has stopped. */
export function stopCommand({ home, postgresBin }: RepmgrNodeConfig): string {
  return `${postgresBin}/pg_ctl -s -w -m fast -D ${home}/data stop`
}

/** What one Patroni node is told. */
export interface PatroniNodeConfig {
  /** Name of the cluster. */
  readonly scope: string
  /** Name of the node. */
  readonly name: string
  /** Folder of its files. */
  readonly home: string
  /** Address of the node. */
  readonly host: string
  /** From where the nodes and their users come, as in `pg_hba.conf`. */
  readonly subnet: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** Port of Patroni's REST interface. */
  readonly restPort: number
  /** Address and port of etcd. */
  readonly etcd: string
  /** Folder of PostgreSQL's programs. */
  readonly postgresBin: string
  /** Whether a commit waits for a standby. */
  readonly synchronous: boolean
}

/**
 * The configuration of one node, in JSON, which is YAML as well. As quick as Patroni allows: it
 * refuses a `ttl` below 20 s, so a node that vanishes is noticed after that, and a postmaster that
 * crashes at once.
 */
export function patroniConfig(node: PatroniNodeConfig): string {
  const { scope, name, home, host, subnet, port, restPort, etcd, postgresBin, synchronous } = node
  const local = (at: number): string => `${host}:${at}`
  return JSON.stringify({
    scope,
    name,
    restapi: { listen: local(restPort), connect_address: local(restPort) },
    etcd3: { host: etcd },
    bootstrap: {
      dcs: {
        ttl: 20,
        loop_wait: 2,
        retry_timeout: 5,
        master_start_timeout: 0,
        primary_start_timeout: 0,
        maximum_lag_on_failover: 16 * 1024 * 1024,
        synchronous_mode: synchronous,
        postgresql: {
          use_pg_rewind: true,
          use_slots: true,
          parameters: { wal_log_hints: 'on', max_connections: 200, wal_keep_size: '256MB' },
        },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, { auth: 'trust' }],
      pg_hba: [
        'local all all trust',
        `host all all ${subnet} trust`,
        `host replication all ${subnet} trust`,
      ],
    },
    postgresql: {
      listen: local(port),
      connect_address: local(port),
      data_dir: `${home}/data`,
      bin_dir: postgresBin,
      pgpass: `${home}/pgpass`,
      authentication: {
        superuser: { username: 'postgres' },
        replication: { username: 'postgres' },
        rewind: { username: 'postgres' },
      },
      basebackup: [{ checkpoint: 'fast' }],
      parameters: {
        unix_socket_directories: home,
        fsync: 'off',
        shared_buffers: '16MB',
        log_min_messages: 'warning',
      },
    },
    watchdog: { mode: 'off' },
  })
}

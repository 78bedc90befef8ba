import { createHash } from 'node:crypto'
import type { ResolvedPgpoolOptions } from './pgpool-options.js'

/** Who may give PCP commands, with a password for this instance. */
export interface PcpLogin {
  /** Login name. */
  readonly user: string
  /** Password. */
  readonly password: string
}

/** The text of `pgpool.conf`: streaming replication that something else manages. */
export function configurationText(
  options: ResolvedPgpoolOptions,
  home: string,
  port: number,
  pcpPort: number,
): string {
  const { targets, loadBalance, clients, user, password = '', database } = options
  const settings: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    pcp_listen_addresses: '127.0.0.1',
    pcp_port: pcpPort,
    socket_dir: home,
    pcp_socket_dir: home,
    wd_ipc_socket_dir: home,
    pid_file_name: `${home}/pgpool.pid`,
    logdir: home,
    work_dir: home,
    backend_clustering_mode: 'streaming_replication',
    load_balance_mode: loadBalance ? 'on' : 'off',
    num_init_children: clients,
    max_pool: 1,
    enable_pool_hba: 'on',
    pool_passwd: 'pool_passwd',
    // Who the primary is, it asks once a second.
    sr_check_period: 1,
    sr_check_user: user,
    sr_check_password: password,
    sr_check_database: database,
    // A server that does not answer is not taken out: the kit's user decides who is killed.
    failover_on_backend_error: 'off',
  }
  for (const [index, { host, port: backend }] of targets.entries()) {
    settings[`backend_hostname${index}`] = host
    settings[`backend_port${index}`] = backend
    settings[`backend_weight${index}`] = 1
  }
  return Object.entries({ ...settings, ...options.settings, port })
    .map(([name, value]) => `${name} = '${value}'\n`)
    .join('')
}

/** The text of `pool_hba.conf`: clients prove themselves as the server wants it. */
export function accessText({ password }: ResolvedPgpoolOptions): string {
  return `host all all 127.0.0.1/32 ${password === undefined ? 'trust' : 'scram-sha-256'}\n`
}

/** The text of `pool_passwd`: a password in plain text serves clients and the log-in to servers. */
export function passwordsText({ user, password }: ResolvedPgpoolOptions): string {
  return password === undefined ? '' : `${user}:TEXT${password}\n`
}

/** The text of `pcp.conf`. */
export function pcpUsersText({ user, password }: PcpLogin): string {
  return `${user}:${createHash('md5').update(password).digest('hex')}\n`
}

/** The text of the file from which the PCP commands take the password. */
export function pcpPasswordText({ user, password }: PcpLogin, pcpPort: number): string {
  return `127.0.0.1:${pcpPort}:${user}:${password}\n`
}

import type { ServerLine } from '../server/server-line.js'
import type { ServerState } from '../server/server-state.js'
import type { TargetDatabase, TargetServer } from '../target/target.js'
import { checkRoleSettings } from './check-role-settings.js'
import type { Report } from './finding.js'
import type { ServerDetails } from './server-details.js'

/** The oldest PostgreSQL that the tests run on. */
const OLDEST_VERSION = 14

/** Reports what one server that answers says about itself. */
export function checkServer(
  { options, kind }: TargetDatabase,
  server: TargetServer,
  line: ServerLine,
  state: ServerState,
  details: ServerDetails,
  report: Report,
): void {
  checkTls(server, line, details, report)
  checkPooler(line, options.pool?.pooler, report)
  checkRoleSettings(details.settings, details.user, options.pool ?? {}, report)
  if (Number.parseInt(state.version, 10) < OLDEST_VERSION) {
    report(
      'warning',
      'version',
      `PostgreSQL ${state.version} is older than ${OLDEST_VERSION}, on which Poolhouse is not tested`,
      'upgrade the server',
    )
  }
  if (details.isSuperuser) {
    report(
      'note',
      'grants',
      `the application logs in as superuser "${details.user}"`,
      'give it a role with the rights that it needs',
    )
  } else if (kind !== 'single' && !details.isMonitor) {
    report(
      'note',
      'grants',
      `role "${details.user}" lacks pg_monitor, so the timeline of a standby is only known as a lower bound`,
      `grant pg_monitor to ${quoteName(details.user)}`,
    )
  }
  checkReplication(state, details, report)
}

function checkReplication(state: ServerState, details: ServerDetails, report: Report): void {
  if (state.replayPaused) {
    report(
      'warning',
      'recovery',
      'replay is paused, so its data grow older and older',
      'select pg_wal_replay_resume() there, as superuser',
    )
  }
  if (state.inRecovery && state.receiver === null) {
    report(
      'warning',
      'recovery',
      'the standby receives nothing: no WAL receiver runs',
      'look at primary_conninfo and the log of the standby',
    )
  }
  if (!state.inRecovery && details.synchronous !== '' && details.followers === 0) {
    report(
      'error',
      'replication',
      `synchronous_standby_names is ${JSON.stringify(details.synchronous)} and no standby streams, so every commit waits`,
      'bring a standby back, or empty the setting',
    )
  }
}

function checkTls(
  { connection: { host = 'localhost' } }: TargetServer,
  { sslMode }: ServerLine,
  { tls }: ServerDetails,
  report: Report,
): void {
  if (isLocal(host)) return
  if (sslMode === 'disable' || (sslMode === 'prefer' && tls === undefined)) {
    report(
      'warning',
      'tls',
      'the connection leaves this machine and is not encrypted',
      'turn ssl on at the server and leave sslmode out: the default is verify-full',
    )
  } else if (sslMode === 'require' || sslMode === 'prefer') {
    report(
      'warning',
      'tls',
      `sslmode=${sslMode} encrypts and does not verify the server: an impostor could read everything`,
      'use verify-full (the default), with sslrootcert=FILE for an authority of your own',
    )
  }
}

function checkPooler(
  { pooler }: ServerLine,
  declared: 'pgbouncer' | 'none' | undefined,
  report: Report,
): void {
  if (pooler === 'noticed') {
    report(
      'warning',
      'pooler',
      'a pooler stands in between that the configuration does not declare: another server process answers than was announced',
      "declare it, pool: { pooler: 'pgbouncer' } (pgbouncer=true in the URL); or 'none' for one in session mode; or connect to the server itself",
    )
  } else if (pooler === 'pgbouncer' && declared === undefined) {
    report(
      'note',
      'pooler',
      'the address looks like a pooler in transaction mode, and is treated as one',
      "declare pool: { pooler: 'pgbouncer' }, or 'none' if each connection has a server session of its own",
    )
  }
}

/** True for addresses that do not leave the machine. */
function isLocal(host: string): boolean {
  return /^(?:\/.*|localhost|::1|127(?:\.\d{1,3}){3})$/.test(host)
}

function quoteName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}

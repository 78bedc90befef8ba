import type { DatabasePoolSettings } from '@poolhouse/manager'
import type { Report } from './finding.js'
import type { OwnSetting } from './server-details.js'

/** What a setting does to a pool, if its value is one that hurts; undefined if not. */
type Hurt = (
  setting: OwnSetting,
  pool: DatabasePoolSettings,
) => readonly [why: string, advice: string] | undefined

const STATEMENT_TIMEOUT_MS = 60_000
const IDLE_TIMEOUT_MS = 60_000

const limit =
  (why: string, advice: string): Hurt =>
  (setting) =>
    msOf(setting) > 0 ? [why, advice] : undefined

const HURTS: Readonly<Record<string, Hurt>> = {
  statement_timeout: (setting, { statementTimeoutMs = STATEMENT_TIMEOUT_MS }) => {
    const ms = msOf(setting)
    if (ms <= 0 || (statementTimeoutMs > 0 && ms >= statementTimeoutMs)) return undefined
    const own = statementTimeoutMs === 0 ? 'no limit' : `${statementTimeoutMs} ms`
    return [
      `the server cancels statements that the pool would let run (statementTimeoutMs: ${own}), with error 57014`,
      `set pool.statementTimeoutMs to at most ${ms}, or take the setting away`,
    ]
  },
  idle_session_timeout: (setting, { idleTimeoutMs = IDLE_TIMEOUT_MS, min = 0 }) => {
    const ms = msOf(setting)
    if (ms <= 0 || (min === 0 && idleTimeoutMs > 0 && idleTimeoutMs < ms)) return undefined
    return [
      'the server ends idle connections of the pool, monitors and LISTEN',
      `set pool.idleTimeoutMs below ${ms} and min to 0, or take the setting away`,
    ]
  },
  idle_in_transaction_session_timeout: limit(
    'the server ends the session of a transaction that waits for its application, and the call is lost',
    'prefer transaction({ timeoutMs }) in the application, which rolls back and keeps the connection',
  ),
  transaction_timeout: limit(
    'the server ends the session of a long transaction, and the call is lost',
    'prefer transaction({ timeoutMs }) in the application, which rolls back and keeps the connection',
  ),
  lock_timeout: limit(
    'statements that wait for a lock fail with 55P03',
    'set it where it is meant, with SET LOCAL in a transaction',
  ),
  default_transaction_read_only: ({ value }) =>
    value === 'on'
      ? [
          'every write fails with 25006, and a cluster whose primary says so has no primary',
          'take the setting away; a read is declared by intent or reader()',
        ]
      : undefined,
  default_transaction_isolation: ({ value }) =>
    value === 'serializable'
      ? [
          'no standby can run a serializable transaction, so reads there run as repeatable read',
          'set the isolation of the transactions that need it: transaction({ isolation })',
        ]
      : undefined,
  search_path: () => [
    'names without a schema mean other tables than for other roles, and the application cannot see it',
    'give it as connection.parameters.search_path, or name the schemas in the statements',
  ],
  role: () => [
    'statements run as another role than the one that logs in',
    'log in as that role, so that pools, monitors and pg_stat_activity agree',
  ],
  synchronous_commit: ({ value }) =>
    value === 'off'
      ? [
          'a commit is acknowledged before it is on disk, so a crash loses acknowledged writes',
          'take the setting away; SET LOCAL synchronous_commit = off where a loss is acceptable',
        ]
      : undefined,
}

/** Reports the settings of the role and the database that change what the pools do. */
export function checkRoleSettings(
  settings: readonly OwnSetting[],
  user: string,
  pool: DatabasePoolSettings,
  report: Report,
): void {
  for (const setting of settings) {
    const hurt = HURTS[setting.name]?.(setting, pool)
    if (hurt === undefined) continue
    const { name, value, unit = '' } = setting
    const [why, advice] = hurt
    const isRefusal = name === 'default_transaction_read_only'
    const message = `${ownerOf(setting, user)} sets ${name} = ${value}${unit}: ${why}`
    report(isRefusal ? 'error' : 'warning', 'role-settings', message, advice)
  }
}

function ownerOf({ source }: OwnSetting, user: string): string {
  switch (source) {
    case 'user':
      return `role "${user}"`
    case 'database':
      return 'the database'
    case 'database user':
      return `role "${user}" in this database`
    default:
      return 'ALTER ROLE ALL'
  }
}

function msOf({ value, unit }: OwnSetting): number {
  const factor = unit === 's' ? 1_000 : unit === 'min' ? 60_000 : 1
  return Number(value) * factor
}

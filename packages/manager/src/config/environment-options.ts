import { ConfigError } from '@poolhouse/core'
import { describeName, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'

/** Variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Which variables of the environment are read as databases.
 *
 * @example
 * await loadConfig({ env: { prefix: 'SHOP', names: ['app', 'orders'], variables: process.env } })
 */
export interface EnvironmentOptions {
  /**
   * The beginning of the variables, in capitals: with `SHOP` they are `SHOP_URL`,
   * `SHOP_<NAME>_URL` and `SHOP_REPLICA_URLS`. Default `DATABASE`.
   */
  prefix?: string | undefined
  /**
   * The databases to read, in lower case: `app` is `DATABASE_URL` or `PG*`, `analytics` is
   * `DATABASE_ANALYTICS_URL`. Default: every variable that holds a PostgreSQL URL, except other
   * addresses of the database in `DATABASE_URL` (`public`, `private`, `connection_pool`, `direct`,
   * `unpooled`, …). Those are read only if they are listed here.
   */
  names?: readonly string[] | undefined
  /** The variables. Default: those of the process. */
  variables?: Environment | undefined
}

/** `EnvironmentOptions` with their defaults. */
export interface EnvironmentSource {
  readonly variables: Environment
  readonly prefix: string
  readonly names: ReadonlySet<string> | undefined
}

const KNOWN: ReadonlySet<string> = new Set(['prefix', 'names', 'variables'])

/**
 * Reads the option `env`: variables, or `EnvironmentOptions`. Throws `TypeError` or `ConfigError`.
 */
export function readEnvironmentOptions(
  where: string,
  env: Environment | EnvironmentOptions | undefined,
): EnvironmentSource {
  if (env !== undefined && (env === null || typeof env !== 'object' || Array.isArray(env))) {
    throw new TypeError(
      `${where}: env must be false, variables, or an object such as { prefix: 'DATABASE' }, got ${describeValue(env)}`,
    )
  }
  const keys = Object.keys(env ?? {})
  // Variables are in capitals, so none has the name of an option.
  if (!keys.some((key) => KNOWN.has(key))) {
    return {
      variables: (env as Environment | undefined) ?? process.env,
      prefix: 'DATABASE',
      names: undefined,
    }
  }
  refuseUnknownOptions(`${where}: env`, env!, KNOWN)
  const { prefix = 'DATABASE', names, variables = process.env } = env as EnvironmentOptions
  if (typeof prefix !== 'string' || !/^[A-Z][A-Z0-9_]*$/.test(prefix)) {
    throw new ConfigError(
      `${where}: env.prefix must be in capitals, such as DATABASE, got ${describeName(prefix)}`,
    )
  }
  if (names !== undefined && !(Array.isArray(names) && names.every(isName))) {
    throw new ConfigError(
      `${where}: env.names must be a list of databases in lower case, such as ['app', 'analytics'], got ${Array.isArray(names) ? 'a list with other values' : describeValue(names)}`,
    )
  }
  return { variables, prefix: prefix.replace(/_$/, ''), names: names && new Set(names) }
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && /^[a-z0-9_]+$/.test(name)
}

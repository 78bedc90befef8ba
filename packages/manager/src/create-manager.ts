import { ConfigError, type Driver } from '@poolhouse/core'
import {
  checkShownText,
  describeValue,
  refuseUnknownOptions,
  systemClock,
} from '@poolhouse/core/kit'
import { BUDGET, check, TENANTS } from './config/schema.js'
import { SMALLEST_CODE } from './config/smallest-config.js'
import type {
  Databases,
  DatabasesOf,
  Drivers,
  Manager,
  ManagerOptions,
  TenantOf,
} from './manager.js'
import { PoolManager } from './pool-manager.js'

const KNOWN: ReadonlySet<string> = new Set([
  'drivers',
  'databases',
  'tenants',
  'budget',
  'origins',
  'skipped',
  'clock',
  'random',
])

/**
 * Makes a manager of many databases and tenants. Opens no connection before the first call.
 *
 * Throws `ConfigError` for wrong values, and `TypeError` for an unknown option, with the nearest
 * known name. Messages never show a value that may be a secret.
 *
 * @example
 * const manager = createManager({
 *   drivers: { pg: nodePostgres() },
 *   databases: {
 *     app: 'postgres://app@a,b,c/app',
 *     analytics: { primary: 'postgres://app@d/dw', pool: { max: 20 } },
 *   },
 *   budget: { perServer: 50 },
 * })
 * await manager.database('app').query('select 1')
 */
export function createManager<const Named extends Databases, const Used extends Drivers = Drivers>(
  options: ManagerOptions<Named, Used>,
): Manager<Named, DatabasesOf<Named, Used>, TenantOf<Named, Used>> {
  const where = 'createManager'
  if (options === null || typeof options !== 'object') {
    const instead =
      typeof options === 'string'
        ? '; give the URL a name: { drivers: { pg: nodePostgres() }, databases: { app: url } }'
        : ''
    throw new TypeError(
      `${where}: options must be an object, got ${describeValue(options)}${instead}`,
    )
  }
  refuseUnknownOptions(where, options, KNOWN)
  const { databases, tenants, budget = {}, clock = systemClock, random = Math.random } = options
  if (databases === null || typeof databases !== 'object') {
    throw new ConfigError(
      `${where}: databases must be an object of names, got ${describeValue(databases)}${SMALLEST_CODE}`,
    )
  }
  check(where, BUDGET, budget, ['budget'])
  if (tenants !== undefined) check(where, TENANTS, tenants, ['tenants'])
  const manager: Manager<Named> = new PoolManager<Named>({
    databases,
    drivers: readDrivers(options.drivers),
    tenants,
    budget,
    origins: options.origins ?? {},
    skipped: options.skipped ?? {},
    clock,
    random,
  })
  return manager as Manager<Named, DatabasesOf<Named, Used>, TenantOf<Named, Used>>
}

function readDrivers(drivers: ManagerOptions<Databases>['drivers']): ReadonlyMap<string, Driver> {
  const found = new Map<string, Driver>()
  for (const [key, driver] of Object.entries(drivers ?? {})) {
    checkShownText('createManager', 'a key of drivers', key)
    if (typeof (driver as Partial<Driver> | null | undefined)?.connect !== 'function') {
      throw new ConfigError(
        `drivers.${key} must be a driver such as nodePostgres(), got ${describeValue(driver)}${SMALLEST_CODE}`,
      )
    }
    found.set(key, driver)
  }
  return found
}

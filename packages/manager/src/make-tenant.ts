import { type Clock, ConfigError, type ConnectionOptions } from '@poolhouse/core'
import { describeName, describeText, looksSecret } from '@poolhouse/core/kit'
import type { NamedDatabases } from './named-databases.js'
import type { TenantLimits, TenantTarget } from './options/tenant-options.js'
import { checkName, searchPath } from './tenants/identity.js'
import { ScopedDatabase, settingsStatement } from './tenants/scoped-database.js'
import type { TenantPools } from './tenants/tenant.js'
import { TenantGate } from './tenants/tenant-gate.js'

const MAX = 6
const MAX_PENDING = 1_000
const ACQUIRE_TIMEOUT_MS = 10_000

/**
 * Makes what a tenant needs at the place that `tenants.resolve` has named: pools of its own for a
 * database or schema, a gate to the pools of the named database for settings. Opens nothing. Throws
 * `ConfigError` for a target that names no place, several, or one that cannot be.
 */
export function makeTenant(
  id: string,
  target: TenantTarget,
  databases: NamedDatabases,
  defaults: TenantLimits | undefined,
  clock: Clock,
): TenantPools {
  const where = `tenants.resolve(${describeName(id)})`
  const { database, schema, settings, user, password } = target
  const given = [database, schema, settings].filter((each) => each !== undefined).length
  if (given !== 1) {
    throw new ConfigError(
      `${where}: give exactly one of database, schema and settings, got ${given}`,
    )
  }
  const entry = databases.entry(where, target.on)
  const limits: TenantLimits = { ...defaults, ...target.limits }
  const { max = MAX, maxPending = MAX_PENDING, weight = 1 } = limits
  if (settings !== undefined) {
    if (user !== undefined || password !== undefined) {
      throw new ConfigError(
        `${where}: settings and user exclude each other, because the connections are those of all tenants`,
      )
    }
    if (Object.keys(settings).length === 0)
      throw new ConfigError(`${where}: settings must not be empty`)
    const timeoutMs = entry.spec.pool.acquireTimeoutMs ?? ACQUIRE_TIMEOUT_MS
    const gate = new TenantGate(id, clock, { max, maxPending, timeoutMs })
    const base = databases.viewOf(entry)
    const pool = new ScopedDatabase(id, base, base, settingsStatement(settings), gate)
    return { pool, own: undefined, gate }
  }
  const connection = (template: ConnectionOptions): Partial<ConnectionOptions> => ({
    ...(user === undefined ? {} : { user, password: undefined }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database: checkName(`${where}: database`, database) }),
    ...(schema === undefined
      ? {}
      : {
          parameters: {
            ...template.parameters,
            search_path: searchPath(`${where}: schema`, schema),
          },
        }),
  })
  // Refuses an impossible name now, not with the first connection.
  connection(entry.spec.template)
  const made = databases.addTenant(entry, {
    // The name shows in messages, and an id may hold anything.
    name: looksSecret(id) ? describeText(id) : id,
    connection,
    pool: { max, maxPending, min: 0 },
    weight,
  })
  return { ...made, gate: undefined }
}

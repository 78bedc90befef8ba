import { ConfigError } from '@poolhouse/core'
import { describeName } from '@poolhouse/core/kit'
import type { TenantSchema } from '../options/tenant-options.js'

// NAMEDATALEN - 1: PostgreSQL cuts off what is longer without an error, so that two tenants would
// become one.
const LONGEST_NAME = 63
// Lone surrogates have no bytes in UTF-8: each arrives as U+FFFD, so that two tenants would become
// one.
const LONE_SURROGATE = /\p{Surrogate}/u

/** Checks the id of a tenant. Throws `TypeError`. */
export function checkTenantId(where: string, id: unknown): asserts id is string {
  const wrong =
    typeof id !== 'string' || id === ''
      ? 'must be a non-empty string'
      : id.includes('\0')
        ? 'must not contain a NUL character'
        : LONE_SURROGATE.test(id)
          ? 'must be well-formed Unicode'
          : undefined
  if (wrong !== undefined) throw new TypeError(`${where}: id ${wrong}, got ${describeName(id)}`)
}

/** Checks the name of a database or schema. Throws `ConfigError`. */
export function checkName(where: string, name: string): string {
  if (name === '') throw new ConfigError(`${where} must not be empty`)
  if (name.includes('\0')) throw new ConfigError(`${where} must not contain a NUL character`)
  if (LONE_SURROGATE.test(name)) throw new ConfigError(`${where} must be well-formed Unicode`)
  const bytes = Buffer.byteLength(name)
  if (bytes > LONGEST_NAME) {
    throw new ConfigError(
      `${where} has ${bytes} bytes, and PostgreSQL truncates names to ${LONGEST_NAME}: two tenants could get the same name`,
    )
  }
  return name
}

// PostgreSQL replaces `$user` by the log-in user, also inside quotes, and `pg_temp` by a schema of
// the session. It reserves `pg_` for itself. Refused in any letter case, so that no tenant has a
// name that looks like the catalog's.
const RESERVED = /^(?:\$user$|pg_|information_schema$)/i

/** Checks the name of a tenant's schema. Throws `ConfigError`, also for names that are reserved. */
function checkSchema(where: string, name: string): string {
  checkName(where, name)
  if (!RESERVED.test(name)) return name
  const what = name.startsWith('$')
    ? 'which stands for the schema of the log-in user'
    : 'which PostgreSQL reserves'
  throw new ConfigError(
    `${where} must not be ${describeName(name)}, ${what}; pg_catalog is always searched`,
  )
}

/** Returns the `search_path` of a tenant. Throws `ConfigError` for a wrong or reserved name. */
export function searchPath(where: string, schema: string | TenantSchema): string {
  const { name, also = [] } = typeof schema === 'string' ? { name: schema } : schema
  const at = typeof schema === 'string' ? where : `${where}.name`
  const names = [
    checkSchema(at, name),
    ...also.map((each, index) => checkSchema(`${where}.also[${index}]`, each)),
  ]
  return names.map(quoteName).join(', ')
}

/** Quotes a checked name as one SQL identifier. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

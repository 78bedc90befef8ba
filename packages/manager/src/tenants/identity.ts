import { ConfigError } from '@poolhouse/core'
import { describeName } from '@poolhouse/core/kit'
import type { TenantSchema } from '../options/tenant-options.js'

// NAMEDATALEN - 1: PostgreSQL cuts off what is longer without an error, so that two tenants would
// become one.
const LONGEST_NAME = 63
// It has no bytes of its own in UTF-8: all of them arrive as U+FFFD, so that two tenants would
// become one.
const LONE_SURROGATE = /\p{Surrogate}/u

/** Checks what is given as the id of a tenant. Throws `TypeError`. */
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
      `${where} has ${bytes} bytes, and PostgreSQL cuts names off after ${LONGEST_NAME}: another tenant may have the same beginning`,
    )
  }
  return name
}

// PostgreSQL replaces `$user` by the name of the log-in user, inside quotes too, and `pg_temp` by a
// schema of the session. It keeps `pg_` for itself. In any letter case, because nobody is to tell a
// tenant from the catalogue by that.
const RESERVED = /^(?:\$user$|pg_|information_schema$)/i

/**
 * Checks the name of a schema that tenants use. Throws `ConfigError`, also for those that
 * PostgreSQL keeps for itself.
 */
function checkSchema(where: string, name: string): string {
  checkName(where, name)
  if (!RESERVED.test(name)) return name
  const what = name.startsWith('$')
    ? 'which stands for the schema of the log-in user, whoever the tenant is'
    : 'which is one of PostgreSQL itself'
  throw new ConfigError(
    `${where} must not be ${describeName(name)}, ${what}; pg_catalog is always searched`,
  )
}

/**
 * The `search_path` of a tenant in a schema. Throws `ConfigError` for a name that cannot be, or
 * must not be, a schema of tenants.
 */
export function searchPath(where: string, schema: string | TenantSchema): string {
  const { name, also = [] } = typeof schema === 'string' ? { name: schema } : schema
  const at = typeof schema === 'string' ? where : `${where}.name`
  const names = [
    checkSchema(at, name),
    ...also.map((each, index) => checkSchema(`${where}.also[${index}]`, each)),
  ]
  return names.map(quoteName).join(', ')
}

/** A name as SQL takes it for one identifier, whatever it contains. Takes a checked name. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

import { ConfigError, describeName } from '@poolhouse/core'

// NAMEDATALEN - 1: PostgreSQL cuts off what is longer without an error, so that two tenants would become one.
const LONGEST_NAME = 63
// It has no bytes of its own in UTF-8: all of them arrive as U+FFFD, so that two tenants would become one.
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

/** A name as SQL takes it for one identifier, whatever it contains. Takes a checked name. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

import type { PgLibrary } from '../pg-library.js'

/**
 * Writes the values of a query as `pg` does: what is neither a text, a number, a boolean nor null
 * goes through its `prepareValue`, so that `undefined` is NULL and dates, arrays and objects have
 * its form. Returns the array that was given if nothing had to be written.
 */
export function pgValues(
  { utils }: PgLibrary,
  values: readonly unknown[] | undefined,
): readonly unknown[] | undefined {
  if (values === undefined || utils === undefined) return values
  let written: unknown[] | undefined
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (isPlain(value)) continue
    written ??= values.slice()
    written[index] = utils.prepareValue(value)
  }
  return written ?? values
}

function isPlain(value: unknown): boolean {
  if (value === null) return true
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean'
}

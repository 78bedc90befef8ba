import type { PgModule } from './pg-module.js'
import type { WireValue } from './pg-statement.js'

// The protocol counts them in 16 bits; `pg` would write the count without its higher bits.
const MOST_VALUES = 65_535

/**
 * Brings bound values into their wire form with `pg`'s own rules. Throws `TypeError` for `undefined`, which `pg` would send
 * as null, and for what cannot be converted, and `RangeError` for too many of them; done before anything is sent, because `pg` loses track of a named statement
 * whose values fail half-way.
 */
export function encodeValues(
  values: readonly unknown[] | undefined,
  utils: PgModule['utils'],
): readonly WireValue[] | undefined {
  if (values === undefined || values.length === 0) return undefined
  if (values.length > MOST_VALUES) {
    throw new RangeError(
      `a statement takes at most ${MOST_VALUES} values, got ${values.length}; pass an array and unnest it`,
    )
  }
  const encoded = new Array<WireValue>(values.length)
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    encoded[index] = typeof value === 'string' ? value : encodeValue(value, index, utils)
  }
  return encoded
}

function encodeValue(value: unknown, index: number, utils: PgModule['utils']): WireValue {
  if (value === undefined) throw new TypeError(`values[${index}] is undefined; use null`)
  try {
    return utils.prepareValue(value)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new TypeError(`values[${index}] cannot be sent to PostgreSQL: ${why}`, { cause })
  }
}

import { encodeValue, toRefusal } from './encode-value.js'

// The protocol counts values in 16 bits, 65 535; postgres.js refuses 65 534 and more, and both
// drivers must take the same.
const MOST_VALUES = 65_533
// The server takes no message of a gigabyte or more, and would end the session
// (PQ_LARGE_MESSAGE_LIMIT of libpq.h).
const MOST_BYTES = 0x3fff_0000

/** A value as it goes over the wire: a text, NULL, or bytes in binary format. */
export type WireValue = string | null | Uint8Array

/**
 * Brings bound values into the text that goes over the wire; `null` is NULL. Undefined if there are
 * none.
 *
 * - strings as they are; numbers, bigints, booleans and their wrapper objects as `String` writes
 *   them;
 * - a `Date` as local time with its distance from UTC;
 * - bytes (`Buffer`, typed arrays, `DataView`, `ArrayBuffer`) as `\x` and hexadecimal digits;
 * - an array as an array of PostgreSQL, of at most six dimensions;
 * - an object with a `toPostgres(prepareValue)` method as what that returns; any other object as
 *   JSON.
 *
 * Throws `TypeError` that names the value's place, `values[2][0]`, for `undefined`, functions,
 * symbols, invalid dates, promises, `Map`s and `Set`s, for text with a NUL character, which
 * PostgreSQL cannot store, and for what cannot be written as JSON; `RangeError` for more than 65
 * 533 values and for arrays of more dimensions than PostgreSQL has.
 */
export function encodeValues(
  values: readonly unknown[] | undefined,
): readonly (string | null)[] | undefined {
  return encodeAll(values, false) as readonly (string | null)[] | undefined
}

/** As `encodeValues`, but bytes stay bytes, for a parameter in binary format. */
export function encodeWithBytes(
  values: readonly unknown[] | undefined,
): readonly WireValue[] | undefined {
  return encodeAll(values, true)
}

/** Values in which bytes stayed bytes, with those written as `encodeValues` writes them. */
export function withoutBytes(
  values: readonly WireValue[] | undefined,
): readonly (string | null)[] | undefined {
  if (values?.some((value) => value instanceof Uint8Array) !== true) {
    return values as readonly (string | null)[] | undefined
  }
  return encodeValues(values)
}

function encodeAll(
  values: readonly unknown[] | undefined,
  keepsBytes: boolean,
): readonly WireValue[] | undefined {
  if (values === undefined || values.length === 0) return undefined
  if (values.length > MOST_VALUES) {
    throw new RangeError(
      `a statement takes at most ${MOST_VALUES} values, got ${values.length}; pass an array and unnest it`,
    )
  }
  const encoded = new Array<WireValue>(values.length)
  let index = 0
  let length = 0
  try {
    for (; index < values.length; index++) {
      const value = values[index]
      const sent = keepsBytes && value instanceof Uint8Array ? bytesOf(value) : encodeValue(value)
      encoded[index] = sent
      if (sent !== null) length += sent.length
    }
  } catch (error) {
    const { path, message, tooMuch, cause } = toRefusal(error)
    const place = `values${[index, ...path].map((step) => `[${step}]`).join('')}`
    const options = cause === undefined ? undefined : { cause }
    throw new (tooMuch ? RangeError : TypeError)(`${place} ${message}`, options)
  }
  // A character takes at most three bytes for each of its units.
  if (3 * length > MOST_BYTES) refuseTooLarge(encoded)
  return encoded
}

/** A copy, because the caller may change theirs before it is sent. */
function bytesOf(value: Uint8Array): Uint8Array {
  return Buffer.from(value)
}

function refuseTooLarge(encoded: readonly WireValue[]): void {
  let bytes = 0
  for (const value of encoded) if (value !== null) bytes += Buffer.byteLength(value)
  if (bytes <= MOST_BYTES) return
  throw new RangeError(
    `values hold ${bytes} bytes as text, and PostgreSQL takes less than a gigabyte in one statement; use copyFrom or a large object`,
  )
}

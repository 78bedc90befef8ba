import { describeName, describeValue, nearestName } from '../base/option-check.js'
import { builtinOids, builtinTypes } from './builtin-types.js'
import { arrayParser } from './parse-array.js'
import { parseBoolean } from './parse-boolean.js'
import { parseBytea } from './parse-bytea.js'
import { parseInteger } from './parse-integer.js'
import { parseTimestamp, parseTimestamptz } from './parse-timestamp.js'
import type { TypeParser } from './type-parser.js'

/** Finds the parser of a type. */
export interface TypeParsers {
  /**
   * The parser of the type with this OID; undefined for types whose values stay text.
   *
   * @example
   * import { typeParsers } from '@poolhouse/core/types'
   *
   * typeParsers({ int8: BigInt }).parserOf(20)?.('7') // 7n
   */
  parserOf(oid: number): TypeParser | undefined
}

/**
 * Parsers in place of the canonical ones, by the OID of a type or, for built-in types, by name: the
 * catalogue's (`int8`) or SQL's (`bigint`), with `[]` behind for arrays. The parser of an element's
 * type is used in its arrays as well, unless the array type has a parser of its own, which then
 * gets the whole array's text. NULL never reaches a parser.
 */
export type TypesOption = Readonly<Record<string | number, TypeParser>>

const toFloat: TypeParser = Number.parseFloat
const toJson: TypeParser = (text) => JSON.parse(text)

// Where `pg` and postgres.js make the same value of a type, so do we; otherwise the server's own
// text is the value, which loses nothing. Types that are not here stay text.
const CANONICAL: ReadonlyMap<string, TypeParser> = new Map([
  ['bool', parseBoolean],
  ['int2', parseInteger],
  ['int4', parseInteger],
  ['oid', parseInteger],
  ['float4', toFloat],
  ['float8', toFloat],
  ['bytea', parseBytea],
  ['json', toJson],
  ['jsonb', toJson],
  ['timestamp', parseTimestamp],
  ['timestamptz', parseTimestamptz],
])

const LARGEST_OID = 0xffff_ffff

const canonical: TypeParsers = build(new Map())

/**
 * The parsers of all types: the canonical ones, with `overrides` in place of some. Without
 * overrides it is always the same object. `where` begins the messages; default `typeParsers`.
 *
 * Throws `TypeError` for overrides that are no object, for a name that no built-in type has (naming
 * the nearest), for a type that is named twice and for a parser that is no function.
 *
 * @example
 * import { typeParsers } from '@poolhouse/core/types'
 *
 * typeParsers({ int8: BigInt, numeric: Number, 16_390: parseMyComposite })
 */
export function typeParsers(overrides?: TypesOption, where = 'typeParsers'): TypeParsers {
  if (overrides === undefined) return canonical
  if (overrides === null || typeof overrides !== 'object' || Array.isArray(overrides)) {
    throw new TypeError(
      `${where}: types must be an object such as { int8: BigInt }, got ${describeValue(overrides)}`,
    )
  }
  const given = new Map<number, TypeParser>()
  const names = new Map<number, string>()
  for (const name of Object.keys(overrides)) {
    const oid = readType(name, where)
    const parser: unknown = overrides[name]
    if (typeof parser !== 'function') {
      throw new TypeError(
        `${where}: types.${name} must be a function that takes the server's text, got ${describeValue(parser)}`,
      )
    }
    const twin = names.get(oid)
    if (twin !== undefined) {
      throw new TypeError(
        `${where}: types.${twin} and types.${name} are the same type, OID ${oid}; give one of them`,
      )
    }
    names.set(oid, name)
    given.set(oid, parser as TypeParser)
  }
  return given.size === 0 ? canonical : build(given)
}

function readType(name: string, where: string): number {
  const known = builtinOids.get(name)
  if (known !== undefined) return known
  const oid = Number(name)
  if (Number.isInteger(oid) && oid > 0 && oid <= LARGEST_OID && String(oid) === name) return oid
  const near = nearestName(name, builtinOids.keys())
  throw new TypeError(
    `${where}: types has the unknown type ${describeName(name)}${near ? `; did you mean "${near}"?` : '; give its OID if it is not built in'}`,
  )
}

function build(given: ReadonlyMap<number, TypeParser>): TypeParsers {
  const parsers = new Map<number, TypeParser>()
  for (const { name, oid, arrayOid, delimiter } of builtinTypes) {
    const parse = given.get(oid) ?? CANONICAL.get(name)
    if (parse !== undefined) parsers.set(oid, parse)
    parsers.set(arrayOid, arrayParser(parse, delimiter))
  }
  for (const [oid, parse] of given) parsers.set(oid, parse)
  return Object.freeze({ parserOf: (oid: number) => parsers.get(oid) })
}

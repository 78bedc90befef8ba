import { encodeValues, type TypeParsers } from '@poolhouse/core/types'

type ByOid = Record<string | number, unknown>

/**
 * Returns the parsers of an instance by OID: those of the pool, so that `raw` and the pool return
 * equal values. A parser that was set in `sql.options.parsers` takes precedence.
 */
export function rawParsers(types: TypeParsers): ByOid {
  return new Proxy({} as ByOid, {
    get: (set, oid) =>
      oid in set || typeof oid !== 'string' ? Reflect.get(set, oid) : types.parserOf(Number(oid)),
  })
}

/**
 * Returns the serialisers of an instance by OID: its own, and for every other type one that writes
 * arrays as PostgreSQL arrays. postgres.js would ask the server for the array types, with one round
 * trip for each connection.
 */
export function rawSerializers(own: ByOid): ByOid {
  return new Proxy({} as ByOid, {
    get: (set, oid) =>
      oid in set || typeof oid !== 'string' ? Reflect.get(set, oid) : (own[oid] ?? toText),
    has: () => true,
  })
}

function toText(value: unknown): unknown {
  if (!Array.isArray(value)) return `${value as string}`
  return encodeValues([value])?.[0] ?? null
}

/**
 * The array type of each type that `sql.array` accepts, by OID. postgres.js would ask the server
 * for these too.
 */
export const ARRAY_TYPES: Readonly<Record<number, number>> = {
  16: 1000, // bool
  17: 1001, // bytea
  20: 1016, // int8
  21: 1005, // int2
  23: 1007, // int4
  25: 1009, // text
  114: 199, // json
  700: 1021, // float4
  701: 1022, // float8
  1043: 1015, // varchar
  1082: 1182, // date
  1114: 1115, // timestamp
  1184: 1185, // timestamptz
  1700: 1231, // numeric
  2950: 2951, // uuid
  3802: 3807, // jsonb
}

import type { WireColumn, WireRow, WireValue } from './script.js'

/** A column as RowDescription tells it. */
export interface ResultColumn {
  readonly name: string
  readonly oid: number
}

const TEXT_OID = 25

const OIDS: Readonly<Record<string, number>> = {
  bool: 16,
  boolean: 16,
  bytea: 17,
  int8: 20,
  bigint: 20,
  int2: 21,
  smallint: 21,
  int4: 23,
  int: 23,
  integer: 23,
  text: 25,
  oid: 26,
  json: 114,
  float4: 700,
  real: 700,
  float8: 701,
  varchar: 1043,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
  pg_lsn: 3220,
  xid8: 5069,
}

/** The OID of a type by name; text for a name that is not known. */
export function typeOid(name: string | number): number {
  return typeof name === 'number' ? name : (OIDS[name.toLowerCase()] ?? TEXT_OID)
}

/**
 * The columns of a result: as given, else named after the keys of the first row, typed after the
 * first value that is not null.
 */
export function resultColumns(
  rows: readonly WireRow[],
  columns: readonly WireColumn[] | undefined,
): ResultColumn[] {
  const first = rows[0]
  const given = columns ?? (first === undefined || Array.isArray(first) ? [] : Object.keys(first))
  return given.map((column, index) => {
    const { name, type } = typeof column === 'string' ? { name: column, type: undefined } : column
    if (type !== undefined) return { name, oid: typeOid(type) }
    const value = rows.map((row) => cell(row, name, index)).find((found) => found !== null)
    return { name, oid: value === undefined ? typeOid('text') : oidOf(value) }
  })
}

/** One row as bytes, in the order of the columns. A value that is missing is NULL. */
export function encodeRow(row: WireRow, columns: readonly ResultColumn[]): (Buffer | null)[] {
  return columns.map(({ name }, index) => encode(cell(row, name, index)))
}

function cell(row: WireRow, name: string, index: number): WireValue {
  if (isList(row)) return row[index] ?? null
  return row[name] ?? null
}

function isList(row: WireRow): row is readonly WireValue[] {
  return Array.isArray(row)
}

function oidOf(value: NonNullable<WireValue>): number {
  switch (typeof value) {
    case 'boolean':
      return typeOid('bool')
    case 'bigint':
      return typeOid('int8')
    case 'number':
      if (!Number.isInteger(value)) return typeOid('float8')
      return typeOid(Math.abs(value) < 2 ** 31 ? 'int4' : 'int8')
    case 'string':
      return typeOid('text')
    default:
      if (value instanceof Date) return typeOid('timestamptz')
      return typeOid(value instanceof Uint8Array ? 'bytea' : 'jsonb')
  }
}

function encode(value: WireValue): Buffer | null {
  if (value === null) return null
  switch (typeof value) {
    case 'boolean':
      return Buffer.from(value ? 't' : 'f')
    case 'object':
      if (value instanceof Date) {
        return Buffer.from(value.toISOString().replace('T', ' ').replace('Z', '+00'))
      }
      if (value instanceof Uint8Array) {
        return Buffer.from(`\\x${Buffer.from(value).toString('hex')}`)
      }
      return Buffer.from(JSON.stringify(value))
    default:
      return Buffer.from(String(value))
  }
}

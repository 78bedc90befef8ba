import { readFields } from '@poolhouse/core/net'

const POSTGRES_NAMES: Readonly<Record<string, string>> = {
  S: 'severity_local',
  V: 'severity',
  C: 'code',
  M: 'message',
  D: 'detail',
  H: 'hint',
  P: 'position',
  p: 'internal_position',
  q: 'internal_query',
  W: 'where',
  s: 'schema_name',
  t: 'table_name',
  c: 'column_name',
  d: 'data type_name',
  n: 'constraint_name',
  F: 'file',
  L: 'line',
  R: 'routine',
}

/** Reads the fields of an ErrorResponse, under the names that postgres.js gives them. */
export function readPostgresFields(body: Buffer): Record<string, string> {
  const remarks = readFields(body)
  const fields: Record<string, string> = {}
  for (const [letter, name] of Object.entries(POSTGRES_NAMES)) {
    if (remarks[letter] !== undefined) fields[name] = remarks[letter]
  }
  return fields
}

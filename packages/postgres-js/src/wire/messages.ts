import { readFields } from '@poolhouse/core/net'

/** The kinds of server messages that this driver handles. */
export const FROM_SERVER = {
  authentication: 0x52, // R
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  commandComplete: 0x43, // C
  copyData: 0x64, // d
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  dataRow: 0x44, // D
  emptyQuery: 0x49, // I
  errorResponse: 0x45, // E
  noData: 0x6e, // n
  notice: 0x4e, // N
  notification: 0x41, // A
  parseComplete: 0x31, // 1
  parameterDescription: 0x74, // t
  parameterStatus: 0x53, // S
  portalSuspended: 0x73, // s
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const

/** Sync: ends a series of messages and an implicit transaction; answered by ReadyForQuery. */
export const SYNC: Buffer = Buffer.from([0x53, 0, 0, 0, 4])
/** Terminate: the client ends the session. */
export const TERMINATE: Buffer = Buffer.from([0x58, 0, 0, 0, 4])
/** CopyDone: the data is complete. */
export const COPY_DONE: Buffer = Buffer.from([0x63, 0, 0, 0, 4])
/** Close of the unnamed portal. */
export const CLOSE_PORTAL: Buffer = Buffer.from([0x43, 0, 0, 0, 6, 0x50, 0])

/** Close of a named statement. It is no error if there is none of that name. */
export function closeStatement(name: string): Buffer {
  return message(0x43, Buffer.from(`S${name}\0`))
}

/**
 * Execute of the unnamed portal for a number of rows, and Flush, so that the answer comes at once.
 */
export function executeAndFlush(rows: number): Buffer {
  const bytes = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x48, 0, 0, 0, 4])
  bytes.writeUInt32BE(rows, 6)
  return bytes
}

/** CopyFail. The reason must not hold a zero byte. */
export function copyFail(reason: string): Buffer {
  return message(0x66, Buffer.from(`${reason}\0`))
}

/** CopyData, with a copy of the bytes. */
export function copyData(bytes: Uint8Array): Buffer {
  return message(0x64, bytes)
}

function message(kind: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(5 + body.length)
  bytes[0] = kind
  bytes.writeUInt32BE(4 + body.length, 1)
  bytes.set(body, 5)
  return bytes
}

// The kinds that postgres.js knows; it would log others to the console.
const KNOWN: ReadonlySet<number> = new Set(Buffer.from('DdASZC21tTRnKEs3GNHcIVvW'))

/** Whether the protocol has this kind of message. */
export function isKnownMessage(kind: number): boolean {
  return KNOWN.has(kind)
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

import type { WireValue } from '../../types/encode-values.js'

/** The kinds of server messages that a session handles. */
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

const BIND = 0x42
const CLOSE = 0x43
const DESCRIBE = 0x44
const EXECUTE = 0x45
const FLUSH_KIND = 0x48
const PARSE = 0x50
const QUERY = 0x51
const SYNC_KIND = 0x53
const OF_STATEMENT = 0x53
const OF_PORTAL = 0x50

/** Sync: ends a series of messages and an implicit transaction; answered by ReadyForQuery. */
export const SYNC: Buffer = Buffer.from([SYNC_KIND, 0, 0, 0, 4])
/** Terminate: the client ends the session. */
export const TERMINATE: Buffer = Buffer.from([0x58, 0, 0, 0, 4])
/** CopyDone: the data is complete. */
export const COPY_DONE: Buffer = Buffer.from([0x63, 0, 0, 0, 4])
/**
 * Close of the unnamed portal, whether there is one or not; answered by CloseComplete. In front of
 * every second of many statements it tells whose answer is whose.
 */
export const CLOSE_MARK: Buffer = Buffer.from([CLOSE, 0, 0, 0, 6, OF_PORTAL, 0])
/** Close of the unnamed portal, and Sync. */
export const CLOSE_PORTAL: Buffer = Buffer.concat([CLOSE_MARK, SYNC])

// Describe and Execute of the unnamed portal, Sync and Flush, with their headers.
const DESCRIBE_LENGTH = 7
const EXECUTE_LENGTH = 10
const END_LENGTH = 5
// Up to so many characters a loop is faster than a call into the runtime.
const SHORT = 24

/** The messages of one statement in the extended protocol. */
export interface StatementToSend {
  /** Its text; undefined if the server has prepared it. */
  readonly text: string | undefined
  /** Its name on the server; empty for the unnamed statement. */
  readonly name: string
  /** Its values in wire form. */
  readonly values: readonly WireValue[]
  /** OID of the type of each value, for Parse; 0 leaves it to the server. */
  readonly types: readonly number[]
  /** Names of statements that the server is to forget first. */
  readonly closing: readonly string[]
  /** Whether the columns are to be described. */
  readonly describe: boolean
  /** Most rows to fetch; 0 for all. */
  readonly rows: number
  /**
   * Sync ends the series, Flush has the answer sent and leaves the series open, `joined` does
   * neither.
   */
  readonly end: 'sync' | 'flush' | 'joined'
}

/** Query: a text in the simple protocol. */
export function queryMessage(text: string): Buffer {
  const length = bytesOf(text)
  const bytes = Buffer.allocUnsafe(6 + length)
  bytes[0] = QUERY
  bytes.writeUInt32BE(5 + length, 1)
  put(bytes, 5, text)
  bytes[5 + length] = 0
  return bytes
}

/** Close, Parse, Bind, Describe and Execute, as far as they are needed, in one piece. */
export function statementMessages(statement: StatementToSend): Buffer {
  const { text, name, values, types, closing, describe, rows, end } = statement
  const nameBytes = bytesOf(name)
  const textBytes = text === undefined ? 0 : bytesOf(text)
  const parseLength = text === undefined ? 0 : 9 + nameBytes + textBytes + 4 * types.length
  const formats = formatsOf(values)
  let bindLength = 13 + nameBytes + 2 * formats + 4 * values.length
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    if (value !== null) bindLength += typeof value === 'string' ? bytesOf(value) : value.length
  }
  const closeMessages = closing.map(closeStatement)
  let size = parseLength + bindLength + EXECUTE_LENGTH
  for (const message of closeMessages) size += message.length
  if (describe) size += DESCRIBE_LENGTH
  if (end !== 'joined') size += END_LENGTH
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const message of closeMessages) at += message.copy(bytes, at)
  if (text !== undefined) at = putParse(bytes, at, name, text, types, parseLength)
  at = putHead(bytes, at, BIND, bindLength)
  bytes[at++] = 0
  at = putText(bytes, at, name)
  at = putFormats(bytes, at, values, formats)
  at = put16(bytes, at, values.length)
  for (let index = 0; index < values.length; index++) at = putValue(bytes, at, values[index]!)
  at = put16(bytes, at, 0)
  if (describe) {
    at = putHead(bytes, at, DESCRIBE, DESCRIBE_LENGTH)
    bytes[at++] = OF_PORTAL
    bytes[at++] = 0
  }
  at = putExecute(bytes, at, rows)
  if (end !== 'joined') putHead(bytes, at, end === 'sync' ? SYNC_KIND : FLUSH_KIND, END_LENGTH)
  return bytes
}

/** Parse of the unnamed statement, Describe of it, and Flush. */
export function describeMessages(text: string, types: readonly number[]): Buffer {
  const parseLength = 9 + bytesOf(text) + 4 * types.length
  const bytes = Buffer.allocUnsafe(parseLength + DESCRIBE_LENGTH + END_LENGTH)
  let at = putParse(bytes, 0, '', text, types, parseLength)
  at = putHead(bytes, at, DESCRIBE, DESCRIBE_LENGTH)
  bytes[at++] = OF_STATEMENT
  bytes[at++] = 0
  putHead(bytes, at, FLUSH_KIND, END_LENGTH)
  return bytes
}

/** Close of a named statement. It is no error if there is none of that name. */
function closeStatement(name: string): Buffer {
  return message(CLOSE, Buffer.from(`S${name}\0`))
}

/**
 * Execute of the unnamed portal for a number of rows, and Flush, so that the answer comes at once.
 */
export function executeAndFlush(rows: number): Buffer {
  const bytes = Buffer.allocUnsafe(EXECUTE_LENGTH + END_LENGTH)
  putHead(bytes, putExecute(bytes, 0, rows), FLUSH_KIND, END_LENGTH)
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

// The kinds of the protocol that a client meets after the log-in.
const KNOWN: ReadonlySet<number> = new Set(Buffer.from('DdASZC21tTRnKEs3GNHcIVvW'))

/** Whether the protocol has this kind of message. */
export function isKnownMessage(kind: number): boolean {
  return KNOWN.has(kind)
}

function message(kind: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(5 + body.length)
  bytes.set(body, putHead(bytes, 0, kind, bytes.length))
  return bytes
}

/** Bytes are sent in binary format; without any of them no formats are said. */
function formatsOf(values: readonly WireValue[]): number {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (typeof value !== 'string' && value !== null) return values.length
  }
  return 0
}

function putParse(
  bytes: Buffer,
  start: number,
  name: string,
  text: string,
  types: readonly number[],
  length: number,
): number {
  let at = putHead(bytes, start, PARSE, length)
  at = putText(bytes, at, name)
  at = putText(bytes, at, text)
  at = put16(bytes, at, types.length)
  for (const type of types) at = put32(bytes, at, type)
  return at
}

function putExecute(bytes: Buffer, start: number, rows: number): number {
  const at = putHead(bytes, start, EXECUTE, EXECUTE_LENGTH)
  bytes[at] = 0
  return put32(bytes, at + 1, rows)
}

function putFormats(
  bytes: Buffer,
  start: number,
  values: readonly WireValue[],
  formats: number,
): number {
  let at = put16(bytes, start, formats)
  for (let index = 0; index < formats; index++) {
    const value = values[index]
    at = put16(bytes, at, typeof value === 'string' || value === null ? 0 : 1)
  }
  return at
}

function putValue(bytes: Buffer, at: number, value: WireValue): number {
  if (value === null) return put32(bytes, at, 0xffff_ffff)
  if (typeof value !== 'string') {
    bytes.set(value, at + 4)
    return put32(bytes, at, value.length) + value.length
  }
  const length = put(bytes, at + 4, value)
  return put32(bytes, at, length) + length
}

/** Kind and length of a message of `length` bytes, its kind included. Returns where its body is. */
function putHead(bytes: Buffer, at: number, kind: number, length: number): number {
  bytes[at] = kind
  return put32(bytes, at + 1, length - 1)
}

function putText(bytes: Buffer, at: number, text: string): number {
  const end = at + put(bytes, at, text)
  bytes[end] = 0
  return end + 1
}

function put16(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
  return at + 2
}

function put32(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
  return at + 4
}

/** Writes a text, and returns its length in bytes. */
function put(bytes: Buffer, at: number, text: string): number {
  const { length } = text
  if (length > SHORT) return bytes.write(text, at)
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127) return bytes.write(text, at)
    bytes[at + index] = code
  }
  return length
}

/** The length of a text in bytes. */
function bytesOf(text: string): number {
  const { length } = text
  if (length > SHORT) return Buffer.byteLength(text)
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(index) > 127) return Buffer.byteLength(text)
  }
  return length
}

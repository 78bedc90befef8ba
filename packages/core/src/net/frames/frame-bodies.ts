/** A run-time parameter, as the server reports it. */
export interface ReportedParameter {
  /** Its name. */
  readonly name: string
  /** Its value from now on. */
  readonly value: string
}

/** Reads the body of a ParameterStatus. */
export function readParameter(body: Buffer): ReportedParameter {
  const [name, value] = twoTexts(body, 0)
  return { name, value }
}

/** Reads the body of a BackendKeyData; undefined if it is not of the form of protocol 3.0. */
export function readCancelKey(body: Buffer): CancelKey | undefined {
  if (body.length !== 8) return undefined
  return { processID: body.readInt32BE(0), secretKey: body.readInt32BE(4) }
}

/** Reads the body of a NotificationResponse. */
export function readNotification(body: Buffer): {
  /** Name of the channel. */
  readonly channel: string
  /** What was said; may be empty. */
  readonly payload: string
} {
  // After the process id of the notifying session.
  const [channel, payload] = twoTexts(body, 4)
  return { channel, payload }
}

/** A column as the server describes it. */
export interface ColumnDescription {
  /** Name of the column. */
  readonly name: string
  /** Object id of its table, or 0. */
  readonly tableID: number
  /** Number of the column in its table, or 0. */
  readonly columnID: number
  /** Object id of its type. */
  readonly dataTypeID: number
  /** Length of the type in bytes; negative for types of variable length. */
  readonly dataTypeSize: number
  /** Type modifier, such as the length of a `varchar(n)`; −1 for none. */
  readonly dataTypeModifier: number
  /** 0 for text, 1 for binary. */
  readonly format: number
}

/** Reads the body of a RowDescription. Throws `RangeError` when it is cut short. */
export function readRowDescription(body: Buffer): ColumnDescription[] {
  const count = body.readUInt16BE(0)
  const columns: ColumnDescription[] = []
  let at = 2
  for (let index = 0; index < count; index++) {
    const end = textEnd(body, at)
    columns.push({
      name: body.toString('utf8', at, end),
      tableID: body.readUInt32BE(end + 1),
      columnID: body.readInt16BE(end + 5),
      dataTypeID: body.readUInt32BE(end + 7),
      dataTypeSize: body.readInt16BE(end + 11),
      dataTypeModifier: body.readInt32BE(end + 13),
      format: body.readInt16BE(end + 17),
    })
    at = end + 19
  }
  return columns
}

function twoTexts(body: Buffer, from: number): [string, string] {
  const end = textEnd(body, from)
  return [body.toString('utf8', from, end), body.toString('utf8', end + 1, textEnd(body, end + 1))]
}

function textEnd(body: Buffer, from: number): number {
  const end = body.indexOf(0, from)
  return end === -1 ? body.length : end
}

/** Whom to cancel: the server process and the secret it handed out at start-up. */
export interface CancelKey {
  /** Process id of the server process. */
  readonly processID: number
  /** The secret. */
  readonly secretKey: number
}

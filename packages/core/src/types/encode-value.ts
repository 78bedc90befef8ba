import { types } from 'node:util'
import { messageOf } from '../base/message-of.js'
import { encodeDate } from './encode-date.js'

// MAXDIM of the server.
const MOST_DIMENSIONS = 6
// A toPostgres() may return an object that has one too; no value needs this many in a row.
const MOST_STEPS = 100

/**
 * Says why a value cannot be sent, and where in the values it is: the way through the arrays around
 * it, outermost first.
 */
export class Refusal extends TypeError {
  /** Indexes of the arrays that hold the value. */
  readonly path: number[] = []
  /** Whether there is too much of something, rather than something wrong. */
  readonly tooMuch: boolean

  constructor(why: string, options?: { tooMuch?: boolean; cause?: unknown }) {
    super(why, options !== undefined && 'cause' in options ? { cause: options.cause } : undefined)
    this.tooMuch = options?.tooMuch === true
  }
}

/** Makes a refusal of whatever was thrown while a value was being encoded. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const why = messageOf(error)
  return new Refusal(`cannot be sent to PostgreSQL: ${why}`, { cause: error })
}

/**
 * The text of one value; null for NULL. Throws a `Refusal`, or what the value's own methods throw.
 */
export function encodeValue(value: unknown): string | null {
  return encode(value, [])
}

/** `running` are the objects whose `toPostgres` is being asked for this value, outermost first. */
function encode(value: unknown, running: readonly object[]): string | null {
  switch (typeof value) {
    case 'string':
      return checkText(value)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'undefined':
      throw new Refusal('is undefined; use null')
    case 'function':
    case 'symbol':
      throw new Refusal(`is a ${typeof value}, which PostgreSQL has no value for`)
    case 'object':
      return value === null ? null : encodeObject(value, running)
  }
}

function encodeObject(value: object, running: readonly object[]): string | null {
  if (Array.isArray(value)) return encodeArray(value, running, 1)
  if (ArrayBuffer.isView(value)) {
    return encodeBytes(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
  }
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) throw new Refusal('is an invalid Date')
    return encodeDate(value)
  }
  if ('toPostgres' in value && typeof value.toPostgres === 'function') {
    return askObject(value as Postgres, running)
  }
  // What is left to tell apart costs more than the JSON of a small object.
  if (Object.getPrototypeOf(value) === Object.prototype) return encodeJson(value)
  if (types.isAnyArrayBuffer(value)) return encodeBytes(Buffer.from(value))
  if (types.isSymbolObject(value))
    throw new Refusal('is a symbol, which PostgreSQL has no value for')
  if (types.isBoxedPrimitive(value)) return checkText(String(value))
  refuseEmptyJson(value)
  return encodeJson(value)
}

interface Postgres {
  toPostgres(prepareValue: (value: unknown) => string | null): unknown
}

function askObject(value: Postgres, running: readonly object[]): string | null {
  if (running.includes(value) || running.length >= MOST_STEPS) {
    throw new Refusal('has a toPostgres() that leads back to itself')
  }
  const inner = [...running, value]
  try {
    return encode(
      value.toPostgres((part) => encode(part, inner)),
      inner,
    )
  } catch (error) {
    const refusal = toRefusal(error)
    // A place within what toPostgres() made is no place in the caller's values.
    throw refusal.path.length === 0
      ? refusal
      : new Refusal(`has a toPostgres() whose value ${refusal.message}`, { cause: error })
  }
}

/** Refuses what JSON has no form for: all of these would become `{}`. */
function refuseEmptyJson(value: object): void {
  if ('toJSON' in value) return
  if (types.isPromise(value)) throw new Refusal('is a promise; await it first')
  if (types.isMap(value) || types.isSet(value)) {
    const kind = types.isMap(value) ? 'Map' : 'Set'
    throw new Refusal(`is a ${kind}, which JSON cannot hold; pass an array or an object`)
  }
}

function encodeJson(value: object): string {
  const json: string | undefined = JSON.stringify(value)
  if (json === undefined) throw new Refusal('has a toJSON() that returns nothing; use null')
  return json
}

function encodeBytes(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`
}

function encodeArray(
  values: readonly unknown[],
  running: readonly object[],
  dimension: number,
): string {
  if (dimension > MOST_DIMENSIONS) {
    throw new Refusal(
      `is nested deeper than ${MOST_DIMENSIONS} arrays, the most that PostgreSQL takes; pass JSON.stringify() of it if JSON is meant`,
      { tooMuch: true },
    )
  }
  let text = '{'
  let index = 0
  try {
    for (; index < values.length; index++) {
      if (index > 0) text += ','
      text += encodeElement(values[index], running, dimension)
    }
  } catch (error) {
    const refusal = toRefusal(error)
    refusal.path.unshift(index)
    throw refusal
  }
  return `${text}}`
}

function encodeElement(value: unknown, running: readonly object[], dimension: number): string {
  if (Array.isArray(value)) return encodeArray(value, running, dimension + 1)
  const text = encode(value, running)
  if (text === null) return 'NULL'
  // The text of a number or a boolean has nothing that would have to be quoted.
  return typeof value === 'object' || typeof value === 'string' ? quote(text) : text
}

/** Quotes are always allowed; an empty text and the word NULL need them. */
function quote(text: string): string {
  const plain = text.indexOf('"') === -1 && text.indexOf('\\') === -1
  // Two replacements by constants are twice as fast as one by a pattern.
  return `"${plain ? text : text.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`
}

function checkText(text: string): string {
  if (text.includes('\0')) throw new Refusal('holds a NUL character, which PostgreSQL cannot store')
  return text
}

import type { FieldInfo } from '../../api/statement.js'
import { type BytesParser, bytesParserOf } from '../../types/bytes-parsers.js'
import { textAt } from '../../types/text-at.js'
import type { TypeParser } from '../../types/type-parser.js'
import type { TypeParsers } from '../../types/type-parsers.js'

/** What makes no values: every text is its own value. */
const noParsers: TypeParsers = { parserOf: () => undefined }

/**
 * How rows are given: objects by column name, arrays in column order, or arrays of the server's own
 * texts.
 */
export type RowForm = 'object' | 'array' | 'undecoded'

// How the value of a column is made of its bytes.
const TEXT = 0
const PARSED = 1
const FROM_BYTES = 2

/** A row that is none of its result: the message says so, and not a parser. */
export class MisshapenRow extends Error {
  override name = 'MisshapenRow'
}

/** The columns of a result, and what makes rows of the bytes of DataRow messages. */
export class RowShape {
  /** A result without columns. */
  static readonly none: RowShape = new RowShape([], noParsers)
  /**
   * The columns in core's words. Frozen, each of them too: results of one prepared statement share
   * it.
   */
  readonly fields: FieldInfo[]
  readonly #names: readonly string[]
  /**
   * To be cloned for each row, so that all rows have one hidden class; made without a prototype, so
   * that a column called `__proto__` is a column.
   */
  readonly #template: Record<string, unknown>
  readonly #kinds: Uint8Array
  readonly #parsers: readonly (TypeParser | undefined)[]
  readonly #bytesParsers: readonly (BytesParser | undefined)[]

  /**
   * Takes the columns as they were described, which may say more than is kept, and what makes
   * values of their texts.
   */
  constructor(columns: readonly Omit<FieldInfo, 'format'>[], types: TypeParsers) {
    this.fields = Object.freeze(columns.map(toFieldInfo)) as FieldInfo[]
    this.#names = columns.map(({ name }) => name)
    const template = Object.create(null) as Record<string, unknown>
    for (const name of this.#names) template[name] = null
    this.#template = { ...template }
    this.#parsers = columns.map((column) => types.parserOf(column.dataTypeID))
    this.#bytesParsers = this.#parsers.map(bytesParserOf)
    this.#kinds = Uint8Array.from(this.#parsers, (parser, index) => {
      if (parser === undefined) return TEXT
      return this.#bytesParsers[index] === undefined ? PARSED : FROM_BYTES
    })
  }

  /**
   * Reads the row of a whole DataRow message; if columns have the same name, the last one wins.
   * Throws what a parser throws, and an error for a row of other columns.
   */
  read(buffer: Buffer, from: number, to: number, form: RowForm): unknown {
    const names = this.#names
    const count = names.length
    // Never read a row with the columns of another result.
    if (buffer.readUInt16BE(from + 5) !== count) throw notDescribed()
    if (form !== 'object') return this.#readArray(buffer, from, to, form === 'undecoded')
    const row = { ...this.#template }
    let at = from + 7
    for (let index = 0; index < count; index++) {
      const size = sizeAt(buffer, at)
      at += 4
      if (size < 0) {
        row[names[index]!] = null
        continue
      }
      const end = at + size
      if (end > to) throw tooShort()
      row[names[index]!] = this.#valueOf(index, buffer, at, end)
      at = end
    }
    if (at !== to) throw tooShort()
    return row
  }

  #readArray(buffer: Buffer, from: number, to: number, undecoded: boolean): unknown[] {
    const count = this.#names.length
    const row = new Array<unknown>(count)
    let at = from + 7
    for (let index = 0; index < count; index++) {
      const size = sizeAt(buffer, at)
      at += 4
      if (size < 0) {
        row[index] = null
        continue
      }
      const end = at + size
      if (end > to) throw tooShort()
      row[index] = undecoded ? textAt(buffer, at, end) : this.#valueOf(index, buffer, at, end)
      at = end
    }
    if (at !== to) throw tooShort()
    return row
  }

  #valueOf(index: number, buffer: Buffer, at: number, end: number): unknown {
    switch (this.#kinds[index]) {
      case TEXT:
        return textAt(buffer, at, end)
      case FROM_BYTES:
        return this.#bytesParsers[index]!(buffer, at, end)
      default:
        return this.#parsers[index]!(textAt(buffer, at, end))
    }
  }
}

/**
 * The length of a value, or −1 for NULL. Past the end of the buffer it is 0. Throws for what is no
 * length.
 */
function sizeAt(buffer: Buffer, at: number): number {
  const size =
    (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
  if (size < -1) throw tooShort()
  return size
}

function notDescribed(): Error {
  return new MisshapenRow('its columns are not the ones described')
}

function tooShort(): Error {
  return new MisshapenRow('its values are not as long as the message says')
}

function toFieldInfo(column: Omit<FieldInfo, 'format'>): FieldInfo {
  const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier } = column
  return Object.freeze({
    name,
    tableID,
    columnID,
    dataTypeID,
    dataTypeSize,
    dataTypeModifier,
    format: 'text',
  })
}

import { noParsers, ResultShape } from '@poolhouse/core/net'

/** Reads rows from DataRow messages. */
export class RowShape extends ResultShape {
  /** A result without columns. */
  static readonly none: RowShape = new RowShape([], noParsers)

  /**
   * Reads the row of the DataRow at an offset, as an array or an object; if columns have the same
   * name, the last one wins. `undecoded` leaves the texts of an array as they are. Throws what a
   * parser throws.
   */
  read(buffer: Buffer, from: number, asArray: boolean, undecoded: boolean): unknown {
    const { fields, parsers } = this
    const count = fields.length
    // Never read a row with the columns of another result.
    if (buffer.readUInt16BE(from + 5) !== count) {
      throw new Error('its columns are not the ones described')
    }
    const list = asArray ? new Array<unknown>(count) : undefined
    const row = list === undefined ? { ...this.template } : undefined
    let at = from + 7
    for (let index = 0; index < count; index++) {
      const size = buffer.readInt32BE(at)
      at += 4
      let value: unknown = null
      if (size !== -1) {
        const text = buffer.toString('utf8', at, at + size)
        at += size
        const parser = undecoded ? undefined : parsers[index]
        value = parser === undefined ? text : parser(text)
      }
      if (list !== undefined) list[index] = value
      else row![fields[index]!.name] = value
    }
    return list ?? row
  }
}

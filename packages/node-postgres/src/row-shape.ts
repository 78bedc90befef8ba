import { noParsers, ResultShape } from '@poolhouse/core/net'

/** Makes rows of the values that `pg` has read from a DataRow. */
export class RowShape extends ResultShape {
  /** A result without columns. */
  static readonly none: RowShape = new RowShape([], noParsers)

  /** Returns a row as an object; if columns have the same name, the last one wins. */
  toObject(values: readonly (string | null)[]): Record<string, unknown> {
    const { fields, parsers } = this
    const row = { ...this.template }
    for (let index = 0; index < fields.length; index++) {
      const value = values[index]!
      const parse = parsers[index]
      row[fields[index]!.name] = value === null || parse === undefined ? value : parse(value)
    }
    return row
  }

  /** Returns a row as an array in column order. */
  toArray(values: readonly (string | null)[]): unknown[] {
    const { parsers } = this
    const row = new Array<unknown>(values.length)
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!
      const parse = parsers[index]
      row[index] = value === null || parse === undefined ? value : parse(value)
    }
    return row
  }
}

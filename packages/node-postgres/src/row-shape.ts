import type { FieldInfo } from '@poolhouse/core'
import type { PgClient, PgField } from './pg-module.js'

type Parser = (value: string) => unknown

/** The columns of a result, and how to make rows of them. */
export class RowShape {
  /** A result without columns. */
  static readonly none: RowShape = new RowShape([])

  /** The columns in core's words. Frozen: results of one prepared statement share it. */
  readonly fields: FieldInfo[]
  // Cloned for each row, so that all rows have one hidden class; made without a prototype, so that a column called
  // `__proto__` is a column.
  readonly #template: Record<string, unknown>

  /** Takes the columns as `pg` describes them. */
  constructor(fields: readonly PgField[]) {
    this.fields = Object.freeze(fields.map(toFieldInfo)) as FieldInfo[]
    const template = Object.create(null) as Record<string, unknown>
    for (const field of fields) template[field.name] = null
    this.#template = { ...template }
  }

  /** The parsers of the columns as they are registered now: for this client, else for its `pg`. */
  parsers(client: PgClient): Parser[] {
    const { fields } = this
    const parsers = new Array<Parser>(fields.length)
    for (let index = 0; index < fields.length; index++) {
      parsers[index] = client.getTypeParser(fields[index]!.dataTypeID, 'text')
    }
    return parsers
  }

  /** A row as an object by column name; of columns with the same name the last wins. */
  toObject(
    values: readonly (string | null)[],
    parsers: readonly Parser[],
  ): Record<string, unknown> {
    const { fields } = this
    const row = { ...this.#template }
    for (let index = 0; index < fields.length; index++) {
      const value = values[index]!
      row[fields[index]!.name] = value === null ? null : parsers[index]!(value)
    }
    return row
  }

  /** A row as an array in column order. */
  toArray(values: readonly (string | null)[], parsers: readonly Parser[]): unknown[] {
    const row = new Array<unknown>(values.length)
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!
      row[index] = value === null ? null : parsers[index]!(value)
    }
    return row
  }
}

function toFieldInfo(field: PgField): FieldInfo {
  const { name, dataTypeID, tableID, columnID, dataTypeModifier } = field
  return { name, dataTypeID, tableID, columnID, dataTypeModifier }
}

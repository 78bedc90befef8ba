import type { FieldInfo } from '../../api/statement.js'
import type { TypeParser } from '../../types/type-parser.js'
import type { TypeParsers } from '../../types/type-parsers.js'

/** What makes no values: every text is its own value. */
export const noParsers: TypeParsers = { parserOf: () => undefined }

/**
 * The columns of a result, and what it takes to make rows of them. Each driver adds how, from what
 * its rows come in.
 */
export abstract class ResultShape {
  /**
   * The columns in core's words. Frozen, each of them too: results of one prepared statement share
   * it.
   */
  readonly fields: FieldInfo[]
  /**
   * To be cloned for each row, so that all rows have one hidden class; made without a prototype, so
   * that a column called `__proto__` is a column.
   */
  protected readonly template: Record<string, unknown>
  /** One for each column; undefined where the text is the value. */
  protected readonly parsers: readonly (TypeParser | undefined)[]

  /**
   * Takes the columns as they were described, which may say more than is kept, and what makes
   * values of their texts.
   */
  constructor(columns: readonly Omit<FieldInfo, 'format'>[], types: TypeParsers) {
    this.parsers = columns.map((column) => types.parserOf(column.dataTypeID))
    this.fields = Object.freeze(columns.map(toFieldInfo)) as FieldInfo[]
    const template = Object.create(null) as Record<string, unknown>
    for (const column of columns) template[column.name] = null
    this.template = { ...template }
  }
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

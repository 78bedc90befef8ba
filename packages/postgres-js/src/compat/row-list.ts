import type { FieldInfo, QueryResult } from '@poolhouse/core'
import type { Column, PostgresQuery, SqlOptions } from './postgres-query.js'

/** What postgres.js says of the statement of a result. */
export interface StatementOfResult {
  readonly string: string
  readonly types: readonly number[]
  readonly name: string
  readonly columns: readonly Column[] | undefined
}

/** A result of postgres.js: an array of rows that knows its command, and here its node. */
export class RowList extends Array<unknown> {
  declare count: number | null
  declare command: string | null
  declare state: unknown
  declare columns: readonly Column[] | undefined
  declare statement: StatementOfResult | null
  /** Name of the pool of the node that served the query. */
  declare node: string | undefined

  /** Empty, with all that postgres.js knows of no command. */
  constructor() {
    super()
    for (const name of ['count', 'state', 'command', 'columns', 'statement', 'node']) {
      Object.defineProperty(this, name, {
        value: name === 'node' ? undefined : null,
        writable: true,
      })
    }
  }

  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }
}
Object.defineProperty(RowList, 'name', { value: 'Result' })

/** The columns of a result in the words of postgres.js. */
export function columnsOf(fields: readonly FieldInfo[], options: SqlOptions): Column[] {
  const rename = options.transform.column.from
  return fields.map(({ name, tableID, columnID, dataTypeID }) => ({
    name: rename ? rename(name) : name,
    parser: options.parsers[dataTypeID],
    table: tableID,
    number: columnID,
    type: dataTypeID,
  }))
}

/** Makes the result of postgres.js from an undecoded one. Throws what a parser throws. */
export function rowListOf(
  query: PostgresQuery,
  result: QueryResult<unknown>,
  statement: { text: string; types: readonly number[] },
  options: SqlOptions,
): RowList {
  const list = new RowList()
  const columns = columnsOf(result.fields, options)
  // Without a description there are none, as in the simple protocol.
  list.columns = query.options.simple === true && columns.length === 0 ? undefined : columns
  list.count = result.rowCount
  list.command = result.command || null
  list.statement = { string: statement.text, types: statement.types, name: '', columns }
  list.node = result.node
  for (const row of result.rows as (string | null)[][]) {
    const read = readRow(row, columns, query.isRaw, options)
    if (query.forEachFn === undefined) list.push(read)
    else query.forEachFn(read, list)
  }
  return list
}

/** Reads a row of texts as postgres.js does: as an object, as an array of values or of buffers. */
export function readRow(
  texts: readonly (string | null)[],
  columns: readonly Column[],
  isRaw: boolean | 'values' | undefined,
  { transform }: SqlOptions,
): unknown {
  const row: unknown[] | Record<string, unknown> = isRaw ? new Array(columns.length) : {}
  for (const [index, column] of columns.entries()) {
    const text = texts[index] ?? null
    let value: unknown
    if (isRaw === true) value = text === null ? null : Buffer.from(text)
    else {
      const read = text === null ? null : readValue(text, column)
      value = transform.value.from ? transform.value.from(read, column) : read
    }
    if (isRaw) (row as unknown[])[index] = value
    else (row as Record<string, unknown>)[column.name] = value
  }
  return transform.row.from ? transform.row.from(row) : row
}

function readValue(text: string, { parser }: Column): unknown {
  if (parser === undefined) return text
  return parser.array === true ? parser(text.slice(1)) : parser(text)
}

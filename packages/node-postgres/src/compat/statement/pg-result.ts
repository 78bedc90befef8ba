import type { FieldInfo, QueryResult } from '@poolhouse/core'
import type { CustomTypesConfig, QueryResult as PgQueryResult } from 'pg'
import type { PgLibrary } from '../pg-library.js'

/** Reads a text of the server; `pg` has one for each type. */
type Parser = (text: string) => unknown

/** What the facade uses of a `pg.Result`, some of which `@types/pg` leaves out. */
interface Result extends Omit<PgQueryResult, 'oid' | 'command'> {
  command: string | null
  oid: number | null
  _parsers: readonly Parser[] | undefined
  _prebuiltEmptyResultObject: object | null
}

type ResultClass = new (
  rowMode: string | undefined,
  types: CustomTypesConfig,
  node: string | undefined,
) => Result

/** What it takes to read the rows of one set of columns. */
interface Columns {
  readonly names: readonly string[]
  readonly parsers: Parser[]
  readonly template: Record<string, null>
}

// An OID that no type has: `pg` reads its texts as they are.
const NO_TYPE = 0xffff_fffe

/**
 * Makes results of `pg`'s own class from undecoded ones, with the parsers that the application has
 * set in `pg.types`, or with those of one query.
 */
export class ResultReader {
  readonly #types: CustomTypesConfig
  readonly #Result: ResultClass
  // The parser of types that `pg` does not know: the text is the value.
  readonly #asText: Parser
  // By the columns of a result, which results of one prepared statement share.
  readonly #columns = new WeakMap<readonly FieldInfo[], Columns>()

  /** `pg` is the application's copy. */
  constructor(pg: PgLibrary) {
    this.#types = pg.types
    this.#Result = resultClass(pg)
    this.#asText = parserOf(pg.types, NO_TYPE)
  }

  /**
   * Returns the result as `pg` would have made it, and makes the rows of the undecoded one over
   * into its own. Throws what a parser throws.
   */
  read(result: QueryResult<unknown>, asArray = false, types?: CustomTypesConfig): PgQueryResult {
    const own = types ?? this.#types
    const { fields, command } = result
    const rows = result.rows as (string | null)[][]
    const read = new this.#Result(asArray ? 'array' : undefined, own, result.node)
    // `select` alone has a row without columns.
    if (fields.length > 0 || rows.length > 0) {
      const columns = types === undefined ? this.#columnsOf(fields) : columnsOf(fields, own)
      read.fields = fields as PgQueryResult['fields']
      read._parsers = columns.parsers
      read._prebuiltEmptyResultObject = columns.template
      if (rows.length > 0) {
        if (asArray) this.#toArrays(rows, columns)
        else this.#toObjects(rows, columns)
      }
    }
    read.rows = rows
    read.rowCount = result.rowCount
    // `pg` keeps the first word of a command tag, and the OID that an INSERT had once.
    const space = command.indexOf(' ')
    read.command = (space === -1 ? command : command.slice(0, space)) || null
    if (command === 'INSERT') read.oid = 0
    return read as PgQueryResult
  }

  /**
   * The columns, with the parsers as they are set now: the application may set one at any time, and
   * the next result is read with it.
   */
  #columnsOf(fields: readonly FieldInfo[]): Columns {
    const known = this.#columns.get(fields)
    if (known === undefined) {
      const columns = columnsOf(fields, this.#types)
      this.#columns.set(fields, columns)
      return columns
    }
    const { parsers } = known
    for (let index = 0; index < parsers.length; index++) {
      const parser = parserOf(this.#types, fields[index]!.dataTypeID)
      if (parsers[index] !== parser) parsers[index] = parser
    }
    return known
  }

  #toObjects(rows: unknown[], { names, parsers, template }: Columns): void {
    const asText = this.#asText
    const count = names.length
    for (let index = 0; index < rows.length; index++) {
      const values = rows[index] as readonly (string | null)[]
      const row: Record<string, unknown> = { ...template }
      for (let column = 0; column < count; column++) {
        const value = values[column]!
        const parser = parsers[column]!
        row[names[column]!] = value === null || parser === asText ? value : parser(value)
      }
      rows[index] = row
    }
  }

  #toArrays(rows: unknown[], { parsers }: Columns): void {
    const asText = this.#asText
    for (const row of rows as unknown[][]) {
      for (let column = 0; column < row.length; column++) {
        const value = row[column]
        const parser = parsers[column]!
        if (value !== null && parser !== asText) row[column] = parser(value as string)
      }
    }
  }
}

/** A `pg.Result` that knows its node, without a property that would show beside the others. */
function resultClass(pg: PgLibrary): ResultClass {
  const Base = pg.Result as unknown as new (rowMode: unknown, types: unknown) => Result
  class NodeResult extends Base {
    readonly #node: string | undefined

    constructor(rowMode: string | undefined, types: CustomTypesConfig, node: string | undefined) {
      super(rowMode, types)
      this.#node = node
    }

    /** Name of the pool of the node that served the query. */
    get node(): string | undefined {
      return this.#node
    }
  }
  Object.defineProperty(NodeResult, 'name', { value: 'Result' })
  return NodeResult
}

function columnsOf(fields: readonly FieldInfo[], types: CustomTypesConfig): Columns {
  // Without a prototype, so that a column called `__proto__` is a column.
  const template = Object.create(null) as Record<string, null>
  for (const { name } of fields) template[name] = null
  return {
    names: fields.map(({ name }) => name),
    parsers: fields.map(({ dataTypeID }) => parserOf(types, dataTypeID)),
    template: { ...template },
  }
}

function parserOf(types: CustomTypesConfig, oid: number): Parser {
  return types.getTypeParser(oid, 'text') as Parser
}

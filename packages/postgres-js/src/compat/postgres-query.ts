import type { PostgresSql } from '../postgres-module.js'

/** What `options.transform` of postgres.js holds once it is parsed. */
interface Transforms {
  readonly undefined: unknown
  readonly column: { from?: ((name: string) => string) | undefined; to?: unknown }
  readonly value: { from?: ((value: unknown, column: Column) => unknown) | undefined }
  readonly row: { from?: ((row: unknown) => unknown) | undefined }
}

/** Reads a text of the server. One of an array type gets the text without its first brace. */
export type Parser = ((text: string) => unknown) & { array?: boolean }

/** The parsed options of an instance, as far as they are used here. */
export interface SqlOptions {
  readonly debug: unknown
  readonly fetch_types: boolean
  readonly transform: Transforms
  readonly parsers: Record<string | number, Parser | undefined>
  readonly serializers: Record<string | number, ((value: unknown) => unknown) | undefined>
  readonly shared: { readonly typeArrayMap: Record<number, number> }
}

/** One column of a result of postgres.js. */
export interface Column {
  readonly name: string
  readonly parser: Parser | undefined
  readonly table: number
  readonly number: number
  readonly type: number
}

/** Runs a query of postgres.js. */
export interface QueryHandler {
  (query: PostgresQuery): void
  debug?: unknown
}

/**
 * A `Query` of postgres.js: a promise that starts when it is awaited, and then gives itself to its
 * handler. This is its undocumented inside, which `checkShapes` compares with the version at hand.
 */
export interface PostgresQuery extends Promise<unknown> {
  strings: readonly string[]
  readonly args: unknown[]
  readonly tagged: boolean
  readonly options: { simple?: boolean }
  handler: QueryHandler
  canceller: ((query: PostgresQuery) => Promise<void>) | null
  readonly origin: string
  isRaw?: boolean | 'values'
  forEachFn?: (row: unknown, result: unknown) => void
  cursorFn?: (rows: unknown) => unknown
  cursorRows?: number
  onlyDescribe?: boolean
  streaming?: boolean
  fragment?: boolean
  active: boolean
  cancelled: unknown
  executed: boolean
  string?: string
  parameters?: unknown
  statement: unknown
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** A helper of postgres.js: `sql(object)` and the like. */
interface Builder {
  build(before: string, parameters: unknown[], types: number[], options: SqlOptions): string
}

/** The classes of postgres.js that appear among the values of a query. */
export interface PostgresClasses {
  readonly Query: abstract new (...args: never[]) => PostgresQuery
  readonly Builder: abstract new (...args: never[]) => Builder
  readonly Identifier: abstract new (...args: never[]) => { readonly value: string }
  readonly Parameter: abstract new (
    ...args: never[]
  ) => {
    value: unknown
    readonly type: number
    readonly array?: Record<number, number>
  }
}

/** An instance of postgres.js that makes queries and never connects. */
export interface BaseSql extends PostgresSql {
  file(...args: unknown[]): PostgresQuery
  typed(value: unknown, type: number): object
  readonly CLOSE: unknown
}

/**
 * The classes of an instance, or undefined if it is not made as the tried versions are: then
 * nothing must rely on its inside.
 */
export function classesOf(base: BaseSql): PostgresClasses | undefined {
  const query = base`select ${1}` as Partial<Record<keyof PostgresQuery, unknown>>
  const builder = base({ a: 1 }) as Partial<Builder>
  const identifier = base('a"b') as { value?: unknown }
  const parameter = base.typed(1, 23) as { value?: unknown; type?: unknown }
  const { options } = base
  const fits =
    (query as object) instanceof Promise &&
    query.tagged === true &&
    query.executed === false &&
    (query.strings as readonly unknown[] | undefined)?.[0] === 'select ' &&
    (query.args as readonly unknown[] | undefined)?.[0] === 1 &&
    typeof query.handler === 'function' &&
    typeof query.resolve === 'function' &&
    typeof query.reject === 'function' &&
    'canceller' in query &&
    builder.build?.length === 4 &&
    identifier.value === '"a""b"' &&
    parameter.value === 1 &&
    parameter.type === 23 &&
    typeof (options['shared'] as { typeArrayMap?: unknown } | null)?.typeArrayMap === 'object' &&
    typeof (options['transform'] as { column?: unknown } | null)?.column === 'object' &&
    typeof options.parsers === 'object' &&
    typeof options.serializers === 'object'
  if (!fits) return undefined
  return {
    Query: query.constructor,
    Builder: builder.constructor,
    Identifier: identifier.constructor,
    Parameter: parameter.constructor,
  } as unknown as PostgresClasses
}

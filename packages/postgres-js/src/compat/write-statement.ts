import type { PostgresClasses, PostgresQuery, SqlOptions } from './postgres-query.js'

/** A query as it goes to the server, with values that are not serialised yet. */
export interface WrittenStatement {
  /** SQL. */
  readonly text: string
  /** The values of its placeholders. */
  readonly values: readonly unknown[]
  /** OID of the type of each value; 0 where the server decides. */
  readonly types: readonly number[]
}

/**
 * Writes the text of a query of postgres.js, with its fragments and helpers, as postgres.js does:
 * the function of the same work is not exported. Throws what postgres.js throws.
 */
export class StatementWriter {
  readonly #classes: PostgresClasses
  readonly #options: SqlOptions

  /** `options` are those of the instance that has made the queries. */
  constructor(classes: PostgresClasses, options: SqlOptions) {
    this.#classes = classes
    this.#options = options
  }

  /** Writes one query. */
  write(query: PostgresQuery): WrittenStatement {
    const values: unknown[] = []
    const types: number[] = []
    const text = this.#text(query, values, types)
    if (!query.tagged) for (const arg of query.args) this.#place(arg, values, types)
    return { text, values, types }
  }

  #text(query: PostgresQuery, values: unknown[], types: number[]): string {
    const { strings, args } = query
    let text = strings[0]!
    for (let index = 1; index < strings.length; index++) {
      text += this.#part(text, args[index - 1], values, types) + strings[index]!
    }
    return text
  }

  #part(before: string, value: unknown, values: unknown[], types: number[]): string {
    const { Builder, Identifier, Query } = this.#classes
    if (value instanceof Builder) return value.build(before, values, types, this.#options)
    if (value instanceof Query) return this.#fragment(value, values, types)
    if (value instanceof Identifier) return value.value
    if (Array.isArray(value) && value[0] instanceof Query) {
      const parts = value as readonly PostgresQuery[]
      return parts.map((part) => ` ${this.#fragment(part, values, types)}`).join('')
    }
    return this.#place(value, values, types)
  }

  #fragment(query: PostgresQuery, values: unknown[], types: number[]): string {
    query.fragment = true
    return this.#text(query, values, types)
  }

  #place(given: unknown, values: unknown[], types: number[]): string {
    const { Parameter } = this.#classes
    const parameter = given instanceof Parameter ? given : undefined
    let value = parameter === undefined ? given : parameter.value
    if (value === undefined) {
      value = this.#options.transform.undefined
      if (value === undefined) {
        throw Object.assign(new Error('UNDEFINED_VALUE: Undefined values are not allowed'), {
          code: 'UNDEFINED_VALUE',
        })
      }
    }
    values.push(value)
    let type: number
    if (parameter === undefined) type = this.#inferred(value)
    else if (parameter.array === undefined) type = parameter.type
    else {
      const element = parameter.type || this.#inferred(value)
      type = parameter.array[element] || parameter.type || (firstIsText(value) ? 1009 : 0)
    }
    types.push(type)
    return `$${types.length}`
  }

  #inferred(value: unknown): number {
    if (value instanceof this.#classes.Parameter) return value.type
    if (value instanceof Date) return 1184
    if (value instanceof Uint8Array) return 17
    if (value === true || value === false) return 16
    if (typeof value === 'bigint') return 20
    return Array.isArray(value) ? this.#inferred(value[0]) : 0
  }
}

function firstIsText(value: unknown): boolean {
  return Array.isArray(value) ? firstIsText(value[0]) : typeof value === 'string'
}

/** The values in their wire form, each by the serialiser of its type. */
export function serialize(
  values: readonly unknown[],
  types: readonly number[],
  { serializers }: SqlOptions,
): (string | null)[] {
  return values.map((value, index) => {
    if (value === null) return null
    const serializer = serializers[types[index] ?? 0]
    return `${serializer === undefined ? value : serializer(value)}`
  })
}

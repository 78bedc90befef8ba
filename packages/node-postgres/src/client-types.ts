import type { TypeParsers } from '@poolhouse/core/types'
import type { PgModule } from './pg-module.js'

const asText = (value: string): string => value

/**
 * What `pg.Client` takes as its `types`: has statements that run on the client itself read by the
 * same parsers as ours. Binary values, for which one must ask, are left to `pg`.
 */
export class ClientTypes {
  readonly #pg: Pick<PgModule, 'types'>
  readonly #types: TypeParsers

  /** Reads text with `types`. */
  constructor(pg: Pick<PgModule, 'types'>, types: TypeParsers) {
    this.#pg = pg
    this.#types = types
  }

  /** The parser of a type's values in one of the two formats. */
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: never) => unknown {
    if (format === 'binary') return this.#pg.types.getTypeParser(oid, format)
    return this.#types.parserOf(oid) ?? asText
  }
}

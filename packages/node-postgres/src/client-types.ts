import type { TypeParsers } from '@poolhouse/core/types'
import type { PgModule } from './pg-module.js'

const asText = (value: string): string => value

/**
 * The `types` of a `pg.Client`: queries on the client itself get the same parsers as those of the
 * pool. Binary values, which must be requested, are left to `pg`.
 */
export class ClientTypes {
  readonly #pg: Pick<PgModule, 'types'>
  readonly #types: TypeParsers

  /** Text is read with `types`. */
  constructor(pg: Pick<PgModule, 'types'>, types: TypeParsers) {
    this.#pg = pg
    this.#types = types
  }

  /** Returns the parser of a type for one of the two formats. */
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: never) => unknown {
    if (format === 'binary') return this.#pg.types.getTypeParser(oid, format)
    return this.#types.parserOf(oid) ?? asText
  }
}

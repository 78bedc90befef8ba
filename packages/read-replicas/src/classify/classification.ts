import type { Classification } from '@poolhouse/core/sql'
import type { OwnNames } from './own-names.js'

/**
 * What goes to replicas: with `conservative` statements that are known to only read, with
 * `optimistic` also those that call unknown functions.
 */
export type ClassifyMode = 'conservative' | 'optimistic'

/**
 * Distinguishes reads from writes by their text. `lexerClassifier` and `parserClassifier` make one.
 */
export interface StatementClassifier {
  /** What goes to replicas. */
  readonly mode: ClassifyMode
  /**
   * Whether it needs the names that a database has of its own. Then the pool asks for them, and
   * sends no statement to a replica by its text before they are known. Default no.
   */
  readonly usesNames?: boolean
  /**
   * Classifies a text. Must be quick, must give the same answer for the same text and names, and
   * must not throw. `names` are those of the database that the statement is for; undefined for a
   * classifier without `usesNames`, and while they are not known.
   *
   * @example
   * const { verdict, reason } = lexerClassifier().classify('select lower($1)')
   */
  classify(text: string, names?: OwnNames): Classification
}

/**
 * Options of a classifier.
 *
 * @example
 * const classify = lexerClassifier({
 *   mode: 'optimistic',
 *   reads: ['app.price_of'],
 *   writes: ['app.take_turn'],
 * })
 */
export interface ClassifierOptions {
  /** What goes to replicas. Default `conservative`. */
  mode?: ClassifyMode | undefined
  /**
   * Functions of your own that only read, as `name` (in any schema) or `schema.name`, spelled as in
   * the catalog. Functions that must never run on a replica are refused. Default: none.
   */
  reads?: readonly string[] | undefined
  /**
   * Functions of your own that must run on the primary. For `optimistic`: a replica refuses
   * functions that write, but not those that take advisory locks, change settings or call other
   * services. Default: none.
   */
  writes?: readonly string[] | undefined
}

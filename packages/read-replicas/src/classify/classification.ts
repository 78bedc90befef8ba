import type { OwnNames } from './own-names.js'

/**
 * How much may be left to replicas: `conservative` sends them what is known to be a read,
 * `optimistic` also what only calls functions nobody knows.
 */
export type ClassifyMode = 'conservative' | 'optimistic'

/** The part of a statement that decided. */
export interface DecidingToken {
  /** As it stands in the text; long ones are cut. */
  readonly text: string
  /** Offset of its first character, from 0. */
  readonly position: number
}

/** What the text of a statement says about it. */
export interface Classification {
  /**
   * `read`: it only reads, as far as a text can say. `unknown`: it reads, but calls what is not
   * known. `write`: it writes, may write, or means something only on the primary.
   */
  readonly verdict: 'read' | 'unknown' | 'write'
  /** Why, as a clause for humans. */
  readonly reason: string
  /**
   * Whether it would succeed on a replica and still be wrong there: advisory locks, session
   * settings, snapshots, cursors and the like. Default no.
   */
  readonly hazard?: boolean
  /** What decided, if it was one part of the text. */
  readonly token?: DecidingToken
}

/** Tells reads from writes by the text. `lexerClassifier` and `parserClassifier` make one. */
export interface StatementClassifier {
  /** What goes to replicas. */
  readonly mode: ClassifyMode
  /**
   * Whether it needs the names that a database has of its own. They are then asked for, and until
   * they are known nothing goes to a replica by its text. Default no.
   */
  readonly usesNames?: boolean
  /**
   * Judges a text. Must be quick, must always give the same answer to the same text and names, and
   * must not throw. `names` are those of the database that the statement is for; undefined for a
   * classifier without `usesNames`, and where they are not known.
   */
  classify(text: string, names?: OwnNames): Classification
}

/** Options of a classifier. */
export interface ClassifierOptions {
  /** Default `conservative`. */
  mode?: ClassifyMode | undefined
  /**
   * Functions of your own that only read, as `name` (in any schema) or `schema.name`, spelled as
   * the catalog has them. Not those that are never for a replica.
   */
  reads?: readonly string[] | undefined
  /**
   * Functions of your own that must run on the primary. For `optimistic`: those that write are
   * found out, but not those that take advisory locks, change settings or call other services.
   */
  writes?: readonly string[] | undefined
}

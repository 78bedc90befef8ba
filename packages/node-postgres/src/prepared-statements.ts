import type { PgServerError } from './errors.js'
import type { PgWire } from './pg-module.js'
import type { RowShape } from './row-shape.js'

// The server keeps the columns of these for the life of a prepared statement and refuses to run it (0A000) when they would
// change. Of utility statements it does not: FETCH and EXECUTE return whatever lies behind the name at that moment.
const FIXED_SHAPE = /^\s*(?:select|insert|update|delete|merge|with|values)\b/i

/**
 * What one session knows of its named statements, beside the list that `pg` keeps: the columns, so that the server need not
 * describe them again each time, and which statements have to be made anew.
 */
export class PreparedStatements {
  readonly #wire: PgWire
  // Made when needed: idle sessions may be many.
  #shapes: Map<string, RowShape> | undefined
  #stale: Set<string> | undefined
  #dropped: string[] = []

  /** Works on the list in `wire`, which statements run on the client directly use too. */
  constructor(wire: PgWire) {
    this.#wire = wire
    // In an object with a prototype, `constructor` would be the name of a known statement.
    wire.parsedStatements = Object.create(null) as Record<string, string>
    wire.submittedNamedStatements = Object.create(null) as Record<string, string>
  }

  /** The text the server has, or is about to have, under a name. */
  textOf(name: string): string | undefined {
    return this.#wire.parsedStatements[name] ?? this.#wire.submittedNamedStatements[name]
  }

  /** The columns of a named statement that has run before, if they are certain to be the same. */
  shapeOf(name: string): RowShape | undefined {
    return this.#shapes?.get(name)
  }

  /** A named statement ran and had these columns. */
  learn(name: string, text: string, shape: RowShape): void {
    if (this.#shapes?.has(name) || !FIXED_SHAPE.test(text)) return
    this.#shapes ??= new Map()
    this.#shapes.set(name, shape)
  }

  /** A named statement is not needed any more. The server is told with the next one that is made. */
  drop(name: string): void {
    if (this.#wire.parsedStatements[name] === undefined) return
    delete this.#wire.parsedStatements[name]
    this.#shapes?.delete(name)
    this.#stale?.delete(name)
    this.#dropped.push(name)
  }

  /** Sends what makes the statement, after what removes an old one of that name and those no longer needed. */
  prepare(name: string, text: string): void {
    for (const dropped of this.#dropped.splice(0)) this.#wire.close({ type: 'S', name: dropped })
    if (this.#stale?.delete(name)) this.#wire.close({ type: 'S', name })
    this.#wire.parse({ name, text })
    this.#wire.submittedNamedStatements[name] = text
  }

  /**
   * Whether an error means that the statement was lost on the server (DISCARD, DEALLOCATE, a pooler) or no longer fits its
   * tables; if so, it is forgotten and will be made anew. The server says all of this before it executes anything.
   */
  forgetIfStale(name: string, error: PgServerError): boolean {
    const stale =
      (error.code === '26000' && error.routine === 'FetchPreparedStatement') ||
      (error.code === '42P05' && error.routine === 'StorePreparedStatement') ||
      (error.code === '0A000' && error.routine === 'RevalidateCachedQuery')
    if (!stale) return false
    delete this.#wire.parsedStatements[name]
    this.#shapes?.delete(name)
    this.#stale ??= new Set()
    this.#stale.add(name)
    return true
  }
}

import { hasFixedShape, type ServerError, saysStale } from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'
import type { RowShape } from './row-shape.js'

/**
 * Statement names and texts. Nothing is inherited, or `constructor` would be the name of a known statement; made by a class, because
 * what `Object.create(null)` makes is a hash table from the start.
 */
class StatementList {
  [name: string]: string
}
Object.setPrototypeOf(StatementList.prototype, null)
Reflect.deleteProperty(StatementList.prototype, 'constructor')

/**
 * What one session knows of its named statements, beside the list that `pg` keeps: the columns, so that the server need not
 * describe them again each time, and which statements have to be made anew.
 */
export class PreparedStatements {
  readonly #wire: PgWire
  // Made when needed: idle sessions may be many.
  #shapes: Map<string, RowShape> | undefined
  #stale: Set<string> | undefined
  #dropped: string[] | undefined

  /** Works on the list in `wire`, which statements run on the client directly use too. */
  constructor(wire: PgWire) {
    this.#wire = wire
    wire.parsedStatements = new StatementList()
    wire.submittedNamedStatements = new StatementList()
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
    if (this.#shapes?.has(name) || !hasFixedShape(text)) return
    this.#shapes ??= new Map()
    this.#shapes.set(name, shape)
  }

  /** A named statement is not needed any more. The server is told with the next one that is made. */
  drop(name: string): void {
    if (this.#wire.parsedStatements[name] === undefined) return
    delete this.#wire.parsedStatements[name]
    this.#shapes?.delete(name)
    this.#stale?.delete(name)
    this.#dropped ??= []
    this.#dropped.push(name)
  }

  /** Sends what makes the statement, after what removes an old one of that name and those no longer needed. */
  prepare(name: string, text: string): void {
    for (const dropped of this.#dropped ?? []) this.#wire.close({ type: 'S', name: dropped })
    this.#dropped = undefined
    if (this.#stale?.delete(name)) this.#wire.close({ type: 'S', name })
    this.#wire.parse({ name, text })
    this.#wire.submittedNamedStatements[name] = text
  }

  /** Whether an error means that the statement has to be made anew; if so, it is forgotten. */
  forgetIfStale(name: string, error: ServerError): boolean {
    if (!saysStale(error)) return false
    delete this.#wire.parsedStatements[name]
    this.#shapes?.delete(name)
    this.#stale ??= new Set()
    this.#stale.add(name)
    return true
  }
}

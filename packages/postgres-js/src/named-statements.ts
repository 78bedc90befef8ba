import { hasFixedShape, refusalOfName, type ServerError, saysStale } from '@poolhouse/core/net'
import type { RowShape } from './row-shape.js'

interface Known {
  readonly text: string
  /** The columns, if the server holds the statement; undefined for one that is made each time. */
  readonly shape: RowShape | undefined
}

/** What one session knows of its named statements. postgres.js keeps a list of its own, without end, which ours never enter. */
export class NamedStatements {
  // Made when needed: idle sessions may be many.
  #known: Map<string, Known> | undefined
  #closing: string[] = []

  /**
   * The name to use on the server, empty for none: of a statement that may return other columns the next time, which has to be described
   * and therefore made each time. Throws `TypeError` for a name that stands for another text, and for one that PostgreSQL would cut off.
   */
  nameFor(name: string, text: string): string {
    const refusal = refusalOfName(name, text, this.#known?.get(name)?.text)
    if (refusal !== undefined) throw refusal
    return hasFixedShape(text) ? name : ''
  }

  /** The columns of a statement that the server holds under a name. */
  shapeOf(name: string): RowShape | undefined {
    return this.#known?.get(name)?.shape
  }

  /** The server holds a statement and has described it, or, without a shape, has run it. */
  learn(name: string, text: string, shape?: RowShape): void {
    this.#known ??= new Map()
    this.#known.set(name, { text, shape })
  }

  /** A named statement is not needed any more. */
  drop(name: string): void {
    if (this.#known?.get(name)?.shape !== undefined) this.#closing.push(name)
    this.#known?.delete(name)
  }

  /** Whether the server has yet to be told of statements that are over. */
  get hasClosing(): boolean {
    return this.#closing.length > 0
  }

  /** The names the server has yet to forget. */
  takeClosing(): string[] {
    return this.#closing.splice(0)
  }

  /** Whether an error means that the statement has to be made anew; if so, it is forgotten. */
  forgetIfStale(name: string, error: ServerError): boolean {
    if (!saysStale(error)) return false
    this.#known?.delete(name)
    this.#closing.push(name)
    return true
  }
}

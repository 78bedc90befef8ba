import { BodyReader } from './body-reader.js'
import type { Frame } from './frame-reader.js'

/**
 * A statement seen on its way to the server. `query` and `parse` carry the text themselves;
 * `execute` is a further run of a statement that was parsed earlier, so that every run is told once
 * whichever way the client sends it.
 */
export interface SeenStatement {
  /** SQL text. */
  readonly text: string
  /** Simple query, Parse, or a further run of a prepared statement. */
  readonly kind: 'query' | 'parse' | 'execute'
}

interface Parsed {
  readonly name: string
  readonly text: string
  /** Whether its Parse was told and no run of it has been seen since. */
  fresh: boolean
}

interface Bound {
  readonly statement: Parsed
  /** A cursor executes one portal many times; that is one run. */
  ran: boolean
}

/** Follows the names of prepared statements and portals in one direction of one session. */
export class StatementWatcher {
  readonly #statements = new Map<string, Parsed>()
  readonly #portals = new Map<string, Bound>()

  /**
   * The statement that this message shows, if it shows one. Call it once for every message from the
   * client.
   */
  observe(frame: Frame): SeenStatement | undefined {
    const fields = new BodyReader(frame.body)
    switch (frame.type) {
      case 'Q':
        return { text: fields.text(), kind: 'query' }
      case 'P': {
        const name = fields.text()
        const text = fields.text()
        this.#statements.set(name, { name, text, fresh: true })
        return { text, kind: 'parse' }
      }
      case 'B': {
        const portal = fields.text()
        const statement = this.#statements.get(fields.text())
        if (statement) this.#portals.set(portal, { statement, ran: false })
        else this.#portals.delete(portal)
        return undefined
      }
      case 'E': {
        const bound = this.#portals.get(fields.text())
        if (!bound || bound.ran) return undefined
        bound.ran = true
        if (!bound.statement.fresh) return { text: bound.statement.text, kind: 'execute' }
        bound.statement.fresh = false
        return undefined
      }
      case 'C': {
        const names = fields.character() === 'S' ? this.#statements : this.#portals
        names.delete(fields.text())
        return undefined
      }
      default:
        return undefined
    }
  }

  /** What an Execute message of this portal runs. */
  statementOfPortal(portal: string): { readonly name: string; readonly text: string } | undefined {
    return this.#portals.get(portal)?.statement
  }
}

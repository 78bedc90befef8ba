import { BodyReader } from '../protocol/body-reader.js'
import type { Frame } from '../protocol/frame-reader.js'
import { type StatementPart, splitStatements } from '../protocol/split-statements.js'
import { type Portal, type PreparedStatement, readBind, readParse } from './prepared.js'
import type { Reaction, WireError, WireParameter } from './script.js'
import type { ServerMessages } from './server-messages.js'
import type { Played, StatementPlayer } from './statement-player.js'
import type { TransactionState } from './transaction-state.js'

/** What a query handler needs of its session. */
export interface QuerySession {
  readonly out: ServerMessages
  readonly player: StatementPlayer
  readonly transaction: TransactionState
  /** Asks the script. */
  ask(text: string, parameters: readonly WireParameter[]): Reaction | undefined
  /** ReadyForQuery, with what changed before it, and everything collected so far. */
  ready(): Promise<void>
  flush(): Promise<void>
  /** Sends the error; rejects when its severity ends the session. */
  fail(error: WireError): Promise<void>
}

const ABORTED: WireError = {
  code: '25P02',
  message: 'current transaction is aborted, commands ignored until end of transaction block',
}

/** The simple and the extended query protocol of one session. */
export class QueryHandler {
  readonly #session: QuerySession
  readonly #statements = new Map<string, PreparedStatement>()
  readonly #portals = new Map<string, Portal>()
  /** After an error in the extended protocol everything is ignored up to the next Sync. */
  #skipping = false

  constructor(session: QuerySession) {
    this.#session = session
  }

  async handle(frame: Frame): Promise<void> {
    if (this.#skipping && frame.type !== 'S') return
    switch (frame.type) {
      case 'Q':
        return this.#query(new BodyReader(frame.body).text())
      case 'P':
        return this.#parse(frame.body)
      case 'B':
        return this.#bind(frame.body)
      case 'D':
        return this.#describe(new BodyReader(frame.body))
      case 'E':
        return this.#execute(new BodyReader(frame.body))
      case 'C':
        return this.#close(new BodyReader(frame.body))
      case 'H':
        return this.#session.flush()
      case 'S':
        this.#skipping = false
        return this.#session.ready()
      case 'd':
      case 'c':
      case 'f':
        // Left over from a COPY that was refused.
        return undefined
      default:
        await this.#session.fail({
          code: '08P01',
          severity: 'FATAL',
          message: `invalid frontend message type ${frame.type.charCodeAt(0)}`,
        })
        return undefined
    }
  }

  async #query(text: string): Promise<void> {
    const { out, player } = this.#session
    const parts = splitStatements(text)
    if (parts.length === 0) out.add('I')
    for (const part of parts) {
      // A text of one statement goes to the script as the client wrote it.
      const played = await this.#run(part, [], undefined, parts.length === 1 ? text : part.text)
      if (played.kind === 'failed') {
        await this.#session.fail(played.error)
        break
      }
      if (played.kind === 'rows') {
        out.rowDescription(played.columns)
        player.sendRows(played, 0, played.rows.length)
        out.commandComplete(played.tag ?? `SELECT ${played.rows.length}`)
      } else out.commandComplete(played.tag)
    }
    await this.#session.ready()
  }

  async #parse(body: Buffer): Promise<void> {
    const { name, statement } = readParse(body)
    if (name !== '' && this.#statements.has(name)) {
      const message = `prepared statement "${name}" already exists`
      return this.#fail({ code: '42P05', message })
    }
    this.#statements.set(name, statement)
    this.#session.out.add('1')
  }

  async #bind(body: Buffer): Promise<void> {
    const { portal, statement: name, parameters } = readBind(body)
    const statement = this.#statements.get(name)
    if (!statement) return this.#fail(noStatement(name))
    const { asked } = statement
    statement.asked = undefined
    this.#portals.set(portal, { statement, parameters, asked, result: undefined, sent: 0 })
    this.#session.out.add('2')
  }

  async #describe(fields: BodyReader): Promise<void> {
    const { out, player } = this.#session
    const isStatement = fields.character() === 'S'
    const name = fields.text()
    const target = isStatement ? this.#statements.get(name) : this.#portals.get(name)
    if (!target) return this.#fail(isStatement ? noStatement(name) : noPortal(name))
    const statement = 'statement' in target ? target.statement : target
    if (isStatement) out.parameterDescription(statement.parameterOids)
    const { part } = statement
    if (part && !this.#session.transaction.refuses(part)) {
      const parameters = 'parameters' in target ? target.parameters : undefined
      target.asked ??= { reaction: this.#session.ask(part.text, parameters ?? []) }
      const columns = player.columnsOf(target.asked.reaction, part, parameters)
      if (columns) return out.rowDescription(columns)
    }
    out.add('n')
  }

  async #execute(fields: BodyReader): Promise<void> {
    const { out, player } = this.#session
    const name = fields.text()
    const limit = fields.int32()
    const portal = this.#portals.get(name)
    if (!portal) return this.#fail(noPortal(name))
    const { part } = portal.statement
    if (!part) return out.add('I')
    if (!portal.result) {
      const played = await this.#run(part, portal.parameters, portal.asked)
      portal.asked = undefined
      if (played.kind === 'failed') return this.#fail(played.error)
      if (played.kind === 'done') return out.commandComplete(played.tag)
      portal.result = played
    }
    const { result } = portal
    const sent = player.sendRows(result, portal.sent, limit > 0 ? limit : result.rows.length)
    portal.sent += sent
    // As PostgreSQL: a page that is exactly full does not know yet that it was the last.
    if (limit > 0 && sent === limit) out.add('s')
    else out.commandComplete(result.tag ?? `SELECT ${sent}`)
  }

  async #close(fields: BodyReader): Promise<void> {
    const names = fields.character() === 'S' ? this.#statements : this.#portals
    names.delete(fields.text())
    this.#session.out.add('3')
  }

  /** Runs one statement; asks the script unless it has been asked for this run. */
  async #run(
    part: StatementPart,
    parameters: readonly WireParameter[],
    asked: Portal['asked'],
    text: string = part.text,
  ): Promise<Played> {
    const { player, transaction } = this.#session
    if (transaction.refuses(part)) return { kind: 'failed', error: ABORTED }
    const reaction = asked ? asked.reaction : this.#session.ask(text, parameters)
    return player.play(reaction, part, parameters)
  }

  async #fail(error: WireError): Promise<void> {
    this.#skipping = true
    this.#session.transaction.failed()
    await this.#session.fail(error)
  }
}

function noStatement(name: string): WireError {
  return { code: '26000', message: `prepared statement "${name}" does not exist` }
}

function noPortal(name: string): WireError {
  return { code: '34000', message: `portal "${name}" does not exist` }
}

import type { Notice, SentStatement } from '../api/driver.js'
import type { QueryResult, Statement } from '../api/statement.js'
import { DatabaseError } from '../outcome/database-error.js'
import { passedOverError } from '../outcome/passed-over.js'
import type { FakeReply } from './replies.js'

const LOCAL_COMMIT: Notice = {
  severity: 'WARNING',
  code: '01000',
  message: 'canceling wait for synchronous replication due to user request',
  routine: 'SyncRepWaitForLSN',
}

/** What a group of statements needs of its session. */
export interface GroupHost {
  /** A statement begins: notes it, and says what it does. */
  begin(statement: Statement): FakeReply | undefined
  /** The error for a statement in a transaction that has failed; null where it may run. */
  refuse(text: string): Error | null
  /** Moves the books of the session; returns the command tag. */
  follow(statement: Statement, error: Error | null, command: string): string
  /** Calls `fire` when the server has had its time. */
  later(fire: () => void): void
  /** The server has answered all of it. */
  over(): void
  /** The server gave up its wait for a standby. */
  warn(notice: Notice): void
  /** The session dies. */
  end(reason: Error): void
}

/** A statement that has begun, and what it does. */
interface Begun {
  readonly sent: SentStatement
  reply: FakeReply | undefined
}

type Answer = readonly [Error | null, QueryResult<unknown>?]

/**
 * Several statements that were sent in one piece: what `runTogether` promises, without a server.
 */
export class FakeGroup {
  readonly #host: GroupHost
  // Without those that are answered.
  readonly #left: SentStatement[]
  // Of the step under way, up to the first that does not succeed.
  #begun: Begun[] = []
  #over = false

  /** Begins with nothing run. */
  constructor(host: GroupHost, statements: readonly SentStatement[]) {
    this.#host = host
    this.#left = [...statements]
  }

  /** How many statements are not answered. */
  get left(): number {
    return this.#left.length
  }

  /** More of them came, behind those that are not answered. */
  add(statements: readonly SentStatement[]): void {
    this.#left.push(...statements)
  }

  /** Runs the first step, and then the others. */
  run(): void {
    this.#begun = []
    for (const sent of this.#step()) {
      const reply = this.#host.begin(sent.statement)
      this.#begun.push({ sent, reply })
      if (reply !== undefined && !('rows' in reply)) break
    }
    const { reply } = this.#begun.at(-1)!
    if (reply !== undefined && ('hang' in reply || 'waitsForStandby' in reply)) return
    const begun = this.#begun
    this.#host.later(() => {
      if (this.#begun === begun) this.#answer()
    })
  }

  /** A cancel request has come: it ends the statement under way. */
  cancel(error: Error): void {
    const last = this.#begun.at(-1)
    if (this.#over || last === undefined) return
    if (last.reply !== undefined && 'waitsForStandby' in last.reply) {
      this.#host.warn(LOCAL_COMMIT)
      last.reply = undefined
    } else {
      last.reply = { error }
    }
    this.#answer()
  }

  /** The session is gone. */
  lose(error: Error): void {
    this.#over = true
    for (const { done } of this.#left.splice(0)) done(error)
  }

  #step(): SentStatement[] {
    const end = this.#left.findIndex(({ joined }) => joined !== true)
    return this.#left.slice(0, end === -1 ? this.#left.length : end + 1)
  }

  #answer(): void {
    const begun = this.#begun
    this.#begun = []
    const last = begun.at(-1)!.reply
    if (last !== undefined && 'lose' in last) {
      this.#host.end(new Error(last.lose))
      return
    }
    const step = this.#step()
    this.#left.splice(0, step.length)
    let failure: Error | undefined
    const answers = step.map((sent, at): Answer => {
      if (failure !== undefined) return [passedOverError(failure)]
      const answer = this.#answerOf(sent, begun[at]?.reply)
      failure = answer[0] ?? undefined
      return answer
    })
    this.#over = this.#left.length === 0
    if (this.#over) this.#host.over()
    for (const [at, { done }] of step.entries()) done(...answers[at]!)
    // A server that says FATAL hangs up right after it.
    if (failure !== undefined && isFatal(failure)) this.#host.end(failure)
    else if (this.#left.length > 0) this.run()
  }

  #answerOf({ statement }: SentStatement, reply: FakeReply | undefined): Answer {
    const error =
      reply === undefined
        ? this.#host.refuse(statement.text)
        : 'error' in reply
          ? reply.error
          : null
    const rows = reply !== undefined && 'rows' in reply ? reply.rows : []
    const command = reply !== undefined && 'rows' in reply ? (reply.command ?? '') : ''
    const tag = this.#host.follow(statement, error, command)
    return error === null
      ? [null, { rows, rowCount: rows.length, command: tag, fields: [] }]
      : [error]
  }
}

/**
 * Whether a session can send these in one piece: no COPY with others, and no text of several
 * commands among joined ones.
 */
export function fitsTogether(statements: readonly SentStatement[]): boolean {
  return statements.every(({ statement: { text }, joined }, at) => {
    const isJoined = joined === true || statements[at - 1]?.joined === true
    if (statements.length > 1 && /(?:^|;)\s*copy\s/i.test(text)) return false
    return !isJoined || !/;\s*\S/.test(text)
  })
}

/** Whether a server that answered with this error ends the session. */
export function isFatal(error: Error): boolean {
  return error instanceof DatabaseError && error.severity !== 'ERROR'
}

import type {
  ConnectContext,
  ConnectionInfo,
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  Notice,
  ResetLevel,
  SentStatement,
  TransactionStatus,
} from '../api/driver.js'
import type { QueryResult, Statement } from '../api/statement.js'
import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/message-of.js'
import { IDENTITY_QUESTION } from '../identity/session-identity.js'
import { DatabaseError } from '../outcome/database-error.js'
import { resetFailure } from '../outcome/reset-failure.js'
import type { ServerIdentity } from '../server/server-identity.js'
import { FakeExchange, fakeCopyIn, fakeCopyOut, fakeCursor, lost } from './fake-exchange.js'
import { FakeGroup, fitsTogether, isFatal } from './fake-group.js'
import { FakeSession } from './fake-session.js'
import { FakeTimers } from './fake-timers.js'
import type { FakeParameter, FakeReply } from './replies.js'
import { oneRow, parameterColumns, serverColumns } from './server-columns.js'

/**
 * How a fake server behaves. Every function is asked anew each time, so a test can change its mind.
 */
export interface FakeDriverOptions {
  /** Time source; the same as the pool's. */
  clock: Clock
  /** How long a connect takes, in milliseconds. Default 0: it settles in a promise reaction. */
  connectMs?: number | (() => number)
  /**
   * Fails a connect: return the error, or `hang` to never settle, or undefined to let it succeed.
   */
  onConnect?: (attempt: number, context: ConnectContext) => Error | 'hang' | undefined
  /**
   * The process id that answers when the pool asks after the log-in, or how the question fails.
   * Default: the announced one, as without a pooler.
   */
  answeringPid?: (connection: FakeConnection) => number | null | Error
  /**
   * The server that a session leads to, as it says when the pool asks with this text after the
   * log-in, or how the question fails. Default: the server does not say.
   */
  server?: (connection: FakeConnection, text: string) => Partial<ServerIdentity> | Error
  /** Address of the sockets' other end; null for a Unix socket. Default 127.0.0.1. */
  address?: null
  /**
   * What a session has of a start-up parameter when the pool asks with this text after the log-in.
   * Default: what was asked for.
   */
  startUp?: (name: string, text: string) => FakeParameter | undefined
  /** What `version()` says when the pool asks after the log-in. Default: nothing. */
  version?: string
  /** How long a statement takes, in milliseconds. Default 0. */
  statementMs?: number | (() => number)
  /** Answers a statement; undefined leaves it to the fake, which knows transactions and `set`. */
  onStatement?: (statement: Statement, connection: FakeConnection) => FakeReply | undefined
  /** Told what the server answered to each statement, just before the pool is. */
  onAnswer?: (
    statement: Statement,
    connection: FakeConnection,
    error: Error | null,
    command: string,
  ) => void
  /** How long a cancel request takes, in milliseconds, or an error. Default 0. */
  onCancel?: (connection: FakeConnection) => number | Error
  /**
   * Whether several statements go out in one piece: `never` is a driver without `runTogether`, and
   * `refused` one whose sessions cannot do it. Default: where the contract allows it.
   */
  sendsTogether?: 'never' | 'refused'
  /** False is a driver without `share`. Default true. */
  shares?: boolean
  /**
   * Whether a session that is destroyed says so before `destroy` returns, as some drivers do, or a
   * moment later. Default later.
   */
  destroysAtOnce?: boolean
  /**
   * How long a polite close takes, in milliseconds; `hang` for as long as it may; an error to fail
   * with. Default 0.
   */
  closeMs?: number | 'hang' | Error
}

type Done = (error: Error | null, result?: QueryResult<unknown>) => void

/**
 * One fake session. It keeps the books of a real one: transaction status, session settings, one
 * statement at a time.
 */
export class FakeConnection implements DriverConnection {
  readonly raw: unknown = this
  readonly info: ConnectionInfo
  /** Every statement that was run, in order. */
  readonly statements: string[] = []
  /** The data of every COPY … FROM STDIN that came to its end. */
  readonly copied: string[] = []
  /** Whether the session is open. */
  alive = true
  lastByteAt: number
  /** Whether the socket keeps the process alive. */
  referenced = true
  /** Whether it would name statements by itself. */
  names = true
  readonly runTogether?: (statements: readonly SentStatement[]) => boolean
  readonly share?: (statements: readonly SentStatement[]) => void
  readonly #context: ConnectContext
  readonly #options: FakeDriverOptions
  readonly #violations: string[]
  readonly #gone: () => void
  readonly #timers: FakeTimers
  readonly #closed: (() => void)[] = []
  #pinging = false
  #resetWanted = false
  readonly #session = new FakeSession()
  #done: Done | undefined
  #group: FakeGroup | undefined
  #isSharing = false
  #answer: ((error: Error | null) => void) | undefined

  /** Made by the fake driver. */
  constructor(
    id: number,
    context: ConnectContext,
    options: FakeDriverOptions,
    violations: string[],
    gone: () => void,
  ) {
    this.#context = context
    this.#options = options
    this.#violations = violations
    this.#gone = gone
    this.lastByteAt = options.clock.now()
    this.#timers = new FakeTimers(options.clock)
    if (options.sendsTogether !== 'never') this.runTogether = (group) => this.#sendTogether(group)
    if (options.shares !== false) this.share = (statements) => this.#share(statements)
    const address = options.address === null ? undefined : '127.0.0.1'
    this.info = { address, port: 5432, backendPid: id, parameters: new Map() }
  }

  get inFlight(): number {
    if (this.#done === undefined) return 0
    return this.#group?.left ?? 1
  }

  /**
   * What the server knows of the transaction, even while a statement runs and the driver does not.
   */
  get sessionStatus(): 'idle' | 'active' | 'failed' {
    return this.#session.status
  }

  /** Settings left behind by `set …`; empty in a fresh session. */
  get settings(): Map<string, string> {
    return this.#session.settings
  }

  /** Channels that the session listens to. */
  get channels(): Set<string> {
    return this.#session.channels
  }

  /** Whether what is in flight shares the session. */
  get sharing(): boolean {
    return this.#done !== undefined && this.#isSharing
  }

  /** Whether a polite close is under way. */
  get closing(): boolean {
    return this.#closed.length > 0
  }

  /** Whether a ping is in flight. */
  get pinging(): boolean {
    return this.#pinging && this.#done !== undefined
  }

  transactionStatus(): TransactionStatus {
    return this.#done === undefined ? this.#session.status : 'unknown'
  }

  resetFirst(): void {
    this.#resetWanted = true
  }

  run(statement: Statement, done: Done): void {
    if (statement.text.includes(IDENTITY_QUESTION)) {
      this.#identify(statement.text, done)
      return
    }
    this.#send([{ statement, done }])
  }

  #sendTogether(statements: readonly SentStatement[]): boolean {
    if (this.#options.sendsTogether === 'refused' || !fitsTogether(statements)) return false
    this.#send(statements)
    return true
  }

  #share(statements: readonly SentStatement[]): void {
    const sent = statements.map((one) => ({
      statement: one.statement,
      done: (error: Error | null, result?: QueryResult<unknown>) => one.done(error, result),
    }))
    if (this.#done === undefined) this.#send(sent, true)
    else {
      if (!this.#isSharing) this.#violations.push(`shared with another: ${sent[0]?.statement.text}`)
      this.#group?.add(sent)
    }
  }

  #send(statements: readonly SentStatement[], isShared = false): void {
    const group = new FakeGroup(
      {
        begin: (statement) => {
          this.statements.push(statement.text)
          return this.#options.onStatement?.(statement, this)
        },
        refuse: (text) => this.#session.refuse(text),
        follow: (statement, error, command) => {
          this.lastByteAt = this.#options.clock.now()
          const tag = this.#session.follow(statement.text, error, command)
          this.#options.onAnswer?.(statement, this, error, tag)
          return tag
        },
        later: (fire) => this.#timers.later(fire, this.#delay()),
        over: () => {
          this.#group = undefined
          this.#done = undefined
          this.#answer = undefined
        },
        warn: (notice) => this.warn(notice),
        end: (reason) => this.#end(reason),
      },
      statements,
    )
    const { text } = statements[0]!.statement
    const refusal = this.#resetAhead()
    if (refusal !== undefined) {
      this.#refuseReset(refusal, () => group.lose(refusal))
      return
    }
    if (!this.alive) {
      this.statements.push(text)
      queueMicrotask(() => group.lose(lost('the session is closed', 'no')))
      return
    }
    if (this.#done !== undefined) this.#violations.push(`two statements at once: ${text}`)
    this.#group = group
    this.#isSharing = isShared
    this.#done = (error) => group.lose(error!)
    this.#answer = (error) => group.cancel(error!)
    group.run()
  }

  openCursor(statement: Statement): DriverCursor {
    let reply: FakeReply | undefined
    const exchange = this.#exchange(statement.text, false)
    const cursor = fakeCursor(exchange, () => reply)
    let sent = false
    return {
      read: (count) => {
        if (!sent) {
          sent = true
          const refusal = this.#begin(statement.text, exchange)
          if (refusal !== undefined) return refusal
          reply = this.#reply(statement)
        }
        return cursor.read(count)
      },
      close: () => cursor.close(),
    }
  }

  copyIn(text: string): Promise<DriverCopyIn> {
    const exchange = this.#exchange(text, true)
    return (
      this.#begin(text, exchange) ??
      fakeCopyIn(exchange, this.#reply({ text }), (data) => this.copied.push(data.toString()))
    )
  }

  copyOut(text: string): Promise<DriverCopyOut> {
    const exchange = this.#exchange(text, true)
    return this.#begin(text, exchange) ?? fakeCopyOut(exchange, this.#reply({ text }))
  }

  ping(): Promise<void> {
    this.#pinging = true
    return this.#sendText('', () => {
      this.#pinging = false
    })
  }

  listen(channel: string): Promise<void> {
    return this.#sendText(`LISTEN "${channel.replaceAll('"', '""')}"`)
  }

  reset(level: ResetLevel, apart = false): Promise<void> {
    if (level === 'rollback') return this.#sendText('rollback')
    return this.#sendText(apart ? 'reset session apart' : 'reset session')
  }

  cancel(): Promise<void> {
    const outcome = this.#options.onCancel?.(this) ?? 0
    if (outcome instanceof Error) return Promise.reject(outcome)
    const meant = this.#done
    const meantOneOfMany = this.sharing
    return new Promise((resolve) => {
      const arrive = (): void => {
        // Those that share their session may be hit, and start over.
        const isBystander = !(meantOneOfMany && this.sharing)
        if (this.#done !== undefined && this.#done !== meant && isBystander) {
          this.#violations.push(`a cancel request hit ${this.statements.at(-1)}`)
        }
        this.#answer?.(
          new DatabaseError('canceling statement due to user request', {
            code: '57014',
            severity: 'ERROR',
          }),
        )
        resolve()
      }
      this.#timers.later(arrive, outcome)
    })
  }

  close(timeoutMs: number): Promise<void> {
    const { closeMs = 0 } = this.#options
    if (closeMs instanceof Error) return Promise.reject(closeMs)
    return new Promise((resolve) => {
      if (!this.alive) {
        resolve()
        return
      }
      this.#closed.push(resolve)
      const finish = (): void => this.#end('closed')
      this.#timers.later(finish, closeMs === 'hang' ? timeoutMs : Math.min(closeMs, timeoutMs))
    })
  }

  destroy(reason: unknown): void {
    // The socket is broken now, whenever that is heard of.
    this.#gone()
    if (this.#options.destroysAtOnce === true) this.#end(reason)
    else queueMicrotask(() => this.#end(reason))
  }

  /** Ends the session from the server's side. */
  lose(reason: string): void {
    this.#end(new Error(reason))
  }

  ref(): void {
    this.referenced = true
  }

  unref(): void {
    this.referenced = false
  }

  stopNaming(): void {
    this.names = false
  }

  /** The server reports a parameter. */
  report(name: string, value: string): void {
    this.#context.listener.parameter(name, value)
  }

  /** The server sends a notice. */
  warn(notice: Notice): void {
    if (this.alive) this.#context.listener.notice(notice)
  }

  /** Another session notifies a channel; nothing happens unless this one listens to it. */
  notify(channel: string, payload = ''): void {
    if (this.alive && this.channels.has(channel)) {
      this.#context.listener.notification(channel, payload)
    }
  }

  /**
   * Which process it is belongs to the log-in: it is neither among the statements nor left to the
   * script of a test.
   */
  #identify(text: string, done: Done): void {
    const { answeringPid, version, startUp, server } = this.#options
    const { parameters } = this.#context.settings
    const columns = parameterColumns(parameters, (name) => startUp?.(name, text))
    const told = server?.(this, text)
    const answering = told instanceof Error ? told : answeringPid?.(this)
    const pid = answering === undefined ? this.info.backendPid : answering
    queueMicrotask(() => {
      if (!this.alive) done(lost('the session is closed', 'unknown'))
      else if (pid instanceof Error) done(pid)
      else done(null, oneRow([pid, version, ...serverColumns(text, told), ...columns]))
    })
  }

  #sendText(text: string, answered?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.run({ text }, (error) => {
        answered?.()
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  /**
   * The reset that travels in front, if one is due: a statement of its own in the books,
   * `reset ahead`. Returns why it failed, if it did.
   */
  #resetAhead(): Error | undefined {
    if (!this.#resetWanted || !this.alive) return undefined
    this.#resetWanted = false
    const text = 'reset ahead'
    this.statements.push(text)
    const reply = this.#options.onStatement?.({ text }, this)
    if (reply !== undefined && 'error' in reply) return resetFailure(reply.error)
    this.#session.forget()
    return undefined
  }

  #refuseReset(refusal: Error, done: Done): void {
    this.#timers.later(() => {
      this.#end(refusal)
      done(refusal)
    }, this.#delay())
  }

  #exchange(text: string, remembersCancel: boolean): FakeExchange {
    return new FakeExchange(
      {
        later: (fire) => this.#timers.later(fire, this.#delay()),
        violated: (what) => this.#violations.push(`${what}: ${text}`),
        lose: (reason) => this.lose(reason),
        over: (error) => {
          this.lastByteAt = this.#options.clock.now()
          const tag = this.#session.follow(text, error, '')
          this.#done = undefined
          this.#answer = undefined
          this.#options.onAnswer?.({ text }, this, error, tag)
          if (error !== null && isFatal(error)) process.nextTick(() => this.#end(error))
        },
      },
      remembersCancel,
    )
  }

  /**
   * Gives the session to an exchange, until that is over; undefined if the session is still there
   * and could be reset.
   */
  #begin(text: string, exchange: FakeExchange): Promise<never> | undefined {
    const refusal = this.#resetAhead()
    if (refusal !== undefined) {
      return new Promise((_, reject) => this.#refuseReset(refusal, (error) => reject(error!)))
    }
    this.statements.push(text)
    if (!this.alive) return Promise.reject(lost('it is closed', 'no'))
    if (this.#done !== undefined) this.#violations.push(`two statements at once: ${text}`)
    this.#isSharing = false
    this.#done = (error) => exchange.lose(error!)
    this.#answer = (error) => exchange.cancel(error!)
    return undefined
  }

  #reply(statement: Statement): FakeReply | undefined {
    const reply = this.#options.onStatement?.(statement, this)
    if (reply !== undefined) return reply
    const error = this.#session.refuse(statement.text)
    return error === null ? undefined : { error }
  }

  #delay(): number {
    const { statementMs = 0 } = this.#options
    return typeof statementMs === 'function' ? statementMs() : statementMs
  }

  #end(reason: unknown): void {
    if (!this.alive) return
    this.alive = false
    this.#timers.stop()
    this.#gone()
    const done = this.#done
    this.#done = undefined
    this.#answer = undefined
    const message = messageOf(reason)
    done?.(lost(message, 'unknown'))
    this.#context.listener.closed(reason)
    for (const resolve of this.#closed) resolve()
  }
}

import type {
  ConnectContext,
  ConnectionInfo,
  DriverConnection,
  ResetLevel,
  TransactionStatus,
} from '../driver.js'
import { ConnectionLostError, DatabaseError } from '../errors.js'
import type { QueryResult, Statement } from '../statement.js'
import type { FakeDriverOptions } from './fake-driver.js'

/** A statement that returns rows. */
export interface FakeRows {
  /** The rows. */
  rows: unknown[]
  /** The command tag; default: the first word of the text. */
  command?: string
}

/** A statement that the server refuses. */
export interface FakeFailure {
  /** What the caller gets. */
  error: Error
}

/** A statement that is never answered. */
export interface FakeHang {
  /** Always true. */
  hang: true
}

/** A statement during which the session dies. */
export interface FakeLoss {
  /** Why. */
  lose: string
}

/** What a scripted statement does. */
export type FakeReply = FakeRows | FakeFailure | FakeHang | FakeLoss

type Done = (error: Error | null, result?: QueryResult<unknown>) => void

/** One fake session. It keeps the books of a real one: transaction status, session settings, one statement at a time. */
export class FakeConnection implements DriverConnection {
  readonly raw: unknown = this
  readonly info: ConnectionInfo
  /** Settings left behind by `set …`; empty in a fresh session. */
  readonly settings: Map<string, string> = new Map()
  /** Every statement that was run, in order. */
  readonly statements: string[] = []
  /** Whether the session is open. */
  alive = true
  lastByteAt: number
  /** Whether the socket keeps the process alive. */
  referenced = true
  readonly #context: ConnectContext
  readonly #options: FakeDriverOptions
  readonly #violations: string[]
  readonly #gone: () => void
  #status: 'idle' | 'active' | 'failed' = 'idle'
  #done: Done | undefined
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
    this.info = { address: '127.0.0.1', port: 5432, backendPid: id, parameters: new Map() }
  }

  get inFlight(): number {
    return this.#done === undefined ? 0 : 1
  }

  transactionStatus(): TransactionStatus {
    return this.#done === undefined ? this.#status : 'unknown'
  }

  run(statement: Statement, done: Done): void {
    this.statements.push(statement.text)
    if (!this.alive) {
      queueMicrotask(() => done(lost('the session is closed', 'no')))
      return
    }
    if (this.#done !== undefined) this.#violations.push(`two statements at once: ${statement.text}`)
    this.#done = done
    const reply = this.#options.onStatement?.(statement, this)
    const { statementMs } = this.#options
    const delay = typeof statementMs === 'function' ? statementMs() : (statementMs ?? 0)
    let answered = false
    const answer = (error: Error | null, rows: unknown[] = [], command = ''): void => {
      if (answered || this.#done !== done) return
      answered = true
      this.#answer = undefined
      this.lastByteAt = this.#options.clock.now()
      const tag = this.#follow(statement.text, error, command)
      this.#done = undefined
      if (error === null) done(null, { rows, rowCount: rows.length, command: tag, fields: [] })
      else done(error)
    }
    this.#answer = answer
    if (reply !== undefined && 'hang' in reply) return
    const finish = (): void => {
      if (reply === undefined) answer(this.#refuseInFailed(statement.text))
      else if ('error' in reply) answer(reply.error)
      else if ('lose' in reply) this.lose(reply.lose)
      else if ('rows' in reply) answer(null, reply.rows, reply.command)
    }
    if (delay === 0) queueMicrotask(finish)
    else this.#options.clock.setTimer(finish, delay)
  }

  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.run({ text: 'select 1' }, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  reset(level: ResetLevel): Promise<void> {
    return new Promise((resolve, reject) => {
      this.run({ text: level === 'rollback' ? 'rollback' : 'reset session' }, (error) =>
        error === null ? resolve() : reject(error),
      )
    })
  }

  cancel(): Promise<void> {
    const outcome = this.#options.onCancel?.(this) ?? 0
    if (outcome instanceof Error) return Promise.reject(outcome)
    return new Promise((resolve) => {
      const arrive = (): void => {
        this.#answer?.(
          new DatabaseError('canceling statement due to user request', {
            code: '57014',
            severity: 'ERROR',
          }),
        )
        resolve()
      }
      if (outcome === 0) queueMicrotask(arrive)
      else this.#options.clock.setTimer(arrive, outcome)
    })
  }

  close(timeoutMs: number): Promise<void> {
    const { closeMs = 0, clock } = this.#options
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#end('closed', 'no')
        resolve()
      }
      if (closeMs === 0) queueMicrotask(finish)
      else clock.setTimer(finish, closeMs === 'hang' ? timeoutMs : Math.min(closeMs, timeoutMs))
    })
  }

  destroy(reason: unknown): void {
    queueMicrotask(() => this.#end(reason, 'unknown'))
  }

  /** Ends the session from the server's side. */
  lose(reason: string): void {
    this.#end(new Error(reason), 'unknown')
  }

  ref(): void {
    this.referenced = true
  }

  unref(): void {
    this.referenced = false
  }

  /** The server reports a parameter. */
  report(name: string, value: string): void {
    this.#context.listener.parameter(name, value)
  }

  #end(reason: unknown, executed: 'no' | 'unknown'): void {
    if (!this.alive) return
    this.alive = false
    this.#gone()
    const done = this.#done
    this.#done = undefined
    this.#answer = undefined
    const message = reason instanceof Error ? reason.message : String(reason)
    done?.(lost(message, executed))
    this.#context.listener.closed(reason)
  }

  #refuseInFailed(text: string): Error | null {
    if (this.#status !== 'failed' || /^(?:rollback|commit)/i.test(text)) return null
    return new DatabaseError('current transaction is aborted', { code: '25P02', severity: 'ERROR' })
  }

  /** Moves the transaction status as a server would, and returns the command tag. */
  #follow(text: string, error: Error | null, command: string): string {
    if (error !== null) {
      if (this.#status === 'active') this.#status = 'failed'
      return ''
    }
    const word = text.trim().split(/\s/, 1)[0]!.toLowerCase()
    const failed = this.#status === 'failed'
    if (word === 'begin') this.#status = 'active'
    else if (/^rollback to/i.test(text)) this.#status = 'active'
    else if (word === 'commit' || word === 'rollback') this.#status = 'idle'
    else if (word === 'reset') {
      this.#status = 'idle'
      this.settings.clear()
    } else if (word === 'set') {
      const [, name = '', value = ''] = /^set\s+(\w+)\s*=?\s*(.*)$/i.exec(text) ?? []
      this.settings.set(name, value)
    }
    if (word === 'commit' && failed) return 'ROLLBACK'
    return command === '' ? word.toUpperCase() : command
  }
}

function lost(message: string, executed: 'no' | 'unknown'): ConnectionLostError {
  return new ConnectionLostError(`the connection is gone: ${message}`, { executed })
}

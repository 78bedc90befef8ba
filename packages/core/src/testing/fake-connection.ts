import type { ClockTimer } from '../clock.js'
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
  // Whatever is under way; stopped with the session, as a socket's end would.
  readonly #timers = new Set<ClockTimer>()
  readonly #closed: (() => void)[] = []
  #pinging = false
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

  /** What the server knows of the transaction, even while a statement runs and the driver does not. */
  get sessionStatus(): 'idle' | 'active' | 'failed' {
    return this.#status
  }

  /** Whether a ping is in flight. */
  get pinging(): boolean {
    return this.#pinging && this.#done !== undefined
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
      this.#options.onAnswer?.(statement, this, error, tag)
      if (error === null) done(null, { rows, rowCount: rows.length, command: tag, fields: [] })
      else done(error)
    }
    this.#answer = answer
    if (reply !== undefined && 'hang' in reply) return
    const finish = (): void => {
      if (reply === undefined) answer(this.#refuseInFailed(statement.text))
      else if ('error' in reply) answer(reply.error)
      else if ('rows' in reply) answer(null, reply.rows, reply.command)
      else if ('lose' in reply && this.#done === done) this.lose(reply.lose)
      // A server that says FATAL hangs up right after it.
      if (reply !== undefined && 'error' in reply && isFatal(reply.error)) this.#end(reply.error)
    }
    this.#later(finish, delay)
  }

  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pinging = true
      this.run({ text: '' }, (error) => {
        this.#pinging = false
        if (error === null) resolve()
        else reject(error)
      })
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
    const meant = this.#done
    return new Promise((resolve) => {
      const arrive = (): void => {
        if (this.#done !== undefined && this.#done !== meant) {
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
      this.#later(arrive, outcome)
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
      this.#later(finish, closeMs === 'hang' ? timeoutMs : Math.min(closeMs, timeoutMs))
    })
  }

  destroy(reason: unknown): void {
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

  /** The server reports a parameter. */
  report(name: string, value: string): void {
    this.#context.listener.parameter(name, value)
  }

  #later(fire: () => void, delayMs: number): void {
    if (delayMs === 0) {
      queueMicrotask(fire)
      return
    }
    const timer = this.#options.clock.setTimer(() => {
      this.#timers.delete(timer)
      fire()
    }, delayMs)
    this.#timers.add(timer)
  }

  #end(reason: unknown): void {
    if (!this.alive) return
    this.alive = false
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#gone()
    const done = this.#done
    this.#done = undefined
    this.#answer = undefined
    const message = reason instanceof Error ? reason.message : String(reason)
    done?.(lost(message, 'unknown'))
    this.#context.listener.closed(reason)
    for (const resolve of this.#closed) resolve()
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

function isFatal(error: Error): boolean {
  return error instanceof DatabaseError && error.severity !== 'ERROR'
}

function lost(message: string, executed: 'no' | 'unknown'): ConnectionLostError {
  return new ConnectionLostError(`the connection is gone: ${message}`, { executed })
}

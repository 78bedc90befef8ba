import type { ConnectContext, Driver } from '../api/driver.js'
import type { Statement } from '../api/statement.js'
import type { Clock, ClockTimer } from '../base/clock.js'
import { ConnectError } from '../outcome/errors.js'
import type { ServerIdentity } from '../server/server-identity.js'
import { formatEndpoint } from '../settings/endpoint.js'
import { FakeConnection, type FakeReply } from './fake-connection.js'

/** A start-up parameter as a session has it. */
export interface FakeParameter {
  /** Its value; `null` for none. Default: the text that was asked for. */
  found?: string | null
  /** 1 if it was set later than at the log-in. Default 0. */
  setLater?: 0 | 1
  /** 1 if the value means the same as the text. Default 1. */
  same?: 0 | 1
}

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

/**
 * A driver without a server: scripted, on the test's clock, and watching that the pool keeps the
 * contract.
 */
export interface FakeDriver extends Driver {
  /** Behaviour; may be changed at any time. */
  readonly options: FakeDriverOptions
  /** Connects begun so far. */
  readonly attempts: number
  /** Connects under way. */
  readonly connecting: number
  /** Sessions that are open. */
  readonly open: ReadonlySet<FakeConnection>
  /** Most sessions open or being opened at one time. */
  readonly mostOpen: number
  /** What the pool did that the contract forbids; empty if it behaved. */
  readonly violations: readonly string[]
}

/** Makes a fake driver. */
export function fakeDriver(options: FakeDriverOptions): FakeDriver {
  const open = new Set<FakeConnection>()
  const violations: string[] = []
  const { clock } = options
  let attempts = 0
  let connecting = 0
  let mostOpen = 0
  const note = (): void => {
    mostOpen = Math.max(mostOpen, open.size + connecting)
  }
  const connect = (context: ConnectContext): Promise<FakeConnection> => {
    attempts++
    connecting++
    note()
    const attempt = attempts
    const refusal = options.onConnect?.(attempt, context)
    const delay = typeof options.connectMs === 'function' ? options.connectMs() : options.connectMs
    return new Promise<FakeConnection>((resolve, reject) => {
      let timer: ClockTimer | undefined
      const end = (settle: () => void): void => {
        if (ended) return
        ended = true
        timer?.cancel()
        connecting--
        context.signal.removeEventListener('abort', onAbort)
        settle()
      }
      let ended = false
      const onAbort = (): void =>
        end(() =>
          reject(
            new ConnectError('aborted', { endpoint: formatEndpoint(context.settings.endpoint) }),
          ),
        )
      context.signal.addEventListener('abort', onAbort, { once: true })
      if (refusal === 'hang') return
      const finish = (): void =>
        end(() => {
          if (refusal !== undefined) {
            reject(refusal)
            return
          }
          const connection = new FakeConnection(attempt, context, options, violations, () =>
            open.delete(connection),
          )
          open.add(connection)
          note()
          resolve(connection)
        })
      if (delay === undefined || delay === 0) queueMicrotask(finish)
      else timer = clock.setTimer(finish, delay)
    })
  }
  return {
    name: 'fake',
    capabilities: { pipeline: false, namedStatements: true },
    options,
    open,
    violations,
    connect,
    get attempts() {
      return attempts
    },
    get connecting() {
      return connecting
    },
    get mostOpen() {
      return mostOpen
    },
  }
}

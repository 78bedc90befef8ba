import type { AsyncResource } from 'node:async_hooks'
import type { ConnectionListener, DriverConnection } from '../api/driver.js'
import type { PoolConfig } from '../api/pool-config.js'
import { StatementRules } from '../api/statement-rules.js'
import { messageOf } from '../base/message-of.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { type ExaminedSession, NOT_EXAMINED, type PoolerWatch } from '../identity/pooler-watch.js'
import { DatabaseError } from '../outcome/database-error.js'
import { AuthenticationError, ConnectError, type ConnectionLostError } from '../outcome/errors.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { acceptedAuth } from '../settings/auth-method.js'
import type { ConnectionSettings } from '../settings/connection-settings.js'
import { formatEndpoint } from '../settings/endpoint.js'

// A driver has to keep the deadline itself; this is how much later we stop believing that it will.
const GRACE_MS = 250

type PasswordFunction = () => string | Promise<string>

/** A session that was opened. */
export interface OpenedSession {
  readonly connection: DriverConnection
  readonly examined: ExaminedSession
  /** How long the server took to answer its first question, in milliseconds. */
  readonly answerMs: number
}

/** One connect on its way. */
interface Attempt {
  readonly settings: ConnectionSettings
  readonly listener: ConnectionListener
  readonly abort: AbortController
  readonly signal: AbortSignal
}

/**
 * Opens sessions with a driver and relies on it for nothing: if it throws, hangs, answers late or
 * rejects with anything at all, the caller still gets a session or a `ConnectError` in time, and no
 * session is left behind. Owns the password: one call of the password function runs at a time, and
 * it is called once more if the server refuses its answer.
 */
export class Connector {
  /** What all its sessions have in common about prepared statements. */
  readonly statements: StatementRules
  readonly #context: AsyncResource
  readonly #poolers: PoolerWatch
  #config: PoolConfig
  #passwordUnderWay: { promise: Promise<string>; since: number } | undefined

  /**
   * `context` is the pool's own async context, in which sessions live; `poolers` looks at each
   * session before it is handed on.
   */
  constructor(config: PoolConfig, context: AsyncResource, poolers: PoolerWatch) {
    this.#config = config
    this.#context = context
    this.#poolers = poolers
    this.statements = new StatementRules(config.prepare, config.clock)
  }

  /** Takes a new configuration; connects under way keep the old one. */
  reconfigure(config: PoolConfig): void {
    this.#config = config
    this.#passwordUnderWay = undefined
    this.#poolers.moved()
  }

  /**
   * Opens a session. Rejects with `ConnectError` or `AuthenticationError`, at the latest
   * `timeoutMs` plus a quarter of a second from now. `abort` is the controller of this one attempt.
   * `signal` fires with it, or when the caller gives up, and tells a driver that hangs to stop.
   */
  async connect(
    listener: ConnectionListener,
    abort: AbortController,
    signal: AbortSignal,
    timeoutMs: number,
    settings: ConnectionSettings = this.#config.settings,
  ): Promise<OpenedSession> {
    const attempt: Attempt = { settings, listener, abort, signal }
    const source = settings.password
    if (typeof source !== 'function') return await this.#open(attempt, source, timeoutMs)
    const deadline = this.#config.clock.now() + timeoutMs
    const remaining = (): number => Math.max(1, Math.ceil(deadline - this.#config.clock.now()))
    const password = (): Promise<string> =>
      this.#withDeadline(() => this.#password(source, settings), remaining(), attempt)
    const known = await password()
    try {
      return await this.#open(attempt, known, remaining())
    } catch (error) {
      if (!(error instanceof AuthenticationError) || signal.aborted) throw error
      // The password may have been rotated since the provider last said it.
      return await this.#open(attempt, await password(), remaining())
    }
  }

  async #open(
    attempt: Attempt,
    password: string | undefined,
    timeoutMs: number,
  ): Promise<OpenedSession> {
    const { settings, listener, abort, signal } = attempt
    // A signal that has fired fires no more, so the driver must not be asked: its answer would be
    // lost.
    if (signal.aborted) throw this.#notWanted(attempt)
    let answered = false
    const opening = this.#context.runInAsyncScope(async () => {
      try {
        const connection = await this.#config.driver.connect({
          settings,
          password,
          timeoutMs,
          signal,
          statements: this.statements,
          requireAuth: acceptedAuth(settings, password, this.#config.requireAuth),
          types: this.#config.types,
          errorDetail: this.#config.errorDetail,
          listener,
        })
        const { clock } = this.#config
        const askedAt = clock.now()
        const examined = signal.aborted ? NOT_EXAMINED : await this.#examine(connection, attempt)
        return { connection, examined, answerMs: clock.now() - askedAt }
      } finally {
        answered = true
      }
    })
    try {
      const opened = await this.#withDeadline(() => opening, timeoutMs + GRACE_MS, attempt)
      if (signal.aborted) throw this.#notWanted(attempt)
      return opened
    } catch (error) {
      if (!answered) abort.abort(error)
      // It may be open already, or open later: no caller takes it.
      opening.then(
        ({ connection }) => connection.destroy('no longer wanted'),
        () => {},
      )
      throw this.#asConnectError(error, settings)
    }
  }

  async #examine(
    connection: DriverConnection,
    { settings, signal }: Attempt,
  ): Promise<ExaminedSession> {
    let examined: ExaminedSession
    try {
      examined = await this.#poolers.examine(connection, settings, signal)
    } catch (cause) {
      if (cause instanceof ConnectError) {
        connection.destroy(messageOf(cause))
        throw cause
      }
      const endpoint = formatEndpoint(settings.endpoint)
      const { message, sqlState, code } = cause as ConnectionLostError & DatabaseError
      throw new ConnectError(`${endpoint} ended the session right after the log-in: ${message}`, {
        endpoint,
        sqlState: cause instanceof DatabaseError ? code : sqlState,
        cause,
      })
    }
    if (this.#config.reset !== 'always' || this.#poolers.inEffect === undefined) return examined
    const endpoint = formatEndpoint(settings.endpoint)
    connection.destroy('a pooler stands in between')
    throw new ConnectError(
      `a pooler stands between the pool and ${endpoint}, which reset: 'always' cannot be had with: the session that is reset may be another one than that of the next statement; set pooler: 'none' if each connection has a server session of its own, or leave reset out`,
      { endpoint, fatal: true },
    )
  }

  /**
   * Settles with `work`, or rejects at the deadline or when the signal fires; what comes later is
   * ignored.
   */
  #withDeadline<T>(work: () => Promise<T>, timeoutMs: number, attempt: Attempt): Promise<T> {
    const { settings, signal } = attempt
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) throw this.#notWanted(attempt)
      const timer = this.#config.clock.setTimer(
        () =>
          this.#config.clock.afterIo(() =>
            end(() => {
              const endpoint = formatEndpoint(settings.endpoint)
              const message = `connecting to ${endpoint} took longer than ${Math.round(timeoutMs)} ms`
              reject(new ConnectError(message, { endpoint }))
            }),
          ),
        timeoutMs,
        { keepAlive: true },
      )
      const onAbort = (): void => end(() => reject(this.#notWanted(attempt)))
      const end = (settle: () => void): void => {
        timer.cancel()
        unwatchSignal(signal, onAbort)
        settle()
      }
      watchSignal(signal, onAbort)
      work().then(
        (value) => end(() => resolve(value)),
        (error: unknown) => end(() => reject(this.#asConnectError(error, settings))),
      )
    })
  }

  #notWanted({ settings, signal }: Attempt): ConnectError {
    const endpoint = formatEndpoint(settings.endpoint)
    return new ConnectError(`connecting to ${endpoint} was given up`, {
      endpoint,
      cause: signal.reason,
    })
  }

  #asConnectError(error: unknown, settings: ConnectionSettings): PoolhouseError {
    if (error instanceof PoolhouseError) return error
    const endpoint = formatEndpoint(settings.endpoint)
    const message = messageOf(error)
    return new ConnectError(`cannot connect to ${endpoint}: ${message}`, { endpoint, cause: error })
  }

  #password(source: PasswordFunction, settings: ConnectionSettings): Promise<string> {
    const { clock, connectTimeoutMs } = this.#config
    const current = this.#passwordUnderWay
    // Later connects must not wait for a call that never returns.
    if (current !== undefined && clock.now() - current.since < connectTimeoutMs) {
      return current.promise
    }
    const promise = this.#askForPassword(source, settings).finally(() => {
      if (this.#passwordUnderWay === asked) this.#passwordUnderWay = undefined
    })
    const asked = { promise, since: clock.now() }
    this.#passwordUnderWay = asked
    return promise
  }

  async #askForPassword(source: PasswordFunction, settings: ConnectionSettings): Promise<string> {
    const endpoint = formatEndpoint(settings.endpoint)
    let password: unknown
    try {
      password = await this.#context.runInAsyncScope(source)
    } catch (cause) {
      throw new ConnectError(`the password function for ${endpoint} failed`, { endpoint, cause })
    }
    if (typeof password !== 'string') {
      throw new ConnectError(
        `the password function for ${endpoint} must return a string, got a value of type ${typeof password}`,
        { endpoint, fatal: true },
      )
    }
    return password
  }
}

import type { AsyncResource } from 'node:async_hooks'
import type { ConnectionSettings } from './connection-settings.js'
import type { ConnectionListener, DriverConnection } from './driver.js'
import { formatEndpoint } from './endpoint.js'
import { AuthenticationError, ConnectError, PoolhouseError } from './errors.js'
import { acceptedAuth } from './net/accepted-auth.js'
import type { PoolConfig } from './pool-options.js'

// A driver has to keep the deadline itself; this is how much later we stop believing that it will.
const GRACE_MS = 250

/**
 * Opens sessions with a driver and trusts it with nothing: whether it throws, hangs, answers late or rejects with something
 * odd, the caller gets a session or a `ConnectError`, in time, and no session is left behind. Owns the password: a provider
 * is asked once at a time, and once again if the server refuses what it said.
 */
export class Connector {
  readonly #context: AsyncResource
  #config: PoolConfig
  #passwordUnderWay: { promise: Promise<string>; since: number } | undefined

  /** `context` is the pool's own async context, in which sessions live. */
  constructor(config: PoolConfig, context: AsyncResource) {
    this.#config = config
    this.#context = context
  }

  /** Takes a new configuration; connects under way keep the old one. */
  reconfigure(config: PoolConfig): void {
    this.#config = config
    this.#passwordUnderWay = undefined
  }

  /** Opens a session. Rejects with `ConnectError` or `AuthenticationError`, at the latest `timeoutMs` plus a quarter of a second from now. */
  async connect(
    listener: ConnectionListener,
    signal: AbortSignal,
    timeoutMs: number,
    settings: ConnectionSettings = this.#config.settings,
  ): Promise<DriverConnection> {
    const deadline = this.#config.clock.now() + timeoutMs
    const remaining = (): number => Math.max(1, Math.ceil(deadline - this.#config.clock.now()))
    const provided = typeof settings.password === 'function'
    const password = await this.#withDeadline(
      () => this.#password(settings),
      remaining(),
      signal,
      settings,
    )
    try {
      return await this.#open(settings, password, listener, signal, remaining())
    } catch (error) {
      if (!(provided && error instanceof AuthenticationError && !signal.aborted)) throw error
      // The password may have been rotated since the provider last said it.
      const fresh = await this.#withDeadline(
        () => this.#password(settings),
        remaining(),
        signal,
        settings,
      )
      return await this.#open(settings, fresh, listener, signal, remaining())
    }
  }

  async #open(
    settings: ConnectionSettings,
    password: string | undefined,
    listener: ConnectionListener,
    signal: AbortSignal,
    timeoutMs: number,
  ): Promise<DriverConnection> {
    // A signal that has fired fires no more; the driver must not be asked, since nobody would look after its answer.
    if (signal.aborted) throw this.#notWanted(settings, signal)
    const abort = new AbortController()
    const onAbort = (): void => abort.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const opening = this.#context.runInAsyncScope(async () =>
      this.#config.driver.connect({
        settings,
        password,
        timeoutMs,
        signal: abort.signal,
        prepare: this.#config.prepare,
        requireAuth: acceptedAuth(settings, password, this.#config.requireAuth),
        types: this.#config.types,
        listener,
      }),
    )
    try {
      const connection = await this.#withDeadline(
        () => opening,
        timeoutMs + GRACE_MS,
        signal,
        settings,
      )
      if (signal.aborted) throw this.#notWanted(settings, signal)
      return connection
    } catch (error) {
      abort.abort(error)
      // Open already, or after all: nobody takes it any more.
      opening.then(
        (connection) => connection.destroy('no longer wanted'),
        () => {},
      )
      throw this.#asConnectError(error, settings)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Settles with `work`, or rejects at the deadline or when the signal fires; what comes later is ignored. */
  #withDeadline<T>(
    work: () => Promise<T>,
    timeoutMs: number,
    signal: AbortSignal,
    settings: ConnectionSettings,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) {
        reject(this.#notWanted(settings, signal))
        return
      }
      const endpoint = formatEndpoint(settings.endpoint)
      const timer = this.#config.clock.setTimer(
        () =>
          this.#config.clock.afterIo(() =>
            end(() =>
              reject(
                new ConnectError(
                  `connecting to ${endpoint} took longer than ${Math.round(timeoutMs)} ms`,
                  { endpoint },
                ),
              ),
            ),
          ),
        timeoutMs,
        { keepAlive: true },
      )
      const onAbort = (): void => end(() => reject(this.#notWanted(settings, signal)))
      const end = (settle: () => void): void => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        settle()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      work().then(
        (value) => end(() => resolve(value)),
        (error: unknown) => end(() => reject(this.#asConnectError(error, settings))),
      )
    })
  }

  #notWanted(settings: ConnectionSettings, signal: AbortSignal): ConnectError {
    const endpoint = formatEndpoint(settings.endpoint)
    return new ConnectError(`connecting to ${endpoint} was given up`, {
      endpoint,
      cause: signal.reason,
    })
  }

  #asConnectError(error: unknown, settings: ConnectionSettings): PoolhouseError {
    if (error instanceof PoolhouseError) return error
    const endpoint = formatEndpoint(settings.endpoint)
    const message = error instanceof Error ? error.message : String(error)
    return new ConnectError(`cannot connect to ${endpoint}: ${message}`, { endpoint, cause: error })
  }

  #password(settings: ConnectionSettings): Promise<string | undefined> {
    const source = settings.password
    if (typeof source !== 'function') return Promise.resolve(source)
    const { clock, connectTimeoutMs } = this.#config
    const current = this.#passwordUnderWay
    // A call that never comes back must not be waited for by every connect to come.
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

  async #askForPassword(
    source: () => string | Promise<string>,
    settings: ConnectionSettings,
  ): Promise<string> {
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

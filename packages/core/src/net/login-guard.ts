import { performance } from 'node:perf_hooks'
import type { ConnectContext } from '../driver.js'
import type { ConnectError } from '../errors.js'
import { Authentication } from './authentication.js'
import type { CancelKey } from './cancel-request.js'
import { ConnectDeadline } from './connect-deadline.js'
import { toConnectError } from './connect-error.js'
import { readErrorResponse } from './error-response.js'
import { readCancelKey, readParameter } from './frame-bodies.js'
import { HungUpError, ProtocolError } from './login-error.js'
import { LoginFrames } from './login-frames.js'
import type { ServerSocket } from './server-socket.js'

/** What a log-in brought. */
export interface LoggedIn {
  /** With which to cancel; undefined if the server gave none, as some poolers do. */
  readonly key: CancelKey | undefined
  /** The server's ParameterStatus values. */
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Guards the log-in on a socket; to be called before the driver writes its start-up message. Until the first ReadyForQuery it reads the
 * socket in the driver's place: it answers the authentication itself, under the rules of `context.requireAuth`, and shows the
 * driver only AuthenticationOk and what follows it. Errors, and whatever does not belong into a log-in, the driver never sees. From ReadyForQuery on
 * it is gone, and the driver reads the socket as if it had never been there.
 */
export function guardLogin(socket: ServerSocket, context: ConnectContext): LoginGuard {
  return new LoginGuard(socket, context)
}

/** One guarded log-in; see `guardLogin`. */
export class LoginGuard {
  /**
   * Resolves at the first ReadyForQuery, after the driver has handled it. Rejects with `ConnectError` or `AuthenticationError` when the
   * server refuses or breaks the rules, at the deadline of the connect, or when the signal fires; then the socket is broken. Need not be waited for.
   */
  readonly ready: Promise<LoggedIn>
  readonly #socket: ServerSocket
  readonly #context: ConnectContext
  readonly #deadline: ConnectDeadline
  readonly #authentication: Authentication
  readonly #frames = new LoginFrames()
  readonly #parameters = new Map<string, string>()
  #key: CancelKey | undefined
  /** The server is to speak; we compute an answer; it has let us in; ReadyForQuery has come; resolved or rejected. */
  #state: 'asking' | 'answering' | 'admitted' | 'ready' | 'over' = 'asking'
  readonly #emit: (event: string | symbol, ...values: unknown[]) => boolean
  #resolve!: (result: LoggedIn) => void
  #reject!: (error: ConnectError) => void

  /** Use `guardLogin`. */
  constructor(socket: ServerSocket, context: ConnectContext) {
    const { settings, password, requireAuth, timeoutMs, signal } = context
    this.#socket = socket
    this.#context = context
    this.#authentication = new Authentication(settings.user, password, requireAuth)
    this.#deadline =
      socket.takeDeadline() ?? new ConnectDeadline(timeoutMs, signal, socket.startedAt)
    this.#deadline.reached = true
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // The driver may look at it later, or not at all.
    this.ready.catch(() => {})
    const { stream } = socket
    this.#emit = stream.emit.bind(stream)
    stream.on('error', this.#onError)
    stream.on('close', this.#onClose)
    this.#intercept()
    const abort = this.#deadline.signal
    if (abort.aborted) this.#onAbort()
    else abort.addEventListener('abort', this.#onAbort, { once: true })
    if (stream.destroyed) this.#onClose()
  }

  /** Ends the log-in because of an error of the driver, and breaks the socket. `ready` rejects, with this reason unless there was one before. */
  fail(error: unknown): void {
    this.#fail(error)
  }

  readonly #onError = (error: Error): void => this.#fail(error)
  readonly #onClose = (): void => this.#fail(new HungUpError())
  readonly #onAbort = (): void => this.#fail(this.#deadline.signal.reason)

  /** Replaces `emit`: the one place that every listener of the driver, whenever it is added, gets its data from. */
  #intercept(): void {
    this.#socket.stream.emit = (event: string | symbol, ...values: unknown[]): boolean => {
      if (event !== 'data') return this.#emit(event, ...values)
      this.#read(values[0] as Buffer)
      return true
    }
  }

  #read(chunk: Buffer): void {
    this.#socket.lastByteAt = performance.now()
    try {
      this.#frames.push(chunk)
    } catch (error) {
      this.#fail(error)
    }
    this.#advance()
  }

  #advance(): void {
    try {
      const shown: Buffer[] = []
      while (this.#state === 'asking' || this.#state === 'admitted') {
        const frame = this.#frames.next(this.#state === 'admitted')
        if (frame === undefined) break
        if (this.#handle(frame)) shown.push(frame)
      }
      if (this.#state === 'ready') this.#end(shown)
      else if (shown.length > 0) this.#show(shown)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Whether the driver is to see a frame. */
  #handle(frame: Buffer): boolean {
    const body = frame.subarray(5)
    switch (String.fromCharCode(frame[0]!)) {
      case 'E':
        throw readErrorResponse(body)
      case 'R':
        if (this.#state === 'admitted')
          throw new ProtocolError('the server asks for another log-in')
        this.#answer(frame, body)
        return false
      case 'K':
        this.#key = readCancelKey(body)
        return true
      case 'S': {
        const { name, value } = readParameter(body)
        this.#parameters.set(name, value)
        return true
      }
      case 'Z':
        this.#state = 'ready'
        return true
      default:
        return true
    }
  }

  #answer(frame: Buffer, body: Buffer): void {
    this.#state = 'answering'
    this.#authentication
      .handle(body)
      .then((answer) => {
        if (this.#state !== 'answering') return
        this.#state = answer === true ? 'admitted' : 'asking'
        if (answer === true) this.#show([frame])
        else if (answer !== undefined) this.#socket.stream.write(answer)
        this.#advance()
      })
      // What the driver's parser throws is the end of this one log-in as well.
      .catch((error: unknown) => this.#fail(error))
  }

  /** Gives the driver what it may see. */
  #show(frames: readonly Buffer[]): void {
    this.#emit('data', Buffer.concat(frames))
  }

  /** ReadyForQuery: the driver gets all that is left, and reads by itself from now on. */
  #end(frames: readonly Buffer[]): void {
    this.#forget()
    const { stream } = this.#socket
    stream.emit('data', Buffer.concat([...frames, this.#frames.rest()]))
    this.#state = 'over'
    this.#resolve({ key: this.#key, parameters: this.#parameters })
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#forget()
    this.#socket.break()
    this.#reject(toConnectError(error, this.#context.settings))
  }

  #forget(): void {
    const { stream } = this.#socket
    this.#deadline.signal.removeEventListener('abort', this.#onAbort)
    this.#deadline[Symbol.dispose]()
    stream.removeListener('error', this.#onError)
    stream.removeListener('close', this.#onClose)
    Reflect.deleteProperty(stream, 'emit')
  }
}

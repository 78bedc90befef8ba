import { TLSSocket } from 'node:tls'
import type { ConnectContext } from '../../api/driver.js'
import type { ConnectError } from '../../outcome/errors.js'
import { dropDetail } from '../frames/drop-detail.js'
import { readErrorResponse } from '../frames/error-response.js'
import type { CancelKey } from '../frames/frame-bodies.js'
import { readCancelKey } from '../frames/frame-bodies.js'
import { HungUpError, ProtocolError } from '../frames/login-error.js'
import type { ServerError } from '../frames/server-error.js'
import { sharedParameters } from '../frames/shared-parameters.js'
import { ConnectDeadline } from '../socket/connect-deadline.js'
import { toConnectError } from '../socket/connect-error.js'
import type { ServerSocket } from '../socket/server-socket.js'
import { type Answer, Authentication } from './authentication.js'
import { endPointBinding } from './channel-binding.js'
import { FrameList, LoginFrames } from './login-frames.js'

const AUTHENTICATION = 0x52
const ERROR_RESPONSE = 0x45
const BACKEND_KEY_DATA = 0x4b
const PARAMETER_STATUS = 0x53
const READY_FOR_QUERY = 0x5a

/** What a log-in brought. */
export interface LoggedIn {
  /** With which to cancel; undefined if the server gave none, as some poolers do. */
  readonly key: CancelKey | undefined
  /** The server's ParameterStatus values, in a map that other sessions have too. */
  readonly parameters: ReadonlyMap<string, string>
}

/** What a session sees of its log-in. */
export interface LoginView {
  /** Takes what the server has sent and the session is to read. What it throws ends the log-in. */
  show(bytes: Buffer): void
  /** Whether it reads ParameterStatus itself. Default true. */
  readonly parameters?: boolean
}

/**
 * Guards the log-in on a socket; to be made before the start-up message is written. Until the first
 * ReadyForQuery all that comes is given to it, by `take`, in place of the session: it answers the
 * authentication itself, under the rules of `context.requireAuth`, and shows the session only
 * AuthenticationOk and what follows it, without ParameterStatus if `view` says so. The session
 * never sees errors, or whatever does not belong into a log-in.
 */
export class LoginGuard {
  /**
   * Resolves at the first ReadyForQuery, after the session has handled it. Rejects with
   * `ConnectError` or `AuthenticationError` when the server refuses or breaks the rules, at the
   * deadline of the connect, or when the signal fires; then the socket is broken. Need not be
   * waited for.
   */
  readonly ready: Promise<LoggedIn>
  readonly #socket: ServerSocket
  readonly #context: ConnectContext
  readonly #deadline: ConnectDeadline
  readonly #authentication: Authentication
  readonly #frames = new LoginFrames()
  readonly #shown = new FrameList()
  readonly #parameters = new FrameList()
  readonly #view: LoginView
  #key: CancelKey | undefined
  /**
   * The server is to speak; we compute an answer; it has let us in; ReadyForQuery has come;
   * resolved or rejected.
   */
  #state: 'asking' | 'answering' | 'admitted' | 'ready' | 'over' = 'asking'
  #resolve!: (result: LoggedIn) => void
  #reject!: (error: ConnectError) => void

  /** Guards from now on. */
  constructor(socket: ServerSocket, context: ConnectContext, view: LoginView) {
    const { settings, password, requireAuth, timeoutMs, signal } = context
    this.#socket = socket
    this.#context = context
    this.#view = view
    const { stream } = socket
    this.#authentication = new Authentication(settings.user, password, requireAuth, {
      mode: settings.channelBinding,
      encrypted: stream instanceof TLSSocket,
      endPoint: () => endPointBinding(stream),
    })
    this.#deadline =
      socket.takeDeadline() ?? new ConnectDeadline(timeoutMs, signal, socket.startedAt)
    this.#deadline.reached = true
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // It may be looked at later, or not at all.
    this.ready.catch(() => {})
    stream.on('error', this.#onError)
    stream.on('close', this.#onClose)
    this.#deadline.watch(() => this.fail(this.#deadline.reason))
    if (stream.destroyed) this.#onClose()
  }

  /** Whether it is not needed any more. */
  get over(): boolean {
    return this.#state === 'over'
  }

  /**
   * Reads what has come. False once the log-in is over: it is the session's then, and so is all
   * that follows.
   */
  take(chunk: Buffer): boolean {
    if (this.#state === 'over') return false
    try {
      this.#frames.push(chunk)
    } catch (error) {
      this.fail(error)
    }
    this.#advance()
    return true
  }

  /**
   * Ends the log-in because of an error of the session, and breaks the socket. `ready` rejects,
   * with this reason unless there was one before.
   */
  fail(error: unknown): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#forget()
    this.#socket.break()
    this.#reject(toConnectError(error, this.#context.settings))
  }

  readonly #onError = (error: Error): void => this.fail(error)
  readonly #onClose = (): void => this.fail(new HungUpError())

  #advance(): void {
    const frames = this.#frames
    try {
      while (this.#state === 'asking' || this.#state === 'admitted') {
        const kind = frames.next(this.#state === 'admitted')
        if (kind === undefined) break
        this.#handle(kind)
      }
      if (this.#state === 'ready') this.#end()
      else {
        const shown = this.#shown.take()
        if (shown.length > 0) this.#view.show(shown)
      }
    } catch (error) {
      this.fail(error)
    }
  }

  /** Takes a frame, and shows it to the session if it is for the session. */
  #handle(kind: number): void {
    const frames = this.#frames
    switch (kind) {
      case ERROR_RESPONSE:
        throw this.#refusal()
      case AUTHENTICATION:
        if (this.#state === 'admitted')
          throw new ProtocolError('the server asks for another log-in')
        this.#answer(this.#authentication.handle(frames.body))
        return
      case BACKEND_KEY_DATA:
        this.#key = readCancelKey(frames.body)
        break
      case PARAMETER_STATUS:
        frames.addTo(this.#parameters)
        if (this.#view.parameters === false) return
        break
      case READY_FOR_QUERY:
        this.#state = 'ready'
        break
      default:
    }
    frames.addTo(this.#shown)
  }

  #refusal(): ServerError {
    const error = readErrorResponse(this.#frames.body)
    return this.#context.errorDetail === 'drop' ? dropDetail(error) : error
  }

  /**
   * Answers the request found last; what computes the answer takes place outside this thread, and
   * nothing is read meanwhile.
   */
  #answer(answer: Answer | Promise<Answer>): void {
    if (answer instanceof Promise) {
      this.#state = 'answering'
      answer
        .then((computed) => {
          if (this.#state !== 'answering') return
          this.#state = 'asking'
          this.#answer(computed)
          this.#advance()
        })
        // What the session throws is the end of this one log-in as well.
        .catch((error: unknown) => this.fail(error))
    } else if (answer === true) {
      this.#state = 'admitted'
      this.#frames.addTo(this.#shown)
    } else if (answer !== undefined) this.#socket.stream.write(answer)
  }

  /** ReadyForQuery: the session gets all that is left, and reads by itself from now on. */
  #end(): void {
    this.#forget()
    const parameters = sharedParameters(this.#parameters.take())
    this.#view.show(this.#shown.take(this.#frames.rest()))
    this.#state = 'over'
    this.#resolve({ key: this.#key, parameters })
  }

  #forget(): void {
    const { stream } = this.#socket
    this.#deadline[Symbol.dispose]()
    stream.removeListener('error', this.#onError)
    stream.removeListener('close', this.#onClose)
  }
}

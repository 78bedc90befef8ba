import { EventEmitter } from 'node:events'
import { realTimers, timersAreReal, useRealTimers, withRealTimers } from '@poolhouse/core/net'

/** What a stand-in passes its calls on to. */
export interface StandInOwner {
  /** Whether bytes can still be sent. */
  isWritable(): boolean
  /** Takes bytes of postgres.js. Returns false when it should pause writing. */
  write(bytes: Buffer, written?: (error?: Error | null) => void): boolean
  /** Called when postgres.js wants to end the connection. */
  end(reason: string): void
  /** Called when postgres.js wants to pause or resume reading. */
  pause(paused: boolean): void
}

/**
 * Takes the place of the socket of postgres.js. It emits messages as `data`, and `error` at the end
 * of the session. It never emits `close`, at which postgres.js would reconnect and drop its
 * reference, so that later writes by its timers would throw uncaught errors.
 */
export class StandInSocket extends EventEmitter {
  /** Appears in error messages of postgres.js. */
  readonly host: string
  /** Appears in error messages of postgres.js. */
  readonly port: number
  readonly #owner: StandInOwner

  /** Passes calls of postgres.js on to `owner`. */
  constructor(owner: StandInOwner, host: string, port: number) {
    super()
    this.#owner = owner
    this.host = host
    this.port = port
  }

  /**
   * Returns the socket for a cancel request: postgres.js writes the request and waits for `close`,
   * which is emitted when `request`, the real one to the server of the session, is through.
   */
  static forCancel(request: Promise<void>, host: string, port: number): StandInSocket {
    const owner: StandInOwner = {
      isWritable: () => true,
      write: () => {
        const close = (): boolean => socket.emit('close')
        // Also after a failure: a cancel is never certain to have an effect.
        request.then(close, close)
        return true
      },
      end: noop,
      pause: noop,
    }
    const socket = new StandInSocket(owner, host, port)
    // Handled here, because postgres.js may never write.
    request.catch(noop)
    return socket
  }

  get readyState(): 'open' | 'closed' {
    return this.#owner.isWritable() ? 'open' : 'closed'
  }

  /**
   * `data` is the last event that postgres.js listens to before it logs in, in a microtask, with a
   * write in `setImmediate`: for both, faked timers are replaced by real ones.
   */
  override on(event: string, listener: (...args: never[]) => void): this {
    if (event === 'data' && !timersAreReal()) realTimers.queueMicrotask(useRealTimers())
    return super.on(event, listener as () => void)
  }

  /** With real timers, because postgres.js may write when it gets an event. */
  override emit(event: string, ...args: unknown[]): boolean {
    if (timersAreReal()) return super.emit(event, ...args)
    return withRealTimers(() => super.emit(event, ...args))
  }

  write(bytes: Buffer, written?: (error?: Error | null) => void): boolean {
    return this.#owner.write(bytes, written)
  }

  end(): this {
    this.#owner.end('postgres.js ended it')
    return this
  }

  destroy(): this {
    this.#owner.end('postgres.js broke it')
    return this
  }

  pause(): this {
    this.#owner.pause(true)
    return this
  }

  resume(): this {
    this.#owner.pause(false)
    return this
  }
}

function noop(): void {}

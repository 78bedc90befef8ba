import { EventEmitter } from 'node:events'
import { realTimers, timersAreReal, useRealTimers, withRealTimers } from '@poolhouse/core/net'

/** What is behind a stand-in. */
export interface StandInOwner {
  /** Whether bytes can still go out. */
  readonly writable: boolean
  /** postgres.js writes. Returns false when it should write no more for now. */
  write(bytes: Buffer, written?: (error?: Error | null) => void): boolean
  /** postgres.js wants the connection to be over. */
  end(reason: string): void
  /** postgres.js wants no more data for now, or again. */
  pause(paused: boolean): void
}

/**
 * What postgres.js takes for its socket. It never hears of a `close`: at that event it would drop
 * its reference, on which later writes of its own timers throw where nobody can catch it, and
 * connect again. It is given messages to read as `data` events, and an `error` when it is all over.
 */
export class StandInSocket extends EventEmitter {
  /** For the messages of postgres.js. */
  readonly host: string
  /** For the messages of postgres.js. */
  readonly port: number
  readonly #owner: StandInOwner

  /** Passes on to `owner` what postgres.js does with it. */
  constructor(owner: StandInOwner, host: string, port: number) {
    super()
    this.#owner = owner
    this.host = host
    this.port = port
  }

  /**
   * A socket for what postgres.js does to cancel a query: it writes the request and waits for the
   * `close`, which is that of the request that is under way to the very server of the session.
   */
  static forCancel(request: Promise<void>, host: string, port: number): StandInSocket {
    const owner: StandInOwner = {
      writable: true,
      write: () => {
        const close = (): boolean => socket.emit('close')
        // A request that did not get through has no effect, which is all that whoever cancels can
        // rely on anyway.
        request.then(close, close)
        return true
      },
      end: noop,
      pause: noop,
    }
    const socket = new StandInSocket(owner, host, port)
    // It may never be written to.
    request.catch(noop)
    return socket
  }

  get readyState(): 'open' | 'closed' {
    return this.#owner.writable ? 'open' : 'closed'
  }

  /**
   * At `data`, the last that postgres.js listens to, it begins to log in, in a microtask of its
   * own; the write is put off with `setImmediate`.
   */
  override on(event: string, listener: (...args: never[]) => void): this {
    if (event === 'data' && !timersAreReal()) realTimers.queueMicrotask(useRealTimers())
    return super.on(event, listener as () => void)
  }

  /** What postgres.js is told may have it write. */
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

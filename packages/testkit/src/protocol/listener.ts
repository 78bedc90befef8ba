import { createServer, type Server, type Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/**
 * How long a port that another process took meanwhile is asked for again, and how often, in
 * milliseconds.
 */
const REOPEN_PATIENCE_MS = 2_000
const REOPEN_PAUSE_MS = 20

/**
 * Listens on one port of 127.0.0.1 and can stop and start again on the same port. While it is
 * stopped the kernel answers ECONNREFUSED. Sockets that were accepted stay open: they belong to
 * whichever process took them.
 */
export class Listener {
  readonly #onSocket: (socket: Socket) => void
  #server: Server | undefined
  #port: number
  #opening: Promise<void> | undefined
  readonly #closing = new Set<Promise<void>>()

  constructor(onSocket: (socket: Socket) => void, port = 0) {
    this.#onSocket = onSocket
    this.#port = port
  }

  get port(): number {
    return this.#port
  }

  /**
   * Resolves when connections are accepted. Rejects with the error of `listen` when the port stays
   * taken.
   */
  open(): Promise<void> {
    if (this.#server) return this.#opening ?? Promise.resolve()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, this.#onSocket)
    this.#server = server
    this.#opening = this.#listen(server)
    return this.#opening
  }

  /** From now on connections are refused. Takes effect at once. */
  stop(): void {
    const server = this.#server
    this.#server = undefined
    this.#opening = undefined
    if (server?.listening) this.#close(server)
  }

  /** Resolves when what was stopped is closed, which takes the end of every socket it accepted. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing)
    // `close` is told before the event loop has let go of the handle, which it does at the end of a
    // turn.
    for (let turn = 0; turn < 2; turn += 1) await nextTurn()
  }

  #close(server: Server): void {
    const closing = new Promise<void>((resolve) => server.close(() => resolve())).finally(() => {
      this.#closing.delete(closing)
    })
    this.#closing.add(closing)
  }

  async #listen(server: Server): Promise<void> {
    const giveUpAt = performance.now() + REOPEN_PATIENCE_MS
    for (;;) {
      try {
        await listen(server, this.#port)
        break
      } catch (error) {
        const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
        // An ephemeral port that was given back may serve an unrelated connection for a moment.
        if (this.#server !== server) return
        if (!taken || performance.now() > giveUpAt) {
          this.#server = undefined
          throw error
        }
        await sleep(REOPEN_PAUSE_MS)
        if (this.#server !== server) return
      }
    }
    if (this.#server !== server) {
      this.#close(server)
      return
    }
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

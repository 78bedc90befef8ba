import { once } from 'node:events'
import type { Socket } from 'node:net'
import { logIn } from '../wire/log-in.js'
import { message, SYNC } from '../wire/message.js'
import { FrameCounter } from './frame-counter.js'

const [DATA_ROW, ERROR_RESPONSE, READY] = [...'DEZ'].map((c) => c.charCodeAt(0))
const NAME = 'counted\0'

/**
 * A client that runs one statement, counts the rows that come and makes nothing of them: what no
 * client can exceed. Only for a server that asks for no password.
 */
export class CountingClient {
  readonly #socket: Socket
  readonly #counter = new FrameCounter()
  #answered: ((error?: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('close', () => this.#answered?.(new Error('the server closed the connection')))
  }

  /** Logs in at the server of `url` and prepares the statement. */
  static async open(url: string, text: string): Promise<CountingClient> {
    const client = new CountingClient(await logIn(url))
    await client.#send([message('P', `${NAME}${text}\0\0\0`), SYNC])
    return client
  }

  /** Runs the statement; resolves with the number of rows when the server is ready again. */
  async run(): Promise<number> {
    const before = this.#counter.count(DATA_ROW!)
    await this.#send(RUN)
    return this.#counter.count(DATA_ROW!) - before
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.end(message('X', ''))
    await closed
  }

  #send(messages: readonly Buffer[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answered = (error) => (error === undefined ? resolve() : reject(error))
      this.#socket.write(messages.length === 1 ? messages[0]! : Buffer.concat(messages))
    })
  }

  #take(piece: Buffer): void {
    const before = this.#counter.count(READY!)
    this.#counter.take(piece)
    if (this.#counter.count(READY!) === before) return
    const failed = this.#counter.count(ERROR_RESPONSE!) > 0
    this.#answered?.(failed ? new Error('the statement failed') : undefined)
  }
}

// Bind without values, every column as text; Execute without a limit.
const RUN = [
  Buffer.concat([message('B', `\0${NAME}\0\0\0\0\0\0`), message('E', '\0\0\0\0\0'), SYNC]),
]

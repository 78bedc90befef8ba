import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { FrameCounter } from './frame-counter.js'

const PROTOCOL = 3 << 16
const [AUTHENTICATION, DATA_ROW, ERROR_RESPONSE, READY] = [...'RDEZ'].map((c) => c.charCodeAt(0))
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
    const { hostname, port, username, pathname } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    await once(socket, 'connect')
    const database = pathname.slice(1)
    const version = Buffer.alloc(4)
    version.writeInt32BE(PROTOCOL)
    const parameters = `user\0${username}\0database\0${database}\0\0`
    socket.write(message('', Buffer.concat([version, Buffer.from(parameters)])))
    await loggedIn(socket)
    const client = new CountingClient(socket)
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

/** One message to the server; the first one has no letter. */
function message(letter: string, body: string | Buffer): Buffer {
  const content = Buffer.from(body as string)
  const length = Buffer.alloc(4)
  length.writeInt32BE(content.length + length.length)
  return Buffer.concat([Buffer.from(letter), length, content])
}

const SYNC = message('S', '')
// Bind without values, every column as text; Execute without a limit.
const RUN = [
  Buffer.concat([message('B', `\0${NAME}\0\0\0\0\0\0`), message('E', '\0\0\0\0\0'), SYNC]),
]

/** Waits until the server is ready for the first statement. */
async function loggedIn(socket: Socket): Promise<void> {
  let said = Buffer.alloc(0)
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer]
    said = Buffer.concat([said, piece])
    if (said[0] !== AUTHENTICATION || (said.length >= 9 && said.readInt32BE(5) !== 0)) {
      throw new Error('the counting client can only log in where no password is asked for')
    }
    // ReadyForQuery is the last message, of six bytes.
    if (said.length >= 6 && said[said.length - 6] === READY) return
  }
}

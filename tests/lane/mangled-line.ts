import { startRelay } from './relay.js'

/** One message of the server: its kind, and all of its bytes. */
export interface ServerMessage {
  /** The kind, as a character. */
  readonly kind: string
  /** The message, with its kind and length. */
  readonly bytes: Buffer
}

/** What becomes of one answer on its way to the client. */
export type Mangled =
  | readonly Buffer[]
  | {
      /** What is let through before the end. */
      readonly last: readonly Buffer[]
      /** How the line ends then. */
      readonly end: 'fin' | 'reset'
    }

/**
 * Called with each answer, up to its ReadyForQuery, and with its number, from 0, since `arm` was
 * called.
 */
type Mangle = (answer: readonly ServerMessage[], index: number) => Mangled

/** A line to a server on which a test changes answers, whole as they are. */
export interface MangledLine extends AsyncDisposable {
  /** Leads through it. */
  readonly url: string
  /** How many statements clients have had executed since `arm`, by extended protocol. */
  readonly executes: number
  /**
   * The next `count` answers are held until all of them are there. Each passes through `mangle`,
   * and they go to the client in one piece, or one after the other. What follows passes as it is.
   */
  arm(count: number, inOnePiece: boolean, mangle: Mangle): void
}

/** A message of this kind whose body is made of texts, each with a zero byte behind it. */
export function message(kind: string, ...texts: readonly string[]): Buffer {
  return frame(kind, Buffer.from(texts.map((text) => `${text}\0`).join('')))
}

/** A message of this kind. */
export function frame(kind: string, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** An ErrorResponse. */
export function refusal(severity: string, code: string): Buffer {
  return message('E', `S${severity}`, `V${severity}`, `C${code}`, 'Mthe line says so', '')
}

/** A ReadyForQuery with this status of the transaction. */
export function ready(status: 'I' | 'T' | 'E'): Buffer {
  return frame('Z', Buffer.from(status))
}

/** Cuts messages out of a stream. Those that begin a connection have no kind. */
class Cutter {
  #held = Buffer.alloc(0)
  #opening: boolean

  constructor(opening: boolean) {
    this.#opening = opening
  }

  *cut(chunk: Buffer): Generator<ServerMessage> {
    this.#held = Buffer.concat([this.#held, chunk])
    for (;;) {
      const head = this.#opening ? 0 : 1
      if (this.#held.length < head + 4) return
      const size = head + this.#held.readInt32BE(head)
      if (this.#held.length < size) return
      const bytes = this.#held.subarray(0, size)
      this.#held = this.#held.subarray(size)
      yield { kind: this.#opening ? '' : String.fromCharCode(bytes[0]!), bytes }
      this.#opening = false
    }
  }
}

/** Starts a line to the server of this URL, whose clients do not encrypt. */
export async function startMangledLine(target: string): Promise<MangledLine> {
  let mangle: Mangle | undefined
  let count = 0
  let inOnePiece = false
  let executes = 0
  const relay = await startRelay(target, (client, server) => {
    const fromClient = new Cutter(true)
    const fromServer = new Cutter(false)
    let answer: ServerMessage[] = []
    let answers: ServerMessage[][] = []
    // What comes while answers are given one after the other.
    let behind: Buffer[] | undefined
    const release = async (): Promise<void> => {
      const all = answers
      answers = []
      const change = mangle!
      mangle = undefined
      behind = []
      let held: Buffer[] = []
      for (const [index, one] of all.entries()) {
        const changed = change(one, index)
        held.push(...('end' in changed ? changed.last : changed))
        const bytes = Buffer.concat(held)
        if ('end' in changed) {
          server.destroy()
          if (changed.end === 'fin') client.end(bytes)
          // What was written must get there before the reset.
          else client.write(bytes, () => setTimeout(() => client.resetAndDestroy(), 20))
          return
        }
        if (inOnePiece && index < all.length - 1) continue
        client.write(bytes)
        held = []
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      client.write(Buffer.concat(behind))
      behind = undefined
    }
    client.on('data', (chunk) => {
      for (const { kind } of fromClient.cut(chunk)) {
        if (kind === 'E') executes++
      }
      server.write(chunk)
    })
    server.on('data', (chunk: Buffer) => {
      if (behind !== undefined) behind.push(chunk)
      else if (mangle === undefined) client.write(chunk)
      for (const received of fromServer.cut(chunk)) {
        if (mangle === undefined) continue
        answer.push(received)
        if (received.kind !== 'Z') continue
        answers.push(answer)
        answer = []
        if (answers.length === count) void release()
      }
    })
  })
  return {
    url: relay.url,
    get executes() {
      return executes
    },
    arm(size, together, change) {
      mangle = change
      count = size
      inOnePiece = together
      executes = 0
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  }
}

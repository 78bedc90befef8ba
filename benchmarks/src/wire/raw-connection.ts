import { once } from 'node:events'
import type { Socket } from 'node:net'
import { logIn } from './log-in.js'
import { message, SYNC } from './message.js'

/** A row as an object: column → value. */
export type RawRow = Record<string, unknown>

interface Pending {
  resolve(rows: RawRow[]): void
  reject(error: Error): void
}

const [DATA_ROW, ERROR_RESPONSE, READY, ROW_DESCRIPTION] = [...'DEZT'].map((c) => c.charCodeAt(0))
const NAME = 'raw\0'
const HEADER = 5
const INTEGERS = new Set([21, 23])
// What a description says of a column after its name: table, column, type, size, modifier, format.
const [TYPE_AT, AFTER_NAME] = [6, 18]
// Answered calls are dropped from the queue this many at a time.
const ANSWERED = 1_024

/**
 * One connection that runs one prepared statement, any number of times at once. What is called in
 * one tick goes out in one write, each with a Sync of its own. It has no deadlines, no cancelling,
 * no bound and one type. Only for a server that asks for no password.
 */
export class RawConnection {
  readonly #socket: Socket
  readonly #pending: (Pending | undefined)[] = []
  #answered = 0
  #columns: { readonly name: string; readonly isInteger: boolean }[] = []
  #rows: RawRow[] = []
  #error: Error | undefined
  // What goes out at the end of the tick, and how much of it is filled.
  #out = Buffer.allocUnsafe(16_384)
  #filled = 0
  // The beginning of a piece that has not arrived whole.
  #rest: Buffer | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('error', () => {})
    socket.on('close', () => this.#lose())
  }

  /** Logs in at the server of `url` and prepares the statement. */
  static async open(url: string, text: string): Promise<RawConnection> {
    const connection = new RawConnection(await logIn(url))
    const prepare = [message('P', `${NAME}${text}\0\0\0`), message('D', `S${NAME}`), SYNC]
    await connection.#send(Buffer.concat(prepare))
    return connection
  }

  /** Calls that have no answer yet. */
  get inFlight(): number {
    return this.#pending.length - this.#answered
  }

  /** Runs the statement with one value. Rejects if it fails or the connection is lost. */
  run(value: string): Promise<RawRow[]> {
    return this.#send(BIND, value)
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.end(message('X', ''))
    await closed
  }

  #send(head: Buffer, value?: string): Promise<RawRow[]> {
    if (this.#filled === 0) process.nextTick(() => this.#flush())
    const room = head.length + AFTER_VALUE.length + 3 * (value?.length ?? 0)
    if (this.#filled + room > this.#out.length) {
      this.#out = Buffer.concat([this.#out], 2 * this.#out.length + room)
    }
    const start = this.#filled
    this.#filled += head.copy(this.#out, start)
    if (value !== undefined) {
      const length = this.#out.write(value, this.#filled)
      this.#out.writeInt32BE(length, this.#filled - 4)
      this.#out.writeInt32BE(BIND.length + length + 1, start + 1)
      this.#filled += length
      this.#filled += AFTER_VALUE.copy(this.#out, this.#filled)
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject })
    })
  }

  #flush(): void {
    this.#socket.write(Buffer.from(this.#out.subarray(0, this.#filled)))
    this.#filled = 0
  }

  #take(arrived: Buffer): void {
    const piece = this.#rest === undefined ? arrived : Buffer.concat([this.#rest, arrived])
    let at = 0
    while (piece.length - at >= HEADER) {
      const end = at + 1 + piece.readInt32BE(at + 1)
      if (end > piece.length) break
      this.#takeMessage(piece[at]!, piece, at + HEADER, end)
      at = end
    }
    this.#rest = at === piece.length ? undefined : piece.subarray(at)
  }

  #takeMessage(kind: number, piece: Buffer, at: number, end: number): void {
    if (kind === DATA_ROW) this.#rows.push(this.#row(piece, at))
    else if (kind === READY) this.#settle()
    else if (kind === ROW_DESCRIPTION) this.#describe(piece, at)
    else if (kind === ERROR_RESPONSE) this.#error = new Error(piece.toString('utf8', at, end))
  }

  #row(piece: Buffer, start: number): RawRow {
    const row: RawRow = {}
    let at = start + 2
    for (const { name, isInteger } of this.#columns) {
      const length = piece.readInt32BE(at)
      at += 4
      if (length < 0) row[name] = null
      else if (isInteger) row[name] = integer(piece, at, at + length)
      else row[name] = piece.toString('utf8', at, at + length)
      at += Math.max(length, 0)
    }
    return row
  }

  #describe(piece: Buffer, start: number): void {
    const count = piece.readInt16BE(start)
    for (let at = start + 2; this.#columns.length < count; ) {
      const end = piece.indexOf(0, at)
      const isInteger = INTEGERS.has(piece.readInt32BE(end + 1 + TYPE_AT))
      this.#columns.push({ name: piece.toString('utf8', at, end), isInteger })
      at = end + 1 + AFTER_NAME
    }
  }

  #settle(): void {
    const { resolve, reject } = this.#pending[this.#answered]!
    this.#pending[this.#answered++] = undefined
    if (this.#answered === this.#pending.length || this.#answered === ANSWERED) {
      this.#pending.splice(0, this.#answered)
      this.#answered = 0
    }
    const [rows, error] = [this.#rows, this.#error]
    this.#rows = []
    this.#error = undefined
    if (error === undefined) resolve(rows)
    else reject(error)
  }

  #lose(): void {
    const lost = new Error('the server closed the connection')
    for (const call of this.#pending.splice(0)) call?.reject(lost)
    this.#answered = 0
  }
}

function integer(piece: Buffer, start: number, end: number): number {
  const isNegative = piece[start] === 0x2d
  let value = 0
  for (let at = isNegative ? start + 1 : start; at < end; at++) value = value * 10 + piece[at]! - 48
  return isNegative ? -value : value
}

// Bind with one value as text, up to the length of that value; then every column as text, Execute
// without a limit, Sync.
const BIND = message('B', `\0${NAME}\0\0\0\u0001\0\0\0\0`)
const AFTER_VALUE = Buffer.concat([Buffer.from('\0\0'), message('E', '\0\0\0\0\0'), SYNC])

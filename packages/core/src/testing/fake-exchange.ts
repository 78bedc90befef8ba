import type {
  CopyResult,
  CursorBatch,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
} from '../api/driver.js'
import { DatabaseError } from '../outcome/database-error.js'
import { ConnectionLostError } from '../outcome/errors.js'
import type { FakeFailure, FakeHang, FakeLoss, FakeReply } from './replies.js'

/** What an exchange needs of its session. */
export interface ExchangeHost {
  /** Calls `fire` when the server has had its time. */
  later(fire: () => void): void
  /** The pool did what the contract forbids. */
  violated(what: string): void
  /** The server has answered all of it. */
  over(error: Error | null): void
  /** The session dies. */
  lose(reason: string): void
}

interface Call {
  resolve(value: unknown): void
  reject(error: Error): void
}

interface Value {
  readonly value: unknown
  /** Whether the server is through with it. */
  readonly end: boolean
}

type Answer = Value | FakeFailure | FakeHang | FakeLoss

/**
 * A statement whose answer, or whose data, comes in pieces: what a cursor and both directions of
 * COPY have in common.
 */
export class FakeExchange {
  readonly #host: ExchangeHost
  // Whether a cancel request that comes between two calls is remembered. A session that waits for
  // its client ignores it.
  readonly #remembers: boolean
  #call: Call | undefined
  #cancelled: Error | undefined
  #lost: Error | undefined
  #state: 'new' | 'open' | 'over' = 'new'

  /** Begins with nothing sent. */
  constructor(host: ExchangeHost, remembersCancel: boolean) {
    this.#host = host
    this.#remembers = remembersCancel
  }

  /** Whether the session is busy with it. */
  get open(): boolean {
    return this.#state === 'open'
  }

  /** One call to the server. */
  ask<T>(what: string, answer: () => Answer): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    if (this.#state === 'over') this.#host.violated(`${what} after the end`)
    if (this.#call !== undefined) this.#host.violated(`${what} while a call is under way`)
    this.#state = 'open'
    return new Promise<T>((resolve, reject) => {
      const call: Call = { resolve: resolve as (value: unknown) => void, reject }
      this.#call = call
      this.#host.later(() => {
        if (this.#call === call)
          this.#answer(this.#cancelled ? { error: this.#cancelled } : answer())
      })
    })
  }

  /** The server has got a cancel request. */
  cancel(error: Error): void {
    if (this.#call !== undefined) this.#end(error)
    else if (this.#remembers) this.#cancelled = error
  }

  /** The session is gone. */
  lose(error: Error): void {
    const call = this.#call
    this.#call = undefined
    this.#lost = error
    this.#state = 'over'
    call?.reject(error)
  }

  #answer(answer: Answer): void {
    if ('hang' in answer) return
    if ('lose' in answer) {
      this.#host.lose(answer.lose)
    } else if ('error' in answer) {
      this.#end(answer.error)
    } else {
      const call = this.#call!
      this.#call = undefined
      if (answer.end) this.#over(null)
      call.resolve(answer.value)
    }
  }

  #end(error: Error): void {
    const call = this.#call!
    this.#call = undefined
    this.#over(error)
    call.reject(error)
  }

  #over(error: Error | null): void {
    this.#state = 'over'
    this.#host.over(error)
  }
}

/** How a reply begins: whatever is not data happens at once. */
function begins(reply: FakeReply | undefined): FakeFailure | FakeHang | FakeLoss | undefined {
  return reply !== undefined && ('error' in reply || 'hang' in reply || 'lose' in reply)
    ? reply
    : undefined
}

/** A cursor over the rows of a reply. */
export function fakeCursor(
  exchange: FakeExchange,
  reply: () => FakeReply | undefined,
): DriverCursor {
  let rows: unknown[] = []
  let after: FakeFailure | FakeHang | FakeLoss | undefined
  let sent = false
  return {
    read(count): Promise<CursorBatch> {
      return exchange.ask('read', () => {
        if (!sent) {
          sent = true
          const found = reply()
          const instead = begins(found)
          if (instead !== undefined) return instead
          if (found !== undefined && 'rows' in found) {
            rows = [...found.rows]
            after = found.then
          }
        }
        if (rows.length === 0 && after !== undefined) return after
        const batch = rows.splice(0, count)
        // The server says whether there are more only when it is asked for them.
        const end = batch.length < count && after === undefined
        return { value: { rows: batch, end }, end }
      })
    },
    async close(): Promise<void> {
      if (exchange.open)
        await exchange.ask('close', () => ({ value: undefined, end: true })).catch(() => {})
    },
  }
}

/** A COPY … TO STDOUT of the pieces of a reply. */
export function fakeCopyOut(
  exchange: FakeExchange,
  reply: FakeReply | undefined,
): Promise<DriverCopyOut> {
  const pieces = reply !== undefined && 'pieces' in reply ? [...reply.pieces] : []
  const after = reply !== undefined && 'pieces' in reply ? reply.then : undefined
  const copy: DriverCopyOut = {
    read: () =>
      exchange.ask('read', () => {
        const piece = pieces.shift()
        if (piece === undefined && after !== undefined) return after
        return {
          value: typeof piece === 'string' ? Buffer.from(piece) : piece,
          end: piece === undefined,
        }
      }),
  }
  return exchange.ask('copyOut', () => begins(reply) ?? { value: copy, end: false })
}

/** A COPY … FROM STDIN; `taken` is told of its data if it comes to its end. */
export function fakeCopyIn(
  exchange: FakeExchange,
  reply: FakeReply | undefined,
  taken: (data: Buffer) => void,
): Promise<DriverCopyIn> {
  const { takes = Number.POSITIVE_INFINITY, then: after } =
    reply !== undefined && 'then' in reply && !('rows' in reply || 'pieces' in reply) ? reply : {}
  const data: Uint8Array[] = []
  const copy: DriverCopyIn = {
    write: (chunk) =>
      exchange.ask('write', () => {
        if (data.length >= takes && after !== undefined) return after
        data.push(Buffer.from(chunk))
        return { value: undefined, end: false }
      }),
    finish: () =>
      exchange.ask('finish', () => {
        if (after !== undefined) return after
        const all = Buffer.concat(data)
        taken(all)
        const rowCount = all.toString().split('\n').length - 1
        return { value: { rowCount, command: 'COPY' } satisfies CopyResult, end: true }
      }),
    async fail(message) {
      if (!exchange.open) return
      const error = new DatabaseError(`COPY from stdin failed: ${message}`, {
        code: '57014',
        severity: 'ERROR',
      })
      await exchange.ask('fail', () => ({ error })).catch(() => {})
    },
  }
  return exchange.ask('copyIn', () => begins(reply) ?? { value: copy, end: false })
}

/** The error of a session that is gone. */
export function lost(message: string, executed: 'no' | 'unknown'): ConnectionLostError {
  return new ConnectionLostError(`the connection is gone: ${message}`, { executed })
}

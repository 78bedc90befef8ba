import type { ConnectionInfo } from '@poolhouse/core'
import {
  ConnectionLostError,
  DatabaseError,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import type {
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  ResetLevel,
  TransactionStatus,
} from '@poolhouse/core/kit'
import type { Fault } from './fault.js'

/** What a faulty connection knows beside the good one. */
export interface FaultyParts {
  readonly fault: Fault
  readonly password: string | undefined
  /** Tells of the end of the session. */
  closed(reason: unknown): void
  /** Any other connection of the driver. */
  strangerOf(connection: DriverConnection): DriverConnection | undefined
}

type Done = (error: Error | null, result?: QueryResult<unknown>) => void

/** A good connection with one fault. */
export class FaultyConnection implements DriverConnection {
  /** Whether its user has ended it. */
  ended = false
  readonly raw: unknown
  #inner: DriverConnection
  readonly #parts: FaultyParts
  #stale: TransactionStatus | undefined

  constructor(inner: DriverConnection, parts: FaultyParts) {
    this.#inner = inner
    this.#parts = parts
    this.raw = parts.fault === 'shows the password' ? { inner: inner.raw, ...parts } : inner.raw
  }

  get info(): ConnectionInfo {
    return this.#inner.info
  }

  get inFlight(): number {
    return this.#inner.inFlight
  }

  get lastByteAt(): number {
    return this.#inner.lastByteAt
  }

  /** Goes on over another connection. */
  replace(inner: DriverConnection): void {
    this.#inner = inner
  }

  transactionStatus(): TransactionStatus {
    const status = this.#inner.transactionStatus()
    if (this.#stale !== undefined) return this.#stale
    const early = this.#parts.fault === 'knows the status before the server has told'
    return early && status === 'unknown' ? 'idle' : status
  }

  run(statement: Statement, done: Done): void {
    const { fault } = this.#parts
    const before = this.#inner.transactionStatus()
    if (fault === 'settles inside run' && this.ended) {
      done(new ConnectionLostError('it is over', { executed: 'no' }))
      return
    }
    if (fault === 'sends an INSERT twice' && statement.text.startsWith('insert')) {
      this.#inner.run(statement, () => {})
    }
    this.#inner.run(this.#changed(statement), (error, result) => {
      if (error === null) {
        done(null, this.#misread(result!))
        if (fault === 'settles twice') done(null, result)
        return
      }
      if (fault === 'loses a LISTEN') this.#inner.run({ text: 'unlisten *' }, () => {})
      if (fault === 'settles with a stale status') {
        this.#stale = before
        done(error)
        this.#stale = undefined
        return
      }
      const lost = error instanceof ConnectionLostError
      if (fault === 'loses what was in flight' && lost) return
      if (fault === 'succeeds when it was lost' && lost) {
        done(null, { rows: [], rowCount: null, command: 'COMMIT', fields: [] })
      } else done(this.#distorted(error))
    })
  }

  openCursor(statement: Statement): DriverCursor {
    const cursor = this.#inner.openCursor(this.#changed(statement))
    if (this.#parts.fault !== 'fetches a whole cursor at once') return cursor
    let rows: unknown[] | undefined
    return {
      async read(count) {
        rows ??= (await cursor.read(1_000_000)).rows
        return { rows: rows.splice(0, count), end: rows.length === 0 }
      },
      close: () => cursor.close(),
    }
  }

  async copyIn(text: string): Promise<DriverCopyIn> {
    const copy = await this.#inner.copyIn(text)
    if (this.#parts.fault !== 'finishes a COPY that failed') return copy
    return {
      write: (chunk) => copy.write(chunk),
      finish: () => copy.finish(),
      fail: async () => {
        await copy.finish().catch(() => {})
      },
    }
  }

  async copyOut(text: string): Promise<DriverCopyOut> {
    const copy = await this.#inner.copyOut(text)
    if (this.#parts.fault !== 'reads a whole COPY at once') return copy
    const pieces: Uint8Array[] = []
    for (let piece = await copy.read(); piece !== undefined; piece = await copy.read()) {
      pieces.push(piece)
    }
    return { read: async () => pieces.shift() }
  }

  async listen(channel: string): Promise<void> {
    const folds = this.#parts.fault === 'folds the names of channels'
    await this.#inner.listen(folds ? channel.toLowerCase() : channel)
  }

  async ping(): Promise<void> {
    await this.#inner.ping()
  }

  async reset(level: ResetLevel): Promise<void> {
    switch (this.#parts.fault) {
      case 'forgets to reset':
        await this.#inner.reset('rollback')
        return
      case 'resets only the settings':
        await this.#inner.reset('rollback')
        await this.#query('RESET ALL')
        return
      case 'resets by DISCARD ALL':
        await this.#inner.reset('rollback')
        await this.#query('DISCARD ALL')
        return
      default:
        await this.#inner.reset(level)
    }
  }

  async cancel(timeoutMs: number): Promise<void> {
    const { fault, strangerOf } = this.#parts
    const target = fault === 'cancels a stranger' ? strangerOf(this.#inner) : this.#inner
    const cancelling = (target ?? this.#inner).cancel(timeoutMs)
    if (fault === 'cancels without waiting') cancelling.catch(() => {})
    else await cancelling
  }

  async close(timeoutMs: number): Promise<void> {
    this.ended = true
    const ignores = this.#parts.fault === 'ignores the deadline of close'
    await this.#inner.close(ignores ? timeoutMs + 1_500 : timeoutMs)
  }

  destroy(reason: unknown): void {
    const first = !this.ended
    this.ended = true
    if (this.#parts.fault !== 'leaves the socket open') this.#inner.destroy(reason)
    else if (first) queueMicrotask(() => this.#parts.closed(reason))
  }

  stopNaming(): void {
    this.#inner.stopNaming?.()
  }

  ref(): void {
    this.#inner.ref()
  }

  unref(): void {
    if (this.#parts.fault !== 'keeps the process alive') this.#inner.unref()
  }

  #query(text: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#inner.run({ text }, (error, result) =>
        error === null ? resolve(result) : reject(error),
      )
    })
  }

  #changed(statement: Statement): Statement {
    switch (this.#parts.fault) {
      case 'swallows undefined':
        return { ...statement, values: statement.values?.map((value) => value ?? null) }
      case 'ignores rowMode':
        return { ...statement, rowMode: undefined }
      default:
        return statement
    }
  }

  #misread(result: QueryResult<unknown>): QueryResult<unknown> {
    switch (this.#parts.fault) {
      case 'miscounts rows':
        return { ...result, rowCount: (result.rowCount ?? 0) + result.rows.length }
      case 'describes columns wrongly':
        return { ...result, fields: result.fields.map((field) => ({ ...field, tableID: 0 })) }
      default:
        return result
    }
  }

  #distorted(error: Error): Error {
    switch (this.#parts.fault) {
      case `hands on the driver's own errors`:
        return error.cause instanceof Error ? error.cause : error
      case 'forgets the fields of errors':
        if (!(error instanceof DatabaseError)) return error
        return new DatabaseError(
          error.message,
          { code: error.code, severity: error.severity },
          error.cause,
        )
      case 'says that what is unknown was not executed':
        if (!(error instanceof ConnectionLostError)) return error
        return new ConnectionLostError(error.message, {
          executed: 'no',
          sqlState: error.sqlState,
          cause: error.cause,
        })
      default:
        return error
    }
  }
}

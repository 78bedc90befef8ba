import type { ConnectionInfo, QueryResult, Statement } from '@poolhouse/core'
import type {
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  RawHolder,
  ResetLevel,
  TransactionStatus,
} from '@poolhouse/core/kit'

type Done = (error: Error | null, result?: QueryResult<unknown>) => void

/** What checks the calls of a connection. */
export interface CallWatch {
  /** A statement or promise has begun; the function that is returned says that it has settled. */
  begin(what: string): () => void
  /** Something was wrong. */
  note(violation: string): void
  /** Checks that an error is one of ours. */
  checkError(what: string, error: unknown): void
  /** Checks that a promise settles, and how. */
  follow<T>(what: string, promise: Promise<T>): Promise<T>
}

/** A session that is used as always, with every call reported to the watch. */
export class WatchedConnection implements DriverConnection {
  readonly #inner: DriverConnection
  readonly #watch: CallWatch
  readonly #number: number

  /** `number` tells sessions apart in what is reported. */
  constructor(inner: DriverConnection, watch: CallWatch, number: number) {
    this.#inner = inner
    this.#watch = watch
    this.#number = number
  }

  get raw(): unknown {
    return this.#inner.raw
  }

  lendRaw(holder: RawHolder): unknown {
    return this.#inner.lendRaw === undefined ? this.#inner.raw : this.#inner.lendRaw(holder)
  }

  resetFirst(): void {
    this.#inner.resetFirst?.()
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

  transactionStatus(): TransactionStatus {
    return this.#inner.transactionStatus()
  }

  run(statement: Statement, done: Done): void {
    const what = this.#name(`"${statement.text.slice(0, 60)}"`)
    const end = this.#watch.begin(what)
    let returned = false
    let calls = 0
    this.#inner.run(statement, (error, result) => {
      calls++
      if (!returned) this.#watch.note(`${what} called done before run had returned`)
      if (calls > 1) {
        this.#watch.note(`${what} called done ${calls} times`)
        return
      }
      end()
      this.#checkAnswer(what, error, result)
      done(error, result)
    })
    returned = true
    // Nothing can have come from the server yet: whatever was in flight still is.
    if (calls === 0 && this.inFlight > 0 && this.transactionStatus() !== 'unknown') {
      this.#watch.note(`${what} is in flight and the status is "${this.transactionStatus()}"`)
    }
  }

  openCursor(statement: Statement): DriverCursor {
    const cursor = this.#inner.openCursor(statement)
    return {
      read: (count) => this.#follow(`read(${count}) of a cursor`, cursor.read(count)),
      close: () => this.#follow('close of a cursor', cursor.close()),
    }
  }

  async copyIn(text: string): Promise<DriverCopyIn> {
    const copy = await this.#follow('copyIn', this.#inner.copyIn(text))
    return {
      write: (chunk) => this.#follow('write of a COPY', copy.write(chunk)),
      finish: () => this.#follow('finish of a COPY', copy.finish()),
      fail: (message) => this.#follow('fail of a COPY', copy.fail(message)),
    }
  }

  async copyOut(text: string): Promise<DriverCopyOut> {
    const copy = await this.#follow('copyOut', this.#inner.copyOut(text))
    return { read: () => this.#follow('read of a COPY', copy.read()) }
  }

  listen(channel: string): Promise<void> {
    return this.#follow('listen', this.#inner.listen(channel))
  }

  ping(): Promise<void> {
    return this.#follow('ping', this.#inner.ping())
  }

  reset(level: ResetLevel): Promise<void> {
    return this.#follow(`reset("${level}")`, this.#inner.reset(level))
  }

  cancel(timeoutMs: number): Promise<void> {
    return this.#follow('cancel', this.#inner.cancel(timeoutMs))
  }

  close(timeoutMs: number): Promise<void> {
    return this.#follow('close', this.#inner.close(timeoutMs))
  }

  destroy(reason: unknown): void {
    try {
      this.#inner.destroy(reason)
    } catch (error) {
      this.#watch.note(this.#name(`destroy threw ${String(error)}`))
    }
  }

  stopNaming(): void {
    this.#inner.stopNaming?.()
  }

  ref(): void {
    this.#inner.ref()
  }

  unref(): void {
    this.#inner.unref()
  }

  #checkAnswer(what: string, error: Error | null, result: QueryResult<unknown> | undefined): void {
    if (error !== null) {
      this.#watch.checkError(what, error)
      return
    }
    if (result === undefined) this.#watch.note(`${what} succeeded without a result`)
    if (this.inFlight === 0 && this.transactionStatus() === 'unknown') {
      this.#watch.note(`${what} settled before the transaction status was known`)
    }
  }

  #follow<T>(what: string, promise: Promise<T>): Promise<T> {
    return this.#watch.follow(this.#name(what), promise)
  }

  #name(what: string): string {
    return `session ${this.#number}: ${what}`
  }
}

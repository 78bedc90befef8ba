import type { ConnectionInfo, Driver, QueryResult, Statement } from '@poolhouse/core'
import type {
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  RawHolder,
  ResetLevel,
  TransactionStatus,
} from '@poolhouse/core/kit'

/** A statement that was handed to the server. */
export interface AuditEntry {
  /** The role that logged in. */
  readonly user: string
  /** Process id of the server's session. */
  readonly backendPid: number
  /** The text, never the values. */
  readonly text: string
}

/** Records every text before `inner` sends it. What `record` throws fails the call, unsent. */
export function auditedDriver(inner: Driver, record: (entry: AuditEntry) => void): Driver {
  return {
    name: `${inner.name}, audited`,
    capabilities: inner.capabilities,
    async connect(context) {
      const connection = await inner.connect(context)
      const { backendPid } = connection.info
      const { user } = context.settings
      return new AuditedConnection(connection, (text) => record({ user, backendPid, text }))
    },
  }
}

type Done = (error: Error | null, result?: QueryResult<unknown>) => void

class AuditedConnection implements DriverConnection {
  readonly #inner: DriverConnection
  readonly #record: (text: string) => void

  // What the inner driver cannot do, this one cannot do either: the pool asks whether they exist.
  readonly lendRaw?: (holder: RawHolder) => unknown
  readonly resetFirst?: () => void
  readonly stopNaming?: () => void

  constructor(inner: DriverConnection, record: (text: string) => void) {
    this.#inner = inner
    this.#record = record
    if (inner.lendRaw !== undefined) this.lendRaw = (holder) => this.#lendRaw(holder)
    if (inner.resetFirst !== undefined) this.resetFirst = () => inner.resetFirst?.()
    if (inner.stopNaming !== undefined) this.stopNaming = () => inner.stopNaming?.()
  }

  get raw(): unknown {
    return this.#inner.raw
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

  // The statement is handed on as the object it is: it may carry more than its type shows.
  run(statement: Statement, done: Done): void {
    this.#record(statement.text)
    this.#inner.run(statement, done)
  }

  // Nothing is sent before the first `read`.
  openCursor(statement: Statement): DriverCursor {
    const cursor = this.#inner.openCursor(statement)
    let isSent = false
    return {
      read: async (count) => {
        if (!isSent) this.#record(statement.text)
        isSent = true
        return await cursor.read(count)
      },
      close: () => cursor.close(),
    }
  }

  async copyIn(text: string): Promise<DriverCopyIn> {
    this.#record(text)
    return await this.#inner.copyIn(text)
  }

  async copyOut(text: string): Promise<DriverCopyOut> {
    this.#record(text)
    return await this.#inner.copyOut(text)
  }

  listen(channel: string): Promise<void> {
    return this.#inner.listen(channel)
  }

  ping(): Promise<void> {
    return this.#inner.ping()
  }

  reset(level: ResetLevel): Promise<void> {
    return this.#inner.reset(level)
  }

  cancel(timeoutMs: number): Promise<void> {
    return this.#inner.cancel(timeoutMs)
  }

  close(timeoutMs: number): Promise<void> {
    return this.#inner.close(timeoutMs)
  }

  destroy(reason: unknown): void {
    this.#inner.destroy(reason)
  }

  ref(): void {
    this.#inner.ref()
  }

  unref(): void {
    this.#inner.unref()
  }

  // The driver's own object tells its holder what it sends.
  #lendRaw(holder: RawHolder): unknown {
    return this.#inner.lendRaw?.({
      refusal: () => holder.refusal(),
      sends: (text) => {
        this.#record(text)
        holder.sends(text)
      },
      exposed: (what) => holder.exposed(what),
    })
  }
}

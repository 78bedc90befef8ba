import type { Notice, TransactionStatus } from '@poolhouse/core/kit'

/** What a line reports to its connection. */
export interface LineEvents {
  /** The messages that are to go out in front of work that is begun now. */
  takeReset(): Buffer | undefined
  /** Whether what comes next answers them. */
  readonly resetting: boolean
  /** A part of the reset is through. */
  resetAnswered(): void
  /** The server refuses a part of the reset. */
  resetRefused(error: Error): void
  /** ReadyForQuery. Called before the work that it ends is settled. */
  ready(status: TransactionStatus): void
  /** The server said something that the session may not survive. */
  refused(reason: Error): void
  /** What came cannot be understood, or postgres.js gave up: the session is of no use. */
  failed(reason: Error): void
  /** postgres.js wants a CancelRequest to be sent. */
  cancel(timeoutMs: number): Promise<void>
  parameter(name: string, value: string): void
  notice(notice: Notice): void
  notification(channel: string, payload: string): void
}

import type { DriverConnection } from '../api/driver.js'
import type { Slot } from '../slot/slot.js'
import type { OrderedWork } from '../statement/session-work.js'
import type { StatementOrder } from '../statement/statement-order.js'

/**
 * A call to the driver that is no statement but needs the session for itself, such as LISTEN. Its
 * deadline is its caller's business.
 */
export class SessionTask implements OrderedWork {
  readonly settled = false
  readonly #order: StatementOrder
  readonly #call: (connection: DriverConnection) => Promise<void>
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void

  /** `resolve` and `reject` settle the caller's promise, exactly one of them once. */
  constructor(
    order: StatementOrder,
    call: (connection: DriverConnection) => Promise<void>,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#order = order
    this.#call = call
    this.#resolve = resolve
    this.#reject = reject
  }

  queue(): void {}

  receive(slot: Slot, now: number): void {
    slot.ask(now)
    void this.#run(slot)
  }

  drop(error: Error): void {
    this.#reject(error)
  }

  async #run(slot: Slot): Promise<void> {
    try {
      await this.#call(slot.connection!)
    } catch (error) {
      this.#order.finished(this, slot)
      this.#reject(error)
      return
    }
    this.#order.finished(this, slot)
    this.#resolve()
  }
}

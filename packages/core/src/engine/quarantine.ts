import type { Clock } from '../base/clock.js'
import type { Slot } from '../slot/slot.js'
import { CLEANING_MS, withDeadline } from './cleaning.js'

const CANCEL_MS = 1_000

/**
 * Cancels what a connection runs, and keeps the connection from its next use meanwhile. PostgreSQL
 * cancels whatever the session runs when the request arrives, so until the server has closed the
 * cancel connection the next statement could be its victim (71 to 80 % of trials when measured;
 * none with the wait).
 */
export class Quarantine {
  readonly #clock: Clock
  readonly #destroy: (slot: Slot, reason: string) => void
  readonly #settled: () => void
  #requests = 0

  /**
   * `destroy` breaks a connection that cannot be brought back; `settled` is called when a cancel
   * connection is closed.
   */
  constructor(
    clock: Clock,
    destroy: (slot: Slot, reason: string) => void,
    settled: () => void = () => {},
  ) {
    this.#clock = clock
    this.#destroy = destroy
    this.#settled = settled
  }

  /** Cancel connections that are open, also those whose session is gone already. */
  get requests(): number {
    return this.#requests
  }

  /**
   * Sends a cancel request, unless one is under way. `slot.cancelling` holds until it is settled.
   */
  cancel(slot: Slot): void {
    if (slot.cancelling || slot.state === 'gone') return
    const request = slot.connection!.cancel(CANCEL_MS)
    // Before quiet is waited for: a slot with a request under way is quiet only once it is gone.
    slot.beginCancel()
    this.#count(request)
    withDeadline(
      this.#clock,
      Promise.race([request, slot.whenQuiet()]),
      CANCEL_MS * 1.5,
      'it was not confirmed',
    ).then(
      () => this.#arrived(slot),
      (error: unknown) => {
        slot.endCancel()
        // Whether it will still arrive is unknown, so the session cannot be trusted with another
        // statement.
        this.#destroy(slot, `its cancel request failed: ${(error as Error).message}`)
      },
    )
  }

  #count(request: Promise<void>): void {
    this.#requests++
    const end = (): void => {
      this.#requests--
      this.#settled()
    }
    withDeadline(this.#clock, request, CANCEL_MS * 1.5, 'it was not confirmed').then(end, end)
  }

  #arrived(slot: Slot): void {
    slot.endCancel()
    slot.recheckQuiet()
    if (slot.quiet) return
    // The server has the request; a statement that does not end now is beyond it.
    const timer = this.#clock.setTimer(() => {
      this.#destroy(slot, 'its statement did not end after a cancel request')
    }, CLEANING_MS)
    void slot.whenQuiet().then(() => timer.cancel())
  }
}

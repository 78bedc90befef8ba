import { messageOf } from '../base/message-of.js'
import { own } from '../base/own.js'
import { withDeadline } from '../base/with-deadline.js'
import type { Slot } from '../slot/slot.js'
import { CLEANING_MS } from './cleaning.js'
import type { EngineView } from './engine-view.js'

const CANCEL_MS = 1_000

/**
 * Cancels what a connection runs, and keeps the connection out of use meanwhile. PostgreSQL
 * cancels whatever the session runs when the request arrives, so until the server has closed the
 * cancel connection the next statement could be its victim (71 to 80 % of trials when measured;
 * none with the wait).
 */
export class Quarantine {
  readonly #engine: EngineView
  /** Cancel connections that are open, also those whose session is gone already. */
  readonly requests: number = 0

  /** Cancels for this engine; a connection that cannot be brought back is broken. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /**
   * Sends a cancel request, unless one is under way. `slot.cancelling` holds until it is settled.
   */
  cancel(slot: Slot): void {
    if (slot.cancelling || slot.state === 'gone') return
    const connection = slot.connection!
    const { batch, answers } = slot
    const sent = connection.inFlight
    const request = connection.cancel(CANCEL_MS)
    // Set before `whenQuiet` is called: with a request under way, a slot is quiet only once it is
    // gone.
    slot.beginCancel()
    this.#count(request)
    withDeadline(
      this.#engine.clock,
      Promise.race([request, slot.whenQuiet()]),
      CANCEL_MS * 1.5,
      'it was not confirmed',
    ).then(
      () => {
        this.#arrived(slot, answers)
        if (batch !== undefined) this.#goOn(slot, batch, sent)
      },
      (error: unknown) => {
        slot.endCancel()
        // Whether it will still arrive is unknown, so the session cannot be trusted with another
        // statement.
        const reason = `its cancel request failed: ${messageOf(error)}`
        if (slot.shared && connection.inFlight > 1) {
          // The others are still answered, as soon as the server does anything; one of them that it
          // hits starts over.
          slot.marks.spoil(reason)
          slot.recheckQuiet()
        } else this.#engine.departures.break(slot, reason)
      },
    )
  }

  #count(request: Promise<void>): void {
    own<Quarantine>(this).requests++
    const end = (): void => {
      own<Quarantine>(this).requests--
      this.#engine.closing?.check()
    }
    withDeadline(this.#engine.clock, request, CANCEL_MS * 1.5, 'it was not confirmed').then(
      end,
      end,
    )
  }

  #arrived(slot: Slot, answers: number): void {
    slot.endCancel()
    slot.recheckQuiet()
    // Calls that share the connection run on behind the one that was cancelled.
    const isOver = (): boolean => slot.quiet || (slot.shared && slot.answers !== answers)
    if (isOver()) return
    // The server has the request; if what it runs does not end now, nothing else will end it.
    const timer = this.#engine.clock.setTimer(() => {
      this.#engine.departures.break(slot, 'its statement did not end after a cancel request')
    }, CLEANING_MS)
    slot.watchAnswers(() => {
      if (!isOver()) return false
      timer.cancel()
      return true
    })
  }

  /**
   * One request ends one statement. Of a batch, of which `sent` were in flight at the request, the
   * next one runs then, and is cancelled as well.
   */
  #goOn(slot: Slot, batch: object, sent: number): void {
    const again = (): boolean => {
      // What else is in flight must not be hit.
      if (slot.quiet || slot.batch !== batch) return true
      if (slot.connection!.inFlight >= sent) return false
      this.cancel(slot)
      return true
    }
    if (!again()) slot.watchAnswers(again)
  }
}

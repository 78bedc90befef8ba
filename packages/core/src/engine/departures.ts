import { messageOf } from '../base/message-of.js'
import { withDeadline } from '../base/with-deadline.js'
import { isResetFailure } from '../outcome/reset-failure.js'
import { countStaying } from '../slot/count-slots.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'

const RETIRE_MS = 2_000
// A driver has to keep the deadline itself; this is how much later we stop believing that it will.
const RETIRE_GRACE_MS = 250

/**
 * The ways out of the pool: a connection is retired with a good-bye, destroyed, or was ended by the
 * other side. Owns who waits for old connections to leave.
 */
export class Departures {
  readonly #engine: EngineView
  #recycling: { readonly era: number; readonly resolve: () => void }[] = []

  /** Sends connections of this engine away. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /**
   * Why a connection that is free must leave rather than serve on; undefined if it may stay.
   */
  reasonToRetire(slot: Slot, now: number): string | undefined {
    const engine = this.#engine
    const { config } = engine
    if (engine.phase !== 'open' && !this.#servesWaiters()) return 'the pool is closing'
    if (slot.era !== engine.era) return 'replaced'
    if (slot.expiresAt <= now) return 'maximum lifetime reached'
    if (slot.uses >= config.maxUses) return 'maximum uses reached'
    // Those that are leaving already make room too.
    const tooMany = engine.slots.size > config.max && countStaying(engine.slots) > config.max
    return tooMany ? 'the pool has shrunk' : undefined
  }

  #servesWaiters(): boolean {
    return this.#engine.phase === 'serving' && this.#engine.handoff.pending > 0
  }

  /** Retires every idle connection that has a reason to leave. */
  retireUnneeded(): void {
    const now = this.#engine.now()
    for (const slot of this.#engine.slots) {
      const reason = slot.state === 'idle' ? this.reasonToRetire(slot, now) : undefined
      if (reason !== undefined) this.retire(slot, reason)
    }
  }

  /** Ends a connection with a good-bye, once nothing is under way on it. */
  retire(slot: Slot, reason: string): void {
    const { handoff, clock } = this.#engine
    if (slot.state === 'idle') handoff.removeIdle(slot)
    slot.close(reason)
    const closing = slot.connection!.close(RETIRE_MS)
    withDeadline(clock, closing, RETIRE_MS + RETIRE_GRACE_MS, 'it did not close').then(
      () => {
        this.#lose(slot, reason)
        handoff.supply(this.#engine.now())
      },
      () => this.break(slot, reason),
    )
  }

  /** Ends a connection at once, or the attempt to open it. */
  destroy(slot: Slot, reason: string): void {
    if (slot.state === 'gone') return
    this.#lose(slot, reason)
    if (slot.connection === undefined) this.#engine.opening.abort(slot, new Error(reason))
    else slot.connection.destroy(new Error(reason))
  }

  /** As `destroy`, and sees to the callers that wait; also ends a session beside the pool. */
  break(slot: Slot, reason: string): void {
    if (this.#engine.slots.has(slot)) {
      this.destroy(slot, reason)
      this.#engine.handoff.supply(this.#engine.now())
    } else if (slot.state !== 'gone') {
      slot.connection?.destroy(new Error(reason))
    }
  }

  /** Destroys a connection whose other end has vanished. */
  foundHalfOpen(slot: Slot, reason: string): void {
    this.#engine.recorder.errors++
    // Idle connections may have vanished with it.
    this.#engine.handoff.suspect()
    this.break(slot, reason)
    this.#engine.lineBroke?.()
  }

  /** A connection of the pool ended without our doing. */
  ended(slot: Slot, reason: unknown): void {
    if (slot.state === 'gone') return
    const { handoff, recorder } = this.#engine
    const expected = slot.state === 'closing'
    this.#lose(slot, reason, expected ? undefined : reason)
    if (!expected) {
      recorder.errors++
      // The others may have died with it and not know yet. That it could not be reset says nothing
      // about them.
      if (!isResetFailure(slot.lostReason)) handoff.suspect()
    }
    handoff.supply(this.#engine.now())
  }

  /** The one way by which a connection leaves the pool. */
  #lose(slot: Slot, reason: unknown, cause?: unknown): void {
    if (slot.state === 'gone') return
    const { handoff, slots, wishes } = this.#engine
    if (slot.state === 'idle') handoff.removeIdle(slot)
    // An attempt that was given up has never been a connection to those outside.
    const wasOpen = slot.state !== 'connecting'
    slots.delete(slot)
    slot.returnPermit()
    slot.lose(reason)
    if (wasOpen) {
      const { lostReason } = slot
      this.report(slot, messageOf(lostReason), cause)
    }
    this.left()
    wishes.dismissVain()
  }

  /** Counts and reports that a connection is no longer the pool's. */
  report(slot: Slot, reason: string, cause?: unknown): void {
    const { recorder, hub, name } = this.#engine
    recorder.destroyed++
    const event = { pool: name, connection: slot.id, reason }
    hub.emit('destroy', cause === undefined ? event : { ...event, cause })
  }

  /** A connection has left `slots`: tells those who wait for that. */
  left(): void {
    this.#checkRecycling()
    this.#engine.closing?.check()
  }

  /** Retires all connections of former eras as they become free; resolves when none is left. */
  recycle(): Promise<void> {
    this.#engine.arrivals.reopen('the connections are replaced')
    this.retireUnneeded()
    this.#engine.handoff.supply(this.#engine.now())
    return new Promise((resolve) => {
      this.#recycling.push({ era: this.#engine.era, resolve })
      this.#checkRecycling()
    })
  }

  #checkRecycling(): void {
    if (this.#recycling.length === 0) return
    let oldest = Number.POSITIVE_INFINITY
    for (const { era } of this.#engine.slots) oldest = Math.min(oldest, era)
    this.#recycling = this.#recycling.filter(({ era, resolve }) => {
      if (oldest < era) return true
      resolve()
      return false
    })
  }
}

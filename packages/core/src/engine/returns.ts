import type { BudgetSeat } from '../api/connection-budget.js'
import { messageOf } from '../base/message-of.js'
import type { Slot } from '../slot/slot.js'
import { clean } from './cleaning.js'
import type { EngineView } from './engine-view.js'
import type { Waiter } from './wait-queue.js'

const OWED = 'another pool is owed a connection'

/** A call that can wait for a second connection, within what is left of its limit. */
type RepeatedCall = Waiter & { leftMs(now: number): number | undefined }

/**
 * What becomes of a connection that comes back: it is reused as it is, cleaned first, or leaves the
 * pool.
 */
export class Returns {
  readonly #engine: EngineView

  /** Takes connections of this engine back. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** Takes a connection back; its lease is over. */
  giveBack(slot: Slot): void {
    const engine = this.#engine
    const now = engine.now()
    this.#endLease(slot, now)
    if (slot.state !== 'leased') return
    if (
      slot.lostReason === undefined &&
      (slot.marks.resetAfter || engine.config.reset === 'always')
    ) {
      // Behind a pooler a reset would reach any server session.
      slot.returned(engine.pooler === undefined)
    }
    this.#takeBack(slot, now)
  }

  #takeBack(slot: Slot, now: number): void {
    const { departures } = this.#engine
    const { marks } = slot
    if (slot.lostReason !== undefined) {
      departures.ended(slot, slot.lostReason)
      slot.connection!.destroy(slot.lostReason)
    } else if (marks.spoiled !== undefined) this.#endSpoiled(slot, marks.spoiled)
    else if (!slot.clean) this.#clean(slot)
    else if (marks.isRestDue(now) && this.#engine.pooler === undefined) this.#refresh(slot)
    else this.reuse(slot, now)
  }

  /** A statement run by `query()` itself is over: its connection comes back. */
  finished(_call: Waiter, slot: Slot): void {
    this.giveBack(slot)
  }

  /** The call was not begun on this connection, which is over: it takes or waits for another. */
  again(call: RepeatedCall, slot: Slot): void {
    this.giveBack(slot)
    const engine = this.#engine
    const now = engine.now()
    const next = engine.take(now, call.accepts)
    if (next === undefined) {
      engine.wait(call, now, call.leftMs(now))
    } else {
      engine.handoff.lend(next, now, 0)
      call.receive(next, now)
    }
  }

  /** A call is over that shared its connection, after `useMs`. */
  shared(slot: Slot, useMs: number): void {
    const { recorder, hub } = this.#engine
    recorder.returned(useMs)
    if (hub.calls !== undefined) hub.calls.observer?.returned(useMs)
    if (hub.has('release')) this.#report(slot, useMs)
  }

  /**
   * Takes a connection back on which nothing is in flight, from the shared lane. `isOwed`: another
   * pool is owed it.
   */
  endSharing(slot: Slot, isOwed = false): void {
    slot.endSharing()
    if (slot.state !== 'leased') return
    const { departures, handoff } = this.#engine
    const now = this.#engine.now()
    if (isOwed && slot.lostReason === undefined) {
      departures.retire(slot, OWED)
      handoff.supply(now)
      return
    }
    this.#takeBack(slot, now)
  }

  /** Resets a connection that is idle and has been shared. */
  rest(slot: Slot): void {
    this.#engine.handoff.removeIdle(slot)
    slot.connection!.ref()
    this.#refresh(slot)
  }

  /** Resets a session that callers have left as it was, as far as their texts show. */
  #refresh(slot: Slot): void {
    const { handoff } = this.#engine
    handoff.expectBack(1)
    this.#clean(slot, () => handoff.expectBack(-1))
  }

  /** Takes a connection back to be destroyed. */
  discard(slot: Slot, reason: string): void {
    this.#endLease(slot, this.#engine.now())
    this.#engine.departures.destroy(slot, reason)
    this.#engine.handoff.supply(this.#engine.now())
  }

  /** A lease was given back a second time. */
  releasedAgain(slot: Slot): void {
    const { hub, name } = this.#engine
    hub.emit('release', { pool: name, connection: slot.id, useMs: 0, again: true })
  }

  #endLease(slot: Slot, now: number): void {
    const engine = this.#engine
    slot.endLease(engine.name)
    const useMs = now - slot.leasedAt
    engine.recorder.returned(useMs)
    if (engine.hub.calls !== undefined) engine.hub.calls.observer?.returned(useMs)
    engine.leaks.ended(slot)
    if (engine.hub.has('release')) this.#report(slot, useMs)
  }

  #report(slot: Slot, useMs: number): void {
    const { hub, name } = this.#engine
    hub.emit('release', { pool: name, connection: slot.id, useMs })
  }

  /**
   * What cannot be undone ends with the session: with a good-bye if nothing is under way, so that
   * its locks are gone before the next one.
   */
  #endSpoiled(slot: Slot, reason: string): void {
    const { departures, handoff } = this.#engine
    const polite = slot.quiet && slot.connection!.transactionStatus() !== 'unknown'
    if (polite) departures.retire(slot, reason)
    else departures.destroy(slot, reason)
    handoff.supply(this.#engine.now())
  }

  #clean(slot: Slot, over?: () => void): void {
    slot.beginCleaning()
    clean(this.#engine, slot).then(
      () => {
        over?.()
        if (slot.state !== 'cleaning') {
          // The caller that has counted on it needs another.
          if (over !== undefined) this.#engine.handoff.supply(this.#engine.now())
          return
        }
        // By what was begun before the end of the lease, and sent after it.
        const { spoiled } = slot.marks
        if (spoiled === undefined) this.reuse(slot, this.#engine.now())
        else this.#engine.departures.break(slot, spoiled)
      },
      (error: unknown) => {
        over?.()
        const why = messageOf(error)
        this.#engine.departures.break(slot, `could not be cleaned: ${why}`)
      },
    )
  }

  /** Hands a clean connection to the next caller, or retires it if its time has come. */
  reuse(slot: Slot, now: number): void {
    const engine = this.#engine
    const reason =
      engine.departures.reasonToRetire(slot, now) ??
      (engine.seat === undefined ? undefined : this.#reasonToGiveUp(slot, engine.seat))
    if (reason === undefined) {
      engine.handoff.offer(slot, now)
    } else {
      engine.departures.retire(slot, reason)
      engine.handoff.supply(now)
    }
  }

  #reasonToGiveUp({ uses }: Slot, seat: BudgetSeat): string | undefined {
    const { slots, config } = this.#engine
    // A connection serves at least one caller, or two pools could pass a permit to and fro and
    // serve none.
    if (uses === 0 || slots.size <= config.min) return undefined
    return seat.owes() ? OWED : undefined
  }
}

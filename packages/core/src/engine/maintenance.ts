import { countStaying } from '../slot/count-slots.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'

// A late tick shows that the process was frozen (a suspended container, SIGSTOP). An event loop
// that was blocked for this long counts as well, since sessions may have died meanwhile.
const HEARTBEAT_MS = 1_000
const FROZEN_MS = 2_500

/**
 * Looks after connections in the background: idle time, lifetime, surplus, forgotten leases, frozen
 * processes.
 */
export class Maintenance {
  readonly #engine: EngineView
  #lastBeat: number
  #lastWall: number

  /** Counts from now on. */
  constructor(engine: EngineView) {
    this.#engine = engine
    this.#lastBeat = engine.clock.now()
    this.#lastWall = engine.clock.wallNow()
  }

  /**
   * When maintenance must run next; `Infinity` for an empty pool.
   */
  nextAt(now: number): number {
    if (this.#engine.slots.size === 0) return Number.POSITIVE_INFINITY
    let next = now + HEARTBEAT_MS
    const staying = countStaying(this.#engine.slots)
    for (const slot of this.#engine.slots) {
      if (slot.state === 'idle') {
        next = Math.min(next, slot.expiresAt, this.#idleUntil(slot, staying))
      }
    }
    return Math.max(next, now + 1)
  }

  /** When an idle connection has been idle for too long, given how many there would be with it. */
  #idleUntil(slot: Slot, staying: number): number {
    const { idleTimeoutMs, min } = this.#engine.config
    if (idleTimeoutMs === 0 || staying <= min) return Number.POSITIVE_INFINITY
    return slot.idleSince + idleTimeoutMs
  }

  /**
   * Notices that the process was frozen, even if no timer has fired yet; called before a connection
   * is lent after a pause.
   */
  checkFreeze(now: number): void {
    if (this.#engine.slots.size === 0) {
      this.#beat(now)
      return
    }
    const late = now - this.#lastBeat - HEARTBEAT_MS
    // CLOCK_MONOTONIC stands still while a machine is suspended, the wall clock does not.
    const wallGap = this.#engine.clock.wallNow() - this.#lastWall - (now - this.#lastBeat)
    this.#beat(now)
    if (late <= FROZEN_MS && Math.abs(wallGap) <= FROZEN_MS) return
    this.#engine.handoff.suspect()
    // Names of statements have aged meanwhile, and the clock may have stood still.
    this.#engine.connector.statements.definitionsChanged()
  }

  #beat(now: number): void {
    this.#lastBeat = now
    this.#lastWall = this.#engine.clock.wallNow()
  }

  /** Whether the last tick is old enough to look at the clocks again. */
  isDue(now: number): boolean {
    return now - this.#lastBeat >= HEARTBEAT_MS
  }

  /** Retires idle connections whose time has come, and looks for leaks. */
  sweep(now: number): void {
    this.checkFreeze(now)
    let staying = countStaying(this.#engine.slots)
    for (const slot of this.#engine.slots) {
      if (slot.state === 'idle') {
        const reason = this.#reasonToRetire(slot, now, staying)
        if (reason !== undefined) {
          staying--
          this.#engine.departures.retire(slot, reason)
        } else if (slot.marks.wasShared && now - slot.idleSince >= HEARTBEAT_MS) {
          this.#engine.returns.rest(slot)
        }
      } else if (slot.state === 'leased' && !slot.shared) {
        this.#engine.leaks.check(slot, now)
      }
    }
  }

  #reasonToRetire(slot: Slot, now: number, staying: number): string | undefined {
    if (slot.expiresAt <= now) return 'maximum lifetime reached'
    if (staying > this.#engine.config.max) return 'the pool has shrunk'
    if (this.#idleUntil(slot, staying) <= now) return 'idle for too long'
    return undefined
  }
}

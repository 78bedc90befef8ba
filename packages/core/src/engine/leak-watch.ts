import type { Lease } from '../api/lease.js'
import { LeaseReleasedError } from '../outcome/errors.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'
import type { Waiter } from './wait-queue.js'

/** A caller that waits for a lease. */
export type LeaseWaiter = Waiter & {
  /**
   * Where the caller stood, if that was sampled: by the time it is served, the stack is that of
   * whatever serves it.
   */
  calledFrom: { readonly stack?: string } | undefined
}

// A stack costs 7 µs. One in 128 acquires, and at most one in 10 ms, keeps that below 0.1 % of a
// core; once a leak was seen, the culprit is worth finding.
const SAMPLE_EVERY = 128
const SAMPLE_PAUSE_MS = 10
const SAMPLES_AFTER_LEAK = 10_000

type LeakHost = Pick<EngineView, 'name' | 'config' | 'clock' | 'recorder' | 'hub' | 'returns'>

/**
 * Finds forgotten leases: those that are out for too long, and those whose object the garbage
 * collector has taken. A lease is only put under the collector's watch when it has survived a round
 * of maintenance, so short ones cost nothing.
 */
export class LeakWatch {
  readonly #engine: LeakHost
  // Made with the first lease that is out for long.
  #registry: FinalizationRegistry<{ slot: Slot; generation: number }> | undefined
  #untilSample = 1
  #nextSampleAt = Number.NEGATIVE_INFINITY
  #sampleAll = 0

  /** Reports each lease of this engine at most once for each kind of leak. */
  constructor(engine: LeakHost) {
    this.#engine = engine
  }

  /** A caller begins to wait for a lease: remembers, now and then, where. */
  waits(call: LeaseWaiter, now: number): void {
    call.calledFrom = this.#sample(this.waits, now)
  }

  /** A lease was made: remembers it, and now and then where. */
  made(slot: Slot, lease: Lease, call: LeaseWaiter | undefined): void {
    slot.lease = lease
    slot.acquireStack =
      call === undefined ? this.#sample(this.made, slot.leasedAt) : call.calledFrom
  }

  #sample(
    above: (...args: never[]) => unknown,
    now: number,
  ): { readonly stack?: string } | undefined {
    if (this.#sampleAll > 0) this.#sampleAll--
    else if (--this.#untilSample > 0 || now < this.#nextSampleAt) return undefined
    this.#untilSample = SAMPLE_EVERY
    this.#nextSampleAt = now + SAMPLE_PAUSE_MS
    const holder: { stack?: string } = {}
    Error.captureStackTrace(holder, above)
    return holder
  }

  /** A lease has ended. */
  ended(slot: Slot): void {
    if (slot.watched) this.#registry?.unregister(slot)
    slot.watched = false
    slot.lease = undefined
    slot.acquireStack = undefined
    slot.leakReported = false
  }

  /** Looks at a lease that is out, once a round. */
  check(slot: Slot, now: number): void {
    const { leakWarningMs } = this.#engine.config
    const { lease } = slot
    // A caller that took the driver's own object may use it without keeping the lease.
    if (lease !== undefined && !slot.rawTaken) {
      slot.lease = undefined
      slot.watched = true
      // Until its text is made, a stack holds every `this` on it, and one of these may hold the
      // lease.
      if (slot.acquireStack !== undefined) slot.acquireStack = { stack: slot.acquireStack.stack! }
      this.#registry ??= new FinalizationRegistry((held) => {
        if (held.slot.generation === held.generation && held.slot.state === 'leased') {
          this.#collected(held.slot)
        }
      })
      this.#registry.register(lease, { slot, generation: slot.generation }, slot)
    }
    if (leakWarningMs === 0 || slot.leakReported || now - slot.leasedAt < leakWarningMs) return
    slot.leakReported = true
    this.#sampleAll = SAMPLES_AFTER_LEAK
    this.#report(slot, now - slot.leasedAt, false)
  }

  /** No caller can give the lease back any more: the pool takes it back itself. */
  #collected(slot: Slot): void {
    const { clock, name, returns } = this.#engine
    this.#report(slot, clock.now() - slot.leasedAt, true)
    const { generation } = slot
    // A stream or copy holds its lease while it is read or fed.
    slot.occupant?.interrupt((executed) => new LeaseReleasedError(name, executed))
    // A statement may still run whose answer is awaited, so that comes to its end first.
    void slot.whenQuiet().then(() => {
      if (slot.generation === generation) returns.giveBack(slot)
    })
  }

  #report(slot: Slot, heldMs: number, collected: boolean): void {
    const { name, recorder, hub } = this.#engine
    recorder.leaks++
    hub.emit('leak', {
      pool: name,
      connection: slot.id,
      heldMs,
      statement: slot.shownStatement(this.#engine.config),
      stack: slot.acquireStack?.stack,
      collected,
    })
  }
}

import type { Lease } from '../api/lease.js'
import type { AcquireCall } from '../lease/acquire-call.js'
import type { Slot } from '../slot/slot.js'

/** A lease that nobody gave back. */
export interface Leak {
  /** Its connection. */
  readonly slot: Slot
  /** How long it has been out, in milliseconds. */
  readonly heldMs: number
  /**
   * True if the lease object was collected by the garbage collector: nobody can give it back any
   * more.
   */
  readonly collected: boolean
}

// A stack costs 7 µs. One in 128 acquires, and at most one in 10 ms, keeps that below 0.1 % of a
// core; once a leak was seen, the culprit is worth finding.
const SAMPLE_EVERY = 128
const SAMPLE_PAUSE_MS = 10
const SAMPLES_AFTER_LEAK = 10_000

/**
 * Finds forgotten leases: those that are out for too long, and those whose object the garbage
 * collector has taken. A lease is only put under the collector's watch when it has survived a round
 * of maintenance, so short ones cost nothing.
 */
export class LeakWatch {
  readonly #onLeak: (leak: Leak) => void
  readonly #now: () => number
  // Made with the first lease that is out for long.
  #registry: FinalizationRegistry<{ slot: Slot; generation: number }> | undefined
  #untilSample = 1
  #nextSampleAt = Number.NEGATIVE_INFINITY
  #sampleAll = 0

  /** `onLeak` is called at most once for each lease and kind of leak. */
  constructor(now: () => number, onLeak: (leak: Leak) => void) {
    this.#now = now
    this.#onLeak = onLeak
  }

  /** A caller begins to wait for a lease: remembers, now and then, where. */
  waits(call: AcquireCall, now: number): void {
    call.calledFrom = this.#sample(this.waits, now)
  }

  /** A lease was made: remembers it, and now and then where. */
  made(slot: Slot, lease: Lease, call: AcquireCall | undefined): void {
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

  #makeRegistry(): FinalizationRegistry<{ slot: Slot; generation: number }> {
    return new FinalizationRegistry(({ slot, generation }) => {
      if (slot.generation !== generation || slot.state !== 'leased') return
      this.#onLeak({ slot, heldMs: this.#now() - slot.leasedAt, collected: true })
    })
  }

  /** Looks at a lease that is out, once a round. */
  check(slot: Slot, now: number, warningMs: number): void {
    const { lease } = slot
    // Whoever took the driver's own object may use it without keeping the lease.
    if (lease !== undefined && !slot.rawTaken) {
      slot.lease = undefined
      slot.watched = true
      // Until its text is made, a stack holds every `this` on it, and one of these may hold the
      // lease.
      if (slot.acquireStack !== undefined) slot.acquireStack = { stack: slot.acquireStack.stack! }
      this.#registry ??= this.#makeRegistry()
      this.#registry.register(lease, { slot, generation: slot.generation }, slot)
    }
    if (warningMs === 0 || slot.leakReported || now - slot.leasedAt < warningMs) return
    slot.leakReported = true
    this.#sampleAll = SAMPLES_AFTER_LEAK
    this.#onLeak({ slot, heldMs: now - slot.leasedAt, collected: false })
  }
}

import type { Lease } from '../api/lease.js'
import type { LeakSnapshot } from '../api/stats.js'
import { callersFrames } from '../outcome/callers-frames.js'
import { LeaseReleasedError } from '../outcome/errors.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'
import { warnOfLeak } from './leak-warning.js'
import type { Waiter } from './wait-queue.js'

/** A caller that waits for a lease. */
export type LeaseWaiter = Waiter & {
  /**
   * Where the caller stood, if that was sampled: by the time it is served, the stack is that of
   * whatever serves it.
   */
  calledFrom: { readonly stack?: string } | undefined
}

// A stack costs some 10 µs. A hundred a second cost 0.1 % of a core. A pool that is used less knows
// of every lease where it was acquired, and its first leak has a place too. Once a leak was seen,
// the culprit is worth finding at any rate.
const SAMPLE_PAUSE_MS = 10
const SAMPLES_AT_ONCE = 100
const SAMPLES_AFTER_LEAK = 10_000
// Pools over pools stand between the caller and the engine, and are left out of what is shown.
const FRAMES_OF_OURS = 15
const FRAMES_SHOWN = 10
const LEAKS_KEPT = 20

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
  // When the next sample would be due if they were taken one each `SAMPLE_PAUSE_MS`.
  #sampleDueAt = Number.NEGATIVE_INFINITY
  #sampleAll = 0
  // The newest last.
  readonly #leaks: (Omit<LeakSnapshot, 'agoMs'> & { readonly at: number })[] = []

  /** Reports each lease of this engine at most once for each kind of leak. */
  constructor(engine: LeakHost) {
    this.#engine = engine
  }

  /** A caller begins to wait for a lease: remembers where, unless there are too many. */
  waits(call: LeaseWaiter, now: number): void {
    call.calledFrom = this.#sample(this.waits, now)
  }

  /** A lease was made: remembers it, and where, unless there are too many. */
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
    else if (this.#sampleDueAt - now >= SAMPLE_PAUSE_MS * SAMPLES_AT_ONCE) return undefined
    this.#sampleDueAt = Math.max(this.#sampleDueAt, now) + SAMPLE_PAUSE_MS
    return stackAbove(above)
  }

  /** A lease has ended. */
  ended(slot: Slot): void {
    if (slot.watched) this.#registry?.unregister(slot)
    slot.watched = false
    slot.lease = undefined
    slot.acquireStack = undefined
    slot.lastOccupant = undefined
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
    if (leakWarningMs === 0 || slot.leakReported || now - movedAt(slot, now) < leakWarningMs) return
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

  /** The last leaks, the newest first. */
  snapshot(now: number): readonly LeakSnapshot[] {
    const leaks = this.#leaks.map(({ at, ...leak }) => Object.freeze({ ...leak, agoMs: now - at }))
    return Object.freeze(leaks.reverse())
  }

  #report(slot: Slot, heldMs: number, collected: boolean): void {
    const { name, recorder, hub, clock, config } = this.#engine
    recorder.leaks++
    const statement = slot.shownStatement(config)
    const leak = { connection: slot.id, heldMs, statement, stack: acquiredAt(slot), collected }
    this.#leaks.push({ ...leak, at: clock.now() })
    if (this.#leaks.length > LEAKS_KEPT) this.#leaks.shift()
    if (hub.has('leak')) hub.emit('leak', { pool: name, ...leak })
    else if (collected || slot.connection!.inFlight === 0) warnOfLeak(name, leak)
  }
}

/** Where the lease of a connection was acquired, the caller's frame first, if that was sampled. */
export function acquiredAt({ acquireStack }: Slot): string | undefined {
  const stack = acquireStack?.stack
  if (stack === undefined) return undefined
  return callersFrames(stack).split('\n').slice(0, FRAMES_SHOWN).join('\n')
}

/**
 * When a lease last showed life: a stream or a copy that moves is not forgotten, also while its
 * reader takes the rows of one batch, and of the last one.
 */
function movedAt(slot: Slot, now: number): number {
  const { lastOccupant } = slot
  if (lastOccupant === undefined) return slot.leasedAt
  if (lastOccupant.taken !== slot.takenSeen) {
    slot.takenSeen = lastOccupant.taken
    slot.takenAt = now
  }
  return Math.max(slot.leasedAt, slot.sentAt, slot.connection!.lastByteAt, slot.takenAt)
}

function stackAbove(above: (...args: never[]) => unknown): { readonly stack?: string } {
  const holder: { stack?: string } = {}
  const { stackTraceLimit } = Error
  try {
    // With a limit of 0 the application wants no frames.
    if (stackTraceLimit > 0) Error.stackTraceLimit = stackTraceLimit + FRAMES_OF_OURS
    Error.captureStackTrace(holder, above)
    Error.stackTraceLimit = stackTraceLimit
  } catch {
    // The application has frozen `Error` itself.
  }
  return holder
}

import { AsyncLocalStorage } from 'node:async_hooks'
import type { BudgetedPool } from '../api/connection-budget.js'
import { PoolDeadlockError } from '../outcome/errors.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'
import type { Waiter } from './wait-queue.js'

/**
 * A lease and the work that holds it; `parent` is the lease that this work was itself begun under,
 * of any pool.
 */
interface LeaseScope {
  readonly slot: Slot
  readonly generation: number
  readonly parent: LeaseScope | undefined
  readonly heldAt: { readonly stack?: string } | undefined
}

interface NestedWait {
  /** Of the pool it waits for. */
  readonly watch: DeadlockWatch
  readonly scope: LeaseScope
  readonly waitingAt: { readonly stack?: string }
}

// A release in the meantime would have handed a connection to somebody; half a second without one
// is no coincidence.
const STILL_MS = 500
// How soon it is looked again while holders wait.
const AGAIN_MS = 200

// One store for all pools, made when the first lease is held over user code: on Node.js 20 every
// `await` costs more from then on.
let storage: AsyncLocalStorage<LeaseScope> | undefined
// Holders that wait for another connection, of all pools, in the order in which they began to:
// those who wait for each other may do so at different pools.
const nested = new Map<Waiter, NestedWait>()
// By what a pool is at its budget.
const watches = new WeakMap<BudgetedPool, DeadlockWatch>()

/**
 * Finds deadlocks that pools themselves cause: every connection that could serve those who wait is
 * held by work that waits for another one, so nobody will ever give one back. With a budget that is
 * not only a connection of the same pool, but one of any pool whose permit it could get. Follows
 * the leases of `use()` and `transaction()` through AsyncLocalStorage; a lease from bare
 * `acquire()` belongs to no piece of work that could be told apart. Costs nothing but a field until
 * a holder waits.
 */
export class DeadlockWatch {
  readonly #engine: EngineView
  // How many of those who wait do so for this pool.
  #waiting = 0

  /** Begins with nobody waiting. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** The pool is known at its budget by this. */
  joined(pool: BudgetedPool): BudgetedPool {
    watches.set(pool, this)
    return pool
  }

  /** Runs work that holds a lease. */
  hold<R>(slot: Slot, work: () => R): R {
    storage ??= new AsyncLocalStorage()
    const parent = storage.getStore()
    const scope: LeaseScope = {
      slot,
      generation: slot.generation,
      parent: parent !== undefined && isHeld(parent) ? parent : undefined,
      // Only the one who takes the last connection, or holds one already, can complete a deadlock.
      heldAt: this.#isFull() ? stackOf(this.hold) : undefined,
    }
    return storage.run(scope, work)
  }

  /** Somebody begins to wait: notes it if that somebody holds a lease, of whatever pool. */
  waits(waiter: Waiter): void {
    const scope = storage?.getStore()
    if (scope === undefined || !isHeld(scope)) return
    nested.set(waiter, { watch: this, scope, waitingAt: stackOf(this.waits) })
    this.#waiting++
    this.#engine.wakeAt(this.#engine.now() + STILL_MS)
  }

  /** When to look again; `Infinity` while no holder waits for this pool. */
  nextAt(now: number): number {
    return this.#waiting > 0 ? now + AGAIN_MS : Number.POSITIVE_INFINITY
  }

  /** Looks for a deadlock, and ends it by refusing the youngest of those who wait in it. */
  check(): void {
    if (this.#waiting === 0) return
    const stuck = stuckWaits()
    let youngest: Waiter | undefined
    for (const waiter of stuck.keys()) youngest = waiter
    if (youngest !== undefined) refuse(youngest)
  }

  /** The wait is over, whatever its end. */
  forget(waiter: Waiter): void {
    if (nested.delete(waiter)) this.#waiting--
  }

  /** The pool is closed: nobody waits for it any more. */
  stop(): void {
    for (const [waiter, { watch }] of nested) if (watch === this) this.forget(waiter)
  }

  /** Whether the one has waited long enough that a release would have come. */
  waitsLong(waiter: Waiter): boolean {
    return this.#engine.now() - waiter.enqueuedAt >= STILL_MS
  }

  /**
   * Whether nothing can serve those who wait for this pool but connections that the blocked ones
   * hold.
   */
  isStuck(held: ReadonlySet<Slot>): boolean {
    if (!this.#holdsAll(held)) return false
    if (this.#isFull()) return true
    // It may grow, as soon as there is a permit.
    const holders = this.#engine.seat?.holders?.()
    if (holders === undefined) return false
    for (const pool of holders) {
      const watch = watches.get(pool)
      if (watch !== this && (watch === undefined || watch.#gives(pool, held))) return false
    }
    return true
  }

  /** Ends the wait of one. */
  refuse(waiter: Waiter, { scope, waitingAt }: NestedWait): void {
    this.forget(waiter)
    const heldAt =
      scope.heldAt?.stack ??
      `lease of connection ${scope.slot.id}, last statement: ${scope.slot.lastStatement ?? 'none'}`
    const beyond = this.#isFull() ? 'pool' : 'budget'
    const { name: pool, handoff, hub } = this.#engine
    const error = new PoolDeadlockError(pool, heldAt, waitingAt.stack ?? 'unknown', beyond)
    handoff.leave(waiter)
    waiter.refuse(error)
    hub.emit('deadlock', { pool, error })
  }

  /**
   * Whether the pool could pass a connection on to others: an idle one, or one that its holder
   * gives back.
   */
  #gives(pool: BudgetedPool, held: ReadonlySet<Slot>): boolean {
    if (pool.idleSince() !== undefined) return true
    const { slots } = this.#engine
    if (slots.size <= this.#engine.config.min) return false
    for (const slot of slots) if (slot.state !== 'idle' && !this.#isBlocked(slot, held)) return true
    return false
  }

  #holdsAll(held: ReadonlySet<Slot>): boolean {
    for (const slot of this.#engine.slots) if (!this.#isBlocked(slot, held)) return false
    return true
  }

  #isBlocked(slot: Slot, held: ReadonlySet<Slot>): boolean {
    // A stream between two fetches waits for its reader as well.
    const waits = slot.quiet || slot.occupant?.asking === false
    const still = slot.state === 'leased' && waits && this.#engine.now() - slot.leasedAt >= STILL_MS
    return still && held.has(slot)
  }

  #isFull(): boolean {
    return this.#engine.slots.size >= this.#engine.config.max
  }
}

/**
 * Those who wait for each other: begins with every holder that waits, and takes out whoever can be
 * served by anybody beside them, until nobody can.
 */
function stuckWaits(): Map<Waiter, NestedWait> {
  const stuck = new Map<Waiter, NestedWait>()
  for (const [waiter, wait] of nested) {
    if (waiter.lane === undefined) wait.watch.forget(waiter)
    else if (wait.watch.waitsLong(waiter)) stuck.set(waiter, wait)
  }
  for (let before = -1; before !== stuck.size; ) {
    before = stuck.size
    const held = new Set<Slot>()
    for (const { scope } of stuck.values()) {
      for (let s: LeaseScope | undefined = scope; s !== undefined; s = s.parent) {
        if (isHeld(s)) held.add(s.slot)
      }
    }
    for (const [waiter, { watch }] of stuck) if (!watch.isStuck(held)) stuck.delete(waiter)
  }
  return stuck
}

function refuse(waiter: Waiter): void {
  const wait = nested.get(waiter)!
  wait.watch.refuse(waiter, wait)
}

function isHeld(scope: LeaseScope): boolean {
  return scope.slot.generation === scope.generation
}

function stackOf(above: (...args: never[]) => unknown): { readonly stack?: string } {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, above)
  return holder
}

import { AsyncLocalStorage } from 'node:async_hooks'
import type { BudgetedPool } from '../api/connection-budget.js'
import { PoolDeadlockError } from '../outcome/errors.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'
import { acquiredAt } from './leak-watch.js'
import type { Waiter } from './wait-queue.js'

/**
 * A lease and the work that holds it; `parent` is the lease that this work was itself begun under,
 * of any pool.
 */
interface LeaseScope {
  readonly slot: Slot
  readonly generation: number
  readonly parent: LeaseScope | undefined
  /** The async function that holds it, of this call alone. */
  readonly holder: AnyFunction
}

interface NestedWait {
  /** Of the pool it waits for. */
  readonly watch: DeadlockWatch
  readonly scope: LeaseScope
  readonly heldAt: { readonly stack?: string }
  readonly waitingAt: { readonly stack?: string }
}

type AnyFunction = (...args: never[]) => unknown

// A release in the meantime would have served a caller; half a second without one is no
// coincidence.
const STILL_MS = 500
// How soon the watch looks again while holders wait.
const AGAIN_MS = 200

// One store for all pools, made when the first lease is held over user code: on Node.js 20 every
// `await` costs more from then on.
let storage: AsyncLocalStorage<LeaseScope> | undefined
// Holders of a lease that wait for another connection, oldest first, of all pools: a deadlock may
// span several pools.
const nested = new Map<Waiter, NestedWait>()
// Finds the watch of a pool by the object that its budget knows.
const watches = new WeakMap<BudgetedPool, DeadlockWatch>()

/**
 * Finds deadlocks that pools cause themselves: every connection that could serve the waiting
 * callers is held by work that waits for another one, so none will ever be released. With a budget
 * that includes the connections of other pools, whose permits this pool could get. Follows the
 * leases of `use()` and `transaction()` through AsyncLocalStorage; a lease from bare `acquire()`
 * cannot be assigned to a piece of work. Costs nothing but a field until a holder waits.
 */
export class DeadlockWatch {
  readonly #engine: EngineView
  // Holders that wait for this pool.
  #waiting = 0

  /** Watches this engine. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** Notes the object by which the budget knows the pool. */
  joined(pool: BudgetedPool): BudgetedPool {
    watches.set(pool, this)
    return pool
  }

  /**
   * Runs work that holds a lease. `holder` is the async function that calls this and waits for the
   * work. It must be a closure of this call alone: where it stands on the stack of a caller that
   * waits, the frames behind it say where the lease was taken. A stack taken here, for a deadlock
   * that hardly ever comes, cost more than all the rest.
   */
  hold<Argument, R>(
    slot: Slot,
    holder: AnyFunction,
    work: (argument: Argument) => R,
    argument: Argument,
  ): R {
    storage ??= new AsyncLocalStorage()
    const parent = storage.getStore()
    const scope: LeaseScope = {
      slot,
      generation: slot.generation,
      parent: parent !== undefined && isHeld(parent) ? parent : undefined,
      holder,
    }
    return storage.run(scope, work, argument)
  }

  /** A caller begins to wait: notes it if the caller holds a lease of any pool. */
  waits(waiter: Waiter): void {
    const scope = storage?.getStore()
    if (scope === undefined || !isHeld(scope)) return
    nested.set(waiter, {
      watch: this,
      scope,
      heldAt: stackOf(scope.holder),
      waitingAt: stackOf(this.waits),
    })
    this.#waiting++
    this.#engine.wakeAt(this.#engine.now() + STILL_MS)
  }

  /** When to look again; `Infinity` while no holder waits for this pool. */
  nextAt(now: number): number {
    return this.#waiting > 0 ? now + AGAIN_MS : Number.POSITIVE_INFINITY
  }

  /** Looks for a deadlock, and ends it by refusing its youngest waiter. */
  check(): void {
    if (this.#waiting === 0) return
    const youngest = [...stuckWaits()].at(-1)
    if (youngest !== undefined) youngest[1].watch.#refuse(...youngest)
  }

  /** The wait is over, whatever its end. */
  forget(waiter: Waiter): void {
    if (nested.delete(waiter)) this.#waiting--
  }

  /** The pool is closed, so no caller waits for it. */
  stop(): void {
    for (const [waiter, { watch }] of nested) if (watch === this) this.forget(waiter)
  }

  /** Whether a waiter has waited so long that a release would have come. */
  waitsLong(waiter: Waiter): boolean {
    return this.#engine.now() - waiter.enqueuedAt >= STILL_MS
  }

  /**
   * Whether every connection that could serve this pool's waiters is held by blocked work.
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

  /** Refuses one waiter, to end the deadlock. */
  #refuse(waiter: Waiter, wait: NestedWait): void {
    this.forget(waiter)
    const heldAt = this.#whereHeld(wait)
    const { waitingAt } = wait
    const beyond = this.#isFull() ? 'pool' : 'budget'
    const { name: pool, handoff, hub } = this.#engine
    const error = new PoolDeadlockError(pool, heldAt, waitingAt.stack ?? 'unknown', beyond)
    handoff.leave(waiter)
    waiter.refuse(error)
    hub.emit('deadlock', { pool, error })
  }

  /**
   * Where the lease of a holder was taken: as the leak watch has sampled it, or as the caller that
   * waits shows it. If that is not called through `await`s from its holder, what the holder has
   * sent last must do.
   */
  #whereHeld({ scope: { slot }, heldAt }: NestedWait): string {
    const sampled = acquiredAt(slot)
    if (sampled !== undefined) return sampled
    const frames = heldAt.stack?.split('\n').slice(1) ?? []
    if (frames.some((frame) => !frame.includes('node:'))) return heldAt.stack!
    const last = slot.shownStatement(this.#engine.config)
    return `lease of connection ${slot.id}, last statement: ${last ?? 'none'}`
  }

  /**
   * Whether the pool could pass a connection on: an idle one, or one that its holder can release.
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
 * The waiters that wait for each other: starts from every holder that waits, and drops each that
 * work outside of the set can serve, until none can be dropped.
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

function isHeld(scope: LeaseScope): boolean {
  return scope.slot.generation === scope.generation
}

function stackOf(above: AnyFunction): { readonly stack?: string } {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, above)
  return holder
}

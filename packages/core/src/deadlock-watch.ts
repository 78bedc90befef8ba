import { AsyncLocalStorage } from 'node:async_hooks'
import { PoolDeadlockError } from './errors.js'
import type { Slot } from './slot.js'
import type { Waiter } from './wait-queue.js'

/** A lease and the work that holds it; `parent` is the lease that this work was itself begun under. */
interface LeaseScope {
  readonly slot: Slot
  readonly generation: number
  readonly parent: LeaseScope | undefined
  readonly heldAt: { readonly stack?: string } | undefined
}

interface NestedWait {
  readonly scope: LeaseScope
  readonly waitingAt: { readonly stack?: string }
}

/** What the watch needs to know of its pool. */
export interface DeadlockHost {
  /** Name for messages. */
  readonly name: string
  /** Every connection there is. */
  readonly slots: ReadonlySet<Slot>
  /** Most connections. */
  max(): number
  /** Refuses the one who waits, to end the deadlock. */
  refuse(waiter: Waiter, error: PoolDeadlockError): void
}

// A release in the meantime would have handed a connection to somebody; half a second without one is no coincidence.
const STILL_MS = 500

// One store for all pools, made when the first lease is held over user code: on Node.js 20 every `await` costs more from then on.
let storage: AsyncLocalStorage<LeaseScope> | undefined

/**
 * Finds deadlocks that the pool itself causes: all connections are held by work that waits for another one, so nobody will ever give
 * one back. Follows the leases of `use()` and `transaction()` through AsyncLocalStorage; a lease from bare `acquire()` belongs to no
 * piece of work that could be told apart.
 */
export class DeadlockWatch {
  readonly #host: DeadlockHost
  // Made with the first wait that a holder begins.
  #nested: Map<Waiter, NestedWait> | undefined

  /** Begins with nobody waiting. */
  constructor(host: DeadlockHost) {
    this.#host = host
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

  /** Somebody begins to wait: notes it if that somebody holds a lease. */
  waits(waiter: Waiter): void {
    const scope = storage?.getStore()
    if (scope === undefined || !isHeld(scope)) return
    this.#nested ??= new Map()
    this.#nested.set(waiter, { scope, waitingAt: stackOf(this.waits) })
  }

  /** Looks for a deadlock, and ends it by refusing the youngest of those who wait in it. */
  check(now: number): void {
    if (this.#nested === undefined || this.#nested.size === 0) return
    const held = new Set<Slot>()
    let youngest: Waiter | undefined
    for (const [waiter, { scope }] of this.#nested) {
      if (waiter.lane === undefined) {
        this.#nested.delete(waiter)
      } else if (now - waiter.enqueuedAt >= STILL_MS) {
        for (let s: LeaseScope | undefined = scope; s !== undefined; s = s.parent) {
          if (isHeld(s)) held.add(s.slot)
        }
        youngest = waiter
      }
    }
    if (youngest === undefined || !this.#isFull()) return
    for (const slot of this.#host.slots) {
      // A stream between two fetches waits for its reader as well.
      const waits = slot.quiet || slot.occupant?.asking === false
      const still = slot.state === 'leased' && waits && now - slot.leasedAt >= STILL_MS
      if (!still || !held.has(slot)) return
    }
    this.#refuse(youngest)
  }

  #refuse(waiter: Waiter): void {
    const { scope, waitingAt } = this.#nested!.get(waiter)!
    this.#nested!.delete(waiter)
    const heldAt =
      scope.heldAt?.stack ??
      `lease of connection ${scope.slot.id}, last statement: ${scope.slot.lastStatement ?? 'none'}`
    this.#host.refuse(
      waiter,
      new PoolDeadlockError(this.#host.name, heldAt, waitingAt.stack ?? 'unknown'),
    )
  }

  #isFull(): boolean {
    return this.#host.slots.size >= this.#host.max()
  }
}

function isHeld(scope: LeaseScope): boolean {
  return scope.slot.generation === scope.generation
}

function stackOf(above: (...args: never[]) => unknown): { readonly stack?: string } {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, above)
  return holder
}

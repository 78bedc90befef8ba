import { ConnectError } from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'

/** A pool of which there may be views that use its connections to some servers alone. */
interface WithServerViews<P> {
  onlyTo?(accepts: AcceptsServer): P
}

/**
 * A view of the pool that uses connections to accepted servers alone; the pool itself where it has
 * no such views.
 */
export function onlyTo<P extends WithServerViews<P>>(pool: P, accepts: AcceptsServer): P {
  return pool.onlyTo?.(accepts) ?? pool
}

const elsewhere = new WeakSet<Error>()

/**
 * Whether a call was refused because none of the pool's connections leads to a server that would
 * do. Nothing is wrong with that server.
 */
export function leadsElsewhere(error: unknown): boolean {
  return error instanceof Error && elsewhere.has(error)
}

/** The error for it. Nothing was sent. */
export function elsewhereError(pool: string, endpoint: string): ConnectError {
  const error = new ConnectError(
    `no connection of pool "${pool}" to ${endpoint} leads to the server that was asked for, and new ones lead to others`,
    { endpoint },
  )
  elsewhere.add(error)
  return error
}

// New connections that led to other servers, one after the other, from which on no more are opened
// in the hope of the right one.
const MOST_MISSES = 3
const LOST: ReadonlySet<string> = new Set(['closing', 'gone'])

/**
 * Knows which wishes for a server are in vain: none of the connections leads there, and new ones
 * lead elsewhere or cannot be opened.
 */
export class ServerWishes {
  readonly #misses = new WeakMap<AcceptsServer, number>()

  /** A connection was opened while this was wished for. */
  opened(slot: Slot, accepts: AcceptsServer): void {
    if (accepts(slot.server)) this.#misses.delete(accepts)
    else this.#misses.set(accepts, (this.#misses.get(accepts) ?? 0) + 1)
  }

  /**
   * Whether none of these connections will do, and there is no hope for another. `full` is whether
   * no more may be opened.
   */
  isVain(accepts: AcceptsServer, slots: Iterable<Slot>, full: boolean): boolean {
    for (const slot of slots) {
      if (LOST.has(slot.state)) continue
      if (slot.state === 'connecting' ? full : accepts(slot.server)) return false
    }
    if (!full && (this.#misses.get(accepts) ?? 0) < MOST_MISSES) return false
    this.#misses.delete(accepts)
    return true
  }
}

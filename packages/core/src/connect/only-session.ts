import type { ConnectionInfo } from '../api/driver.js'
import { ConnectError } from '../outcome/errors.js'
import type { Slot } from '../slot/slot.js'

/** Which connection has the only session of a server. */
interface Claim {
  readonly slot: WeakRef<Slot>
  /** Stands for the pool. */
  readonly owner: object
}

// By address, for all copies of the package in this process.
const KEY = Symbol.for('poolhouse.only-sessions')
const shared = globalThis as { [KEY]?: Map<string, Claim> }

/**
 * Takes the only session of a server for one connection. Throws a `ConnectError` while another
 * connection of this process has it: PGlite mixes the messages of its connections, so that one
 * could be answered with the rows of another. It is fatal unless that connection belongs to the
 * same pool, which opens another one only while the former ends. A connection that is gone has
 * given the session back.
 */
export function takeOnlySession(
  slot: Slot,
  owner: object,
  endpoint: string,
  { address, port }: ConnectionInfo,
): void {
  shared[KEY] ??= new Map()
  const key = address === undefined ? endpoint : `${address}:${port}`
  const held = shared[KEY].get(key)
  const holder = held?.slot.deref()
  if (held !== undefined && holder !== undefined && holder.state !== 'gone') {
    const which = held.owner === owner ? 'this pool' : 'another pool of this process'
    throw new ConnectError(
      `${endpoint} has one session for all its connections, as PGlite does, and ${which} uses it; use one pool with max: 1 for such a server, and neither listen() nor openSession()`,
      { endpoint, fatal: held.owner !== owner },
    )
  }
  shared[KEY].set(key, { slot: new WeakRef(slot), owner })
}

import type { PoolConfig } from '../api/pool-config.js'
import { ConnectError } from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import { formatEndpoint } from '../settings/endpoint.js'

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
export function elsewhereError({ name, settings }: PoolConfig): ConnectError {
  const endpoint = formatEndpoint(settings.endpoint)
  const error = new ConnectError(
    `no connection of pool "${name}" to ${endpoint} leads to the server that was asked for, and new ones lead to others`,
    { endpoint },
  )
  elsewhere.add(error)
  return error
}

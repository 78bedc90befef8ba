import type { ConnectError } from './errors.js'

// A look-up that says that there is no such name; no PostgreSQL server; OpenSSL's own errors, which
// say that the two sides do not agree, where a server that ends merely breaks the connection.
const BEYOND = /^(?:ENOTFOUND|POOLHOUSE_PROTOCOL|ERR_SSL_.*)$/

/**
 * Whether a connect failed for a reason that a server which is there and starts does not give. For
 * a pool that has never connected it is a mistake in its settings; later it may be a disturbance.
 */
export function isBeyondWaiting({ cause }: ConnectError): boolean {
  const { code } = (cause ?? {}) as { code?: unknown }
  return typeof code === 'string' && BEYOND.test(code)
}

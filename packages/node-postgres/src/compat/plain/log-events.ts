import type { ConnectionPool } from '@poolhouse/core'

// What `pg-pool` says, where it has words for it.
const SAYS: Readonly<Record<string, string>> = {
  'maximum uses reached': 'remove expended client',
  'maximum lifetime reached': 'remove expired client',
  'idle for too long': 'remove idle client',
  'the pool is closing': 'remove client on ending',
}

/** Tells a function, in words like those of `pg-pool`, what happens in a pool. */
export function logEvents(pool: ConnectionPool, log: (...messages: unknown[]) => void): void {
  pool.on('connect', () => log('new client connected'))
  pool.on('acquire', () => log('client acquired'))
  pool.on('release', () => log('client released'))
  pool.on('destroy', ({ reason }) => log(SAYS[reason] ?? `remove client: ${reason}`))
  pool.on('error', ({ error }) => log('client failed to connect', error))
}

import { ConnectError, type ConnectionPool, type PoolListener } from '@poolhouse/core'

/**
 * Tells when a pool cannot connect. Reads that wait for a connection would learn of it only at
 * their deadline, because a waiter waits on the pool and not on one connect. Returns the function
 * that ends the watch.
 */
export function watchConnects(
  pool: ConnectionPool,
  failed: (error: ConnectError) => void,
): () => void {
  const listener: PoolListener<'error'> = ({ error }) => {
    if (error instanceof ConnectError) failed(error)
  }
  pool.on('error', listener)
  return () => {
    pool.off('error', listener)
  }
}

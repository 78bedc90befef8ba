import { ConnectError, type ConnectionPool, type PoolListener } from '@poolhouse/core'

/**
 * Calls `failed` when a pool cannot connect. Reads that wait for a connection would learn of it
 * only at their deadline, because they wait for the pool and not for one connect. Returns the
 * function that ends the watch.
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

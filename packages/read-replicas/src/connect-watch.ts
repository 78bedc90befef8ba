import { ConnectError, type PoolListener } from '@poolhouse/core'
import type { ReplicaNode } from './replica-node.js'

/**
 * Tells when the pool of a node cannot connect. Reads that wait for a connection would learn of it only at their deadline,
 * because a waiter waits on the pool and not on one connect. Returns the function that ends the watch.
 */
export function watchConnects(
  node: ReplicaNode,
  failed: (error: ConnectError) => void,
): () => void {
  const listener: PoolListener<'error'> = ({ error }) => {
    if (error instanceof ConnectError) failed(error)
  }
  node.pool.on('error', listener)
  return () => {
    node.pool.off('error', listener)
  }
}

import type { Lease, Pool } from '@poolhouse/core'
import type { PoolClient } from 'pg'
import type { PgLibrary } from '../pg-library.js'
import type { ResultReader } from '../statement/pg-result.js'

/** What `connect()` does beside handing out a client. */
export interface CheckOutOptions {
  /** `eager`: a connection of the primary from the start; `lazy`: one per statement, if it can. */
  readonly checkout: 'eager' | 'lazy'
  /** What a second release does. */
  readonly doubleRelease: 'throw' | 'warn'
}

/** The pool that hands clients out, as they use it. */
export interface ClientHost extends CheckOutOptions {
  /** The application's copy of `pg`. */
  readonly pg: PgLibrary
  /** Where statements and connections come from. */
  readonly pool: Pool
  /** Reads undecoded results. */
  readonly results: ResultReader
  /** The facade, which emits `connect`, `acquire` and `release`. */
  readonly facade: NodeJS.EventEmitter
}

/** Hands out a client. Rejects with errors of core. */
export async function checkOut(host: ClientHost): Promise<PoolClient> {
  const lease = await host.pool.acquire()
  const client = leasedClient(host, lease)
  host.facade.emit('acquire', client)
  return client
}

function leasedClient(host: ClientHost, lease: Lease): PoolClient {
  let released = false
  const release = (error?: Error | boolean): void => {
    if (released) {
      if (host.doubleRelease === 'warn') return
      throw new Error('Release called on client which has already been released to the pool.')
    }
    released = true
    host.facade.emit('release', error, client)
    if (error) lease.destroy(error === true ? 'released as broken' : error.message)
    else lease.release()
  }
  const client = new Proxy(lease.raw as PoolClient, {
    get: (raw, name) => (name === 'release' ? release : Reflect.get(raw, name)),
  })
  return client
}

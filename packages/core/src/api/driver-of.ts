import { ConfigError } from '../outcome/errors.js'
import { ConnectionSettings } from '../settings/connection-settings.js'
import type { Driver } from './driver.js'
import type { Lease } from './lease.js'
import type { Pool } from './pool.js'

/** A pool that tells whose connections it hands out. */
export interface Driven {
  /** Its driver, or the pools that it is made of; undefined while it does not know. */
  readonly drivenBy?: Driver | Iterable<Pool> | undefined
  /**
   * How it connects, or the pool whose connections take its writes now; while there is no primary,
   * any of its nodes. Undefined while it knows none. Holds the password.
   */
  readonly connectsWith?: ConnectionSettings | Pool | undefined
}

/**
 * The driver whose connections a pool hands out, through every pool that it is made of. Undefined
 * where no pool tells: those of a topology that is not known yet, and decorators that leave out
 * `drivenBy`. Throws `ConfigError` for a pool that is made of pools over different drivers.
 */
export function driverOf(pool: Pool): Driver | undefined {
  const told = (pool as Driven).drivenBy
  if (told === undefined || !isIterable(told)) return told
  let found: Driver | undefined
  for (const part of told) {
    const driver = driverOf(part)
    if (driver === undefined) continue
    if (found !== undefined && found.name !== driver.name) {
      throw new ConfigError(
        `pool "${pool.name}" is made of pools over the drivers "${found.name}" and "${driver.name}"; make all of them over one`,
      )
    }
    found ??= driver
  }
  return found
}

/**
 * How a pool connects to the server that takes its writes now. While there is no primary, to any of
 * its nodes. Undefined where no pool tells.
 */
export function settingsOf(pool: Pool): ConnectionSettings | undefined {
  const told = (pool as Driven).connectsWith
  return told === undefined || told instanceof ConnectionSettings ? told : settingsOf(told)
}

/**
 * The pool of the server that takes the writes of a pool now, as `settingsOf` finds it; the pool
 * itself where none tells.
 */
export function writerOf(pool: Pool): Pool {
  const told = (pool as Driven).connectsWith
  return told === undefined || told instanceof ConnectionSettings ? pool : writerOf(told)
}

/**
 * Whether a lease of a pool leads to the server that takes the pool's writes. A pool that routes no
 * reads has no other leases.
 */
export function leadsToWriter(pool: Pool, { node }: Pick<Lease, 'node'>): boolean {
  return !('reader' in pool) || writerOf(pool).name === node
}

function isIterable(told: Driver | Iterable<Pool>): told is Iterable<Pool> {
  return Symbol.iterator in told
}

import { checkNumber, checkWord, refuseUnknownOptions } from '@poolhouse/core/kit'

/**
 * Options of `startRepmgr`.
 *
 * @example
 * await startRepmgr({ nodes: 2, patience: 'defaults', network: 'loopback' })
 */
export interface RepmgrOptions {
  /** Number of nodes, named `a`, `b`, `c`, …, from 2 to 5. Default 3. */
  readonly nodes?: number | undefined
  /**
   * After how long the standbys give up a primary. `quick`: some 3 s. `defaults`: as repmgr comes,
   * a minute. Default `quick`.
   */
  readonly patience?: 'quick' | 'defaults' | undefined
  /**
   * Where the nodes listen: all on `loopback`, or each in a network `namespaces` of its own, so
   * that it can be cut off with `isolate`. That takes root, the programs `ip` and `nsenter`, and a
   * process that was run by `unshare --net --mount`. Default `loopback`.
   */
  readonly network?: 'loopback' | 'namespaces' | undefined
}

/** Checks the options and fills in the defaults. Throws `TypeError` or `RangeError`. */
export function readRepmgrOptions(options: RepmgrOptions): {
  nodes: number
  patience: 'quick' | 'defaults'
  network: 'loopback' | 'namespaces'
} {
  const where = 'startRepmgr'
  refuseUnknownOptions(where, options, new Set(['nodes', 'patience', 'network']))
  const { nodes = 3, patience = 'quick', network = 'loopback' } = options
  checkNumber(where, 'nodes', nodes, { min: 2, max: 5, integer: true })
  checkWord(where, 'patience', patience, ['quick', 'defaults'])
  checkWord(where, 'network', network, ['loopback', 'namespaces'])
  return { nodes, patience, network }
}

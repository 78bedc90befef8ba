import { checkBoolean, checkNumber, checkWord, refuseUnknownOptions } from '@poolhouse/core/kit'

/**
 * Options of `startPatroni`.
 *
 * @example
 * await startPatroni({ nodes: 2, synchronous: false, network: 'loopback' })
 */
export interface PatroniOptions {
  /** Number of nodes, named `a`, `b`, `c`, …, from 1 to 5. Default 3. */
  readonly nodes?: number | undefined
  /**
   * Whether a commit waits for a standby (`synchronous_mode`), so that no failover loses one.
   * Default true.
   */
  readonly synchronous?: boolean | undefined
  /**
   * Where the nodes listen: all on `loopback`, or each in a network `namespaces` of its own, so
   * that it can be cut off with `isolate`. That takes root, the programs `ip` and `nsenter`, and a
   * process that was run by `unshare --net --mount`. Default `loopback`.
   */
  readonly network?: 'loopback' | 'namespaces' | undefined
}

/**
 * Checks the options and fills in the defaults. Throws `TypeError` or `RangeError` naming option
 * and value.
 */
export function readPatroniOptions(options: PatroniOptions): {
  nodes: number
  synchronous: boolean
  network: 'loopback' | 'namespaces'
} {
  const where = 'startPatroni'
  refuseUnknownOptions(where, options, new Set(['nodes', 'synchronous', 'network']))
  const { nodes = 3, synchronous = true, network = 'loopback' } = options
  checkNumber(where, 'nodes', nodes, { min: 1, max: 5, integer: true })
  checkBoolean(where, 'synchronous', synchronous)
  checkWord(where, 'network', network, ['loopback', 'namespaces'])
  return { nodes, synchronous, network }
}

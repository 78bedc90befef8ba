import { checkNumber, checkWord, refuseUnknownOptions } from '@poolhouse/core/kit'

/** Options of `startRepmgr`. */
export interface RepmgrOptions {
  /** Nodes, named `a`, `b`, `c`, …. From 2 to 5; default 3. */
  readonly nodes?: number | undefined
  /**
   * After how long the standbys give up a primary. `quick` (default): some 3 s. `defaults`: as
   * repmgr comes, a minute.
   */
  readonly patience?: 'quick' | 'defaults' | undefined
  /**
   * Where the nodes listen: all on `loopback` (default), or each in a network `namespaces` of its
   * own, so that it can be cut off with `isolate`. That takes root, the programs `ip` and
   * `nsenter`, and a process that was run by `unshare --net --mount`.
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

import { checkBoolean, checkNumber, refuseUnknownOptions } from '@poolhouse/core'

/** Options of `startPatroni`. */
export interface PatroniOptions {
  /** Nodes, named `a`, `b`, `c`, …. From 1 to 5; default 3. */
  readonly nodes?: number | undefined
  /** Whether a commit waits for a standby (`synchronous_mode`), so that no failover loses one. Default true. */
  readonly synchronous?: boolean | undefined
}

/** Checks the options and fills in the defaults. Throws `TypeError` or `RangeError` naming option and value. */
export function readPatroniOptions(options: PatroniOptions): {
  nodes: number
  synchronous: boolean
} {
  const where = 'startPatroni'
  refuseUnknownOptions(where, options, new Set(['nodes', 'synchronous']))
  const { nodes = 3, synchronous = true } = options
  checkNumber(where, 'nodes', nodes, { min: 1, max: 5, integer: true })
  checkBoolean(where, 'synchronous', synchronous)
  return { nodes, synchronous }
}

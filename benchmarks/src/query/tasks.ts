import type { Sample } from '../interleave.js'
import { databaseDown } from './database-down.js'
import { load, violations } from './load.js'
import { idleConnections, idlePools } from './memory.js'
import { queryVariants, resetVariants } from './variants.js'

/** One task: who takes part, and how one of them is measured against the server at `url`. */
export interface QueryTask {
  readonly variants: readonly string[]
  /** Whether the way to the server takes a millisecond in each direction. */
  readonly far?: boolean
  measure(variant: string, url: string): Promise<Sample>
}

const everybody = Object.keys(queryVariants)
const pools = ['poolhouse', 'pg.Pool, named']

function point(count: number): QueryTask {
  return {
    variants: everybody,
    measure: (variant, url) => load(queryVariants[variant]!, url, count),
  }
}

function reset(count: number, far: boolean): QueryTask {
  return {
    far,
    variants: Object.keys(resetVariants),
    measure: (variant, url) => load(resetVariants[variant]!, url, count),
  }
}

/** Every measurement against a server, by name. */
export const queryTasks: Readonly<Record<string, QueryTask>> = {
  'point query, 1 caller': point(1),
  'point query, 10 callers': point(10),
  'point query, 100 callers': point(100),
  'reset, 10 callers': reset(10, false),
  'reset, 1 ms away, 1 caller': reset(1, true),
  'unique violations, 10 callers': {
    variants: pools,
    measure: (variant, url) => violations(queryVariants[variant]!, url, 10),
  },
  'database down (refuses), 500 callers': {
    variants: pools,
    measure: (variant) => databaseDown(variant, 'refuses'),
  },
  'database down (accepts and closes), 500 callers': {
    variants: pools,
    measure: (variant) => databaseDown(variant, 'accepts and closes'),
  },
  'idle connections': {
    variants: ['poolhouse', 'pg.Pool', 'pg.Client'],
    measure: (variant, url) => idleConnections(variant, url),
  },
  '1000 idle pools': {
    variants: ['poolhouse', 'pg.Pool'],
    measure: (variant) => idlePools(variant),
  },
}

import type { Sample } from '../interleave.js'
import { load } from '../query/load.js'
import { checkOuts } from './check-out.js'
import {
  asWritten,
  facade,
  type MakePool,
  pgPool,
  throughDrizzle,
  throughKysely,
} from './variants.js'

/** One task: who takes part, and how one of them is measured. */
export interface CompatTask {
  readonly variants: readonly string[]
  measure(variant: string, url: string): Promise<Sample>
}

/** Name of the task of so many callers. */
export const facadeTask = (count: number): string =>
  `pg.Pool facade, ${count} caller${count === 1 ? '' : 's'}`

const pools: Readonly<Record<string, MakePool>> = { poolhouse: facade(), 'pg.Pool': pgPool }
const checkOutPools: Readonly<Record<string, MakePool>> = {
  'poolhouse, lazy': facade({ checkout: 'lazy' }),
  'poolhouse, eager': facade(),
  'pg.Pool': pgPool,
}

const facadeTasks = [1, 10, 100].map((count): [string, CompatTask] => [
  facadeTask(count),
  {
    variants: Object.keys(pools),
    measure: (variant, url) => load(asWritten(pools[variant]!), url, count),
  },
])

/** Every measurement of the facade, by name. */
export const compatTasks: Readonly<Record<string, CompatTask>> = {
  ...Object.fromEntries(facadeTasks),
  'Drizzle select, 10 callers': {
    variants: Object.keys(pools),
    measure: (variant, url) => load(throughDrizzle(pools[variant]!), url, 10),
  },
  'Kysely select, 10 callers': {
    variants: Object.keys(pools),
    measure: (variant, url) => load(throughKysely(pools[variant]!), url, 10),
  },
  'check-out and release': {
    variants: Object.keys(checkOutPools),
    measure: (variant, url) => checkOuts(checkOutPools[variant]!, url),
  },
}

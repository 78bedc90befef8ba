import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import type { Sample } from '../interleave.js'
import { load } from '../query/load.js'
import { type MakeVariant, poolhouse, postgresJsItself, queryVariants } from '../query/variants.js'
import {
  type MakeOpener,
  opening,
  ourPool,
  ourSession,
  type Place,
  pgClient,
  postgresInstance,
} from './opening.js'

/** How a server wants to be spoken to. */
export type PlaceName = 'SCRAM' | 'trust' | 'TLS and SCRAM'

/** One task: at which server, who takes part, and how one of them is measured. */
export interface DriverTask {
  readonly place: PlaceName
  readonly variants: readonly string[]
  measure(variant: string, place: Place): Promise<Sample>
}

const callers: Readonly<Record<string, Readonly<Record<string, MakeVariant>>>> = {
  'postgres.js': {
    // Not named, because postgres.js finds names by itself too.
    poolhouse: (options) => poolhouse(postgresJs(), options, false),
    // One statement at a time on each connection, as ours.
    'postgres.js': (options) => postgresJsItself(options, { max_pipeline: 0, prepare: true }),
  },
  pg: {
    poolhouse: queryVariants['poolhouse']!,
    'pg.Pool, named': queryVariants['pg.Pool, named']!,
  },
}

const openers: Readonly<Record<string, Readonly<Record<string, MakeOpener>>>> = {
  'postgres.js': {
    poolhouse: ourSession(postgresJs()),
    'poolhouse, pool of one': ourPool(postgresJs()),
    // By default it asks for the array types with its first statement, which ours does not have to.
    'postgres.js': postgresInstance({ fetch_types: false }),
    'postgres.js, defaults': postgresInstance(),
  },
  pg: {
    poolhouse: ourSession(nodePostgres()),
    'poolhouse, pool of one': ourPool(nodePostgres()),
    'pg.Client': pgClient,
  },
}

/** Name of the task of one driver and so many callers. */
export const pointTask = (driver: string, count: number): string =>
  `${driver}, point query, ${count} caller${count === 1 ? '' : 's'}`

/** Name of the task of one driver and one way to log in. */
export const openTask = (driver: string, place: PlaceName): string => `${driver}, opening, ${place}`

const pointTasks = Object.entries(callers).flatMap(([driver, variants]) =>
  [1, 10, 100].map((count): [string, DriverTask] => [
    pointTask(driver, count),
    {
      place: 'trust',
      variants: Object.keys(variants),
      measure: (variant, { url }) => load(variants[variant]!, url, count),
    },
  ]),
)

const openTasks = Object.entries(openers).flatMap(([driver, variants]) =>
  (['SCRAM', 'trust', 'TLS and SCRAM'] as const).map((place): [string, DriverTask] => [
    openTask(driver, place),
    {
      place,
      variants: Object.keys(variants),
      measure: (variant, where) => opening(variants[variant]!, where),
    },
  ]),
)

/** Every measurement of drivers, by name. */
export const driverTasks: Readonly<Record<string, DriverTask>> = Object.fromEntries([
  ...pointTasks,
  ...openTasks,
])

import { createManager, singleton } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'

const nodes = process.env.DATABASE_URL ?? '' // postgres://app@a,b,c/app

export const manager = singleton(
  'manager',
  () =>
    createManager({
      drivers: { pg: nodePostgres() },
      databases: { app: { nodes, pool: { max: 5 } } },
    }),
  { key: nodes }, // another URL makes another manager, and closes the former one
)
export const db = manager.database('app')

/** Which edition of this file is at work: the recipe changes it while the server runs. */
export const edition = 0

import type { Driver } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { CONNECTIONS, type MakeContender } from './contender.js'
import { asWritten, shared } from './contenders.js'
import { withMultiplex } from './multiplex.js'

/** What core alone is called beside the stack of the same name. */
export const alone = (stack: string): string => `${stack}, core alone`

/**
 * A database of the manager whose primary is followed: `query` passes the manager's view, the
 * routing of reads, failover and core. Its reader also decides which server takes the read: the
 * primary, as there is no replica, where it runs in a transaction that can only read.
 */
const stack =
  (makeDriver: () => Driver, reads: boolean): MakeContender =>
  async (url) => {
    const driver = makeDriver()
    const manager = withMultiplex('auto', (own) =>
      createManager({
        drivers: { driver },
        databases: { app: { nodes: url, pool: { max: CONNECTIONS, ...own } } },
        budget: { perServer: 2 * CONNECTIONS },
      }),
    )
    await manager.ready()
    const database = manager.database('app')
    return asWritten(reads ? database.reader() : database, () => manager.shutdown())
  }

/** All packages together, and core alone. */
export const stacks: Readonly<Record<string, MakeContender>> = {
  poolhouse: stack(nodePostgres, false),
  'poolhouse over postgres.js': stack(postgresJs, false),
  'poolhouse, reader()': stack(nodePostgres, true),
  ...Object.fromEntries(Object.entries(shared).map(([name, make]) => [alone(name), make])),
}

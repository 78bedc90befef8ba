import type { ConnectionOptions, Driver } from '@poolhouse/core'
import type { DiscoveredNode, Discovery } from '@poolhouse/failover'
import type { DatabaseOptions } from './database-options.js'

/** One server, and how the database that lists it connects there. */
export interface ServerSpec {
  readonly host: string
  readonly port: number
  readonly connection: ConnectionOptions
}

/** The options of one database, checked, with their defaults and in one shape. */
export interface DatabaseSpec {
  /** Its name in the configuration, for messages and events. */
  readonly name: string
  readonly driver: Driver
  /** One server, a fixed primary with replicas, or nodes whose primary is followed. */
  readonly kind: 'single' | 'replicated' | 'followed'
  /** The servers; the primary first, where it is fixed. Empty with `discover`. */
  readonly servers: readonly ServerSpec[]
  /** Lists the servers of a followed database, in the place of `servers`. */
  readonly discover: Discovery<DiscoveredNode> | undefined
  /** How to connect to a discovered server; host and port come from the discovery. */
  readonly template: ConnectionOptions
  readonly pool: NonNullable<DatabaseOptions['pool']>
  readonly failover: NonNullable<DatabaseOptions['failover']>
  readonly reads: NonNullable<DatabaseOptions['reads']>
  /** Its share of a short budget, against 1 of every other database. */
  readonly weight: number
}

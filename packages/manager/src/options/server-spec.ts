import type { ConnectionOptions } from '@poolhouse/core'

/** One server of a cluster, and how the database that the cluster was made for connects to it. */
export interface ServerSpec {
  readonly host: string
  readonly port: number
  readonly connection: ConnectionOptions
}

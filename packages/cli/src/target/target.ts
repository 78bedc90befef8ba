import type { ConnectionOptions, Driver } from '@poolhouse/core'
import type { DatabaseOptions, LoadedConfig } from '@poolhouse/manager'

/** The role that a server has by the configuration; `node`: its role is found out. */
export type ConfiguredRole = 'primary' | 'replica' | 'node'

/** One server of a database, as configured or discovered. */
export interface TargetServer {
  /** `host:port/database`. */
  readonly endpoint: string
  /** The role that it is to have. */
  readonly role: ConfiguredRole
  /** How to connect to it. Holds the password. */
  readonly connection: ConnectionOptions
  /** The driver of its database. */
  readonly driver: Driver
}

/** One database of the configuration. */
export interface TargetDatabase {
  /** Its name in the configuration; `app` for a URL. */
  readonly name: string
  /** How its servers are given. */
  readonly kind: 'single' | 'replicated' | 'followed'
  /** Its options. */
  readonly options: DatabaseOptions
  /**
   * Lists its servers, and asks its discovery if it has one. Rejects with `ConfigError` for a wrong
   * address, and with what the discovery rejects with.
   */
  servers(signal: AbortSignal): Promise<readonly TargetServer[]>
}

/** The databases that a command is about. */
export interface Target {
  /** Where they are from, for humans: `the URL`, a file, or variables. */
  readonly origin: string
  /** The configuration file, if there is one. */
  readonly file: string | undefined
  /** The configuration, checked. */
  readonly config: LoadedConfig
  /** A driver for each key that the configuration names. */
  readonly drivers: Readonly<Record<string, Driver>>
  /** The databases. At least one. */
  readonly databases: readonly TargetDatabase[]
  /** Every password that is known as a text, to keep it out of what is printed. */
  readonly secrets: ReadonlySet<string>
}

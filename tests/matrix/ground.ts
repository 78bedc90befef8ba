import type { ConnectionOptions, PoolOptions } from '@poolhouse/core'
import type { ServerUnderTest } from '@poolhouse/testkit/conformance'

/** Options that every pool of a corner gets, as its users would give them. */
export type CornerOptions = Partial<Pick<PoolOptions, 'pooler' | 'max'>>

/** What an outage is tried on. */
export interface Field extends AsyncDisposable {
  /** Connection URLs, one for each node of the pool to fail over. */
  readonly urls: readonly string[]
  /** Has the primary die and another server take its place; resolves when that takes writes. */
  fail(): Promise<void>
}

/** A running corner of the matrix: servers, and what stands before them. */
export interface Ground extends AsyncDisposable {
  /** Names of the programs with their versions. */
  readonly versions: Readonly<Record<string, string>>
  /** Connection URL of an application. */
  readonly url: string
  /** What its pools are given. */
  readonly options: CornerOptions
  /**
   * The server as the conformance suites see it: its address is that of `url`, and its `sql` goes
   * past everything that stands before it.
   */
  readonly server: ServerUnderTest
  /** Further ways in that treat start-up parameters in another way, by what is special in them. */
  readonly startUps?: Readonly<Record<string, string>>
  /** Connection URL of a replica; undefined where there is none. */
  readonly replicaUrl?: string | undefined
  /** Whether BEGIN is refused here. */
  readonly noTransactions?: boolean
  /** Servers for an outage; undefined where there is no second one. */
  field?(): Promise<Field>
}

/** A URL as connection settings with run-time parameters. */
export function withParameters(
  url: string,
  parameters: Readonly<Record<string, string>>,
): ConnectionOptions {
  const { username, password, hostname, port, pathname } = new URL(url)
  return {
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    database: decodeURIComponent(pathname.slice(1)),
    parameters,
  }
}

/** The address of a URL. */
export function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

/** The class of the errors that postgres.js makes of what the server said. */
export type PostgresErrorClass = new (fields: Readonly<Record<string, string>>) => Error

/** The parsed options of an instance, which it reads again and again while it lives. */
export interface InstanceOptions {
  [name: string]: unknown
  pass: unknown
  parsers: Record<string | number, unknown>
  serializers: Record<string | number, unknown>
}

/** What an instance runs: its own queries, and what has their shape. */
export type Handler = (query: object) => void

/** What we use of an instance, the function `sql`. */
export interface PostgresSql {
  (...parts: unknown[]): unknown
  readonly options: InstanceOptions
  readonly PostgresError: PostgresErrorClass
  /** Makes a query that is not sent before somebody awaits it. */
  unsafe(text: string): { readonly handler: Handler }
  end(options: { timeout: number }): Promise<void>
}

/** The module `postgres`: a function that makes instances. */
export type PostgresModule = (options: Record<string, unknown>) => PostgresSql

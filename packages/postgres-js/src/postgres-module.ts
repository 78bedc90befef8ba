/** The class of postgres.js for errors of the server. */
export type PostgresErrorClass = new (fields: Readonly<Record<string, string>>) => Error

/** The parsed options of an instance, which it reads at each use. */
export interface InstanceOptions {
  [name: string]: unknown
  pass: unknown
  parsers: Record<string | number, unknown>
  serializers: Record<string | number, unknown>
}

/** Runs a query of the instance, or an object of its shape. */
export type Handler = (query: object) => void

/** The part of an instance, the function `sql`, that is used. */
export interface PostgresSql {
  (...parts: unknown[]): unknown
  readonly options: InstanceOptions
  readonly PostgresError: PostgresErrorClass
  /** Makes a query that is sent when it is awaited. */
  unsafe(text: string): { readonly handler: Handler }
  end(options: { timeout: number }): Promise<void>
}

/** The module `postgres`: a function that makes instances. */
export interface PostgresModule {
  (options: Record<string, unknown>): PostgresSql
  readonly PostgresError: PostgresErrorClass
}

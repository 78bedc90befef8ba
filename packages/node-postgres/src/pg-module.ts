import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * The part of `pg`'s `Connection` that is used, which `@types/pg` leaves out.
 */
export interface PgWire extends EventEmitter {
  /** What it reads and writes. */
  readonly stream: Socket
  /** Text of each named statement that the server has parsed. */
  parsedStatements: Record<string, string>
  /** Text of each named statement that was sent and not yet answered. */
  submittedNamedStatements: Record<string, string>
}

/** The part of `pg.Client` that is used. */
export interface PgClient extends EventEmitter {
  readonly connection: PgWire
  readonly connectionParameters: {
    password: unknown
    options: string | undefined
    replication: string | undefined
    query_timeout: number | undefined | false
  }
  password: unknown
  connect(callback: (error: Error | null) => void): void
  query(submittable: PgSubmittable): unknown
}

/** What runs its own statement over `pg`'s connection, such as a cursor of `pg-cursor`. */
export interface PgSubmittable {
  submit(wire: PgWire): Error | null
  handleError(error: Error, wire: PgWire): void
}

// Registered, so that both builds of this package find it.
const MODULE = Symbol.for('poolhouse.pgModule')

/** Has a driver know the copy of `pg` that it uses, for `moduleOf`. */
export function usesModule<D extends object>(driver: D, pg: PgModule): D {
  return Object.defineProperty(driver, MODULE, { value: pg })
}

/** The copy of `pg` that a driver of this package uses; undefined for any other driver. */
export function moduleOf(driver: object): PgModule | undefined {
  return (driver as { [MODULE]?: PgModule })[MODULE]
}

/** The part of the module that is used. */
export interface PgModule {
  readonly Client: new (config: Record<string, unknown>) => PgClient
  /** The class of `pg-protocol` for errors of the server. */
  readonly DatabaseError?: unknown
  readonly types: { getTypeParser(oid: number, format: 'binary'): (value: Buffer) => unknown }
}

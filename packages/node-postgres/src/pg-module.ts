import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * The part of `pg`'s `Connection` that is used. `@types/pg` leaves it out, although `pg-cursor` and
 * `pg-query-stream` use the same methods.
 */
export interface PgWire extends EventEmitter {
  /** The socket or TLS stream that it reads and writes. */
  readonly stream: Socket
  /** Text of each named statement that the server has parsed. */
  parsedStatements: Record<string, string>
  /** Text of each named statement that was sent and not yet answered. */
  submittedNamedStatements: Record<string, string>
}

/** The part of `pg.Client` that is used. */
export interface PgClient extends EventEmitter {
  readonly connection: PgWire
  readonly processID: number | null
  readonly secretKey: number | null
  /** False while any statement is under way. */
  readonly readyForQuery?: boolean
  readonly connectionParameters: {
    password: unknown
    options: string | undefined
    replication: string | undefined
    query_timeout: number | undefined | false
  }
  password: unknown
  connect(callback: (error: Error | null) => void): void
  query(submittable: PgSubmittable): unknown
  /** The query that was sent and not yet answered; undefined or null if there is none. */
  readonly _activeQuery?: unknown
  /** The same, before `pg` 8.17. Newer versions warn of its use. */
  readonly activeQuery?: unknown
}

/** The interface through which `pg` runs statements that are no `pg.Query`. */
export interface PgSubmittable {
  submit(wire: PgWire): Error | null
  handleRowDescription(message: { fields: readonly PgField[] }): void
  handleDataRow(message: { fields: readonly (string | null)[] }): void
  handlePortalSuspended(wire: PgWire): void
  handleEmptyQuery(wire: PgWire): void
  handleCommandComplete(message: { text: string }, wire: PgWire): void
  handleReadyForQuery(): void
  handleError(error: Error, wire: PgWire): void
  handleCopyInResponse(wire: PgWire): void
  handleCopyData(message: { chunk: Buffer }): void
}

/** A column as `pg` describes it: a `FieldInfo`, and more. */
interface PgField {
  readonly name: string
  readonly tableID: number
  readonly columnID: number
  readonly dataTypeID: number
  readonly dataTypeSize: number
  readonly dataTypeModifier: number
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

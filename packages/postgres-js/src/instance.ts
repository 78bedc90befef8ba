import type { ConnectionSettings } from '@poolhouse/core/kit'
import { startupOptions, timersAreReal, withRealTimers } from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import { OWN_OPTIONS } from './own-options.js'
import type { Handler, InstanceOptions, PostgresModule, PostgresSql } from './postgres-module.js'
import type { StandInSocket } from './stand-in-socket.js'
import { ARRAY_TYPES, rawParsers, rawSerializers } from './wire/raw-values.js'

/** An instance of postgres.js with one connection, which never reconnects. */
export interface Instance {
  /** The function `sql`. Methods that would reconnect, queue or hang reject. */
  readonly sql: PostgresSql
  /** Runs a query, or an object of its shape. */
  readonly handler: Handler
  /** Rejects everything that waits inside, now and later. */
  dispose(): void
}

/** Makes the instance of one session. It connects when it gets something to run. */
export type MakeInstance = (parts: InstanceParts) => Instance

/** What an instance is made of. */
interface InstanceParts {
  readonly settings: ConnectionSettings
  /** Turns the texts of the server into values. */
  readonly types: TypeParsers
  /**
   * Called for each socket that postgres.js opens: the first is for the session, the others are
   * for cancel requests.
   */
  readonly socket: () => StandInSocket | Promise<StandInSocket>
}

// Methods that the pool replaces, or that need more than one connection of a pool.
const REFUSED: Readonly<Record<string, string>> = {
  begin: 'use pool.transaction, or run BEGIN on the lease',
  reserve: 'the lease is a reserved connection already',
  end: 'release or destroy the lease; the pool closes its connections',
  close: 'release or destroy the lease; the pool closes its connections',
  listen: 'use pool.listen',
  subscribe: 'open an instance of postgres.js of your own for logical replication',
  largeObject:
    'it needs sql.begin; use pool.transaction and the functions lo_open, loread and lowrite',
}

/**
 * Has postgres.js parse the options that all instances share, once, because that is its slowest
 * part.
 */
export function makeTemplate(postgres: PostgresModule): InstanceOptions {
  // `target_session_attrs` is removed in `instanceMaker`.
  const { options } = postgres({ ...OWN_OPTIONS, onnotice: noop })
  return options
}

/** Returns a function that makes instances with the options of the template. */
export function instanceMaker(postgres: PostgresModule, template: InstanceOptions): MakeInstance {
  return ({ settings, types, socket }) => {
    const { host, port, database } = settings.endpoint
    const { application_name = settings.applicationName } = settings.parameters
    const sql = postgres({
      // With `shared` set, postgres.js does not parse the options again.
      ...template,
      host: [host],
      port: [port],
      database,
      user: settings.user,
      pass: '',
      connection: { application_name, options: startupOptions(settings) },
      target_session_attrs: null,
      parsers: rawParsers(types),
      serializers: rawSerializers(template.serializers),
      parameters: {},
      shared: { retries: 0, typeArrayMap: ARRAY_TYPES },
      no_subscribe: true,
      socket,
    })
    const { handler } = sql.unsafe('')
    const end = sql.end.bind(sql)
    for (const [name, instead] of Object.entries(REFUSED)) {
      Object.defineProperty(sql, name, { value: refuse(name, instead), configurable: true })
    }
    return {
      sql,
      // postgres.js writes in `setImmediate`, and with a faked one would never send anything.
      handler: (query) => {
        if (timersAreReal()) handler(query)
        else withRealTimers(() => handler(query))
      },
      dispose: () => {
        // The only way to reject what is queued inside. It does not wait.
        end({ timeout: 0 }).catch(noop)
      },
    }
  }
}

function refuse(name: string, instead: string): () => Promise<never> {
  return () => {
    const refusal = Promise.reject<never>(
      new TypeError(`sql.${name} does not work on a connection of a pool: ${instead}`),
    )
    // Without a handler by the caller, the rejection must not end the process.
    refusal.catch(noop)
    return refusal
  }
}

function noop(): void {}

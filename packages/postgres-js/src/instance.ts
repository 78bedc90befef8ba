import type { ConnectionSettings } from '@poolhouse/core/kit'
import { startupOptions, timersAreReal, withRealTimers } from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import type { Handler, InstanceOptions, PostgresModule, PostgresSql } from './postgres-module.js'
import { ARRAY_TYPES, rawParsers, rawSerializers } from './raw-values.js'
import type { StandInSocket } from './stand-in-socket.js'

/** An instance of postgres.js that has one connection, which it makes once. */
export interface Instance {
  /** The function `sql`. What would connect again, queue or hang refuses. */
  readonly sql: PostgresSql
  /** Runs a query, or what has its shape. */
  readonly handler: Handler
  /** Rejects what waits inside, for ever. */
  dispose(): void
}

/** Makes the instance of one session. It does not connect before it is given something to run. */
export type MakeInstance = (parts: InstanceParts) => Instance

/** What an instance is made for. */
interface InstanceParts {
  /** Where to and as whom. */
  readonly settings: ConnectionSettings
  /** Makes values of the texts that the server sends. */
  readonly types: TypeParsers
  /**
   * Called for each socket that it wants; the first is that of the session, the others are to send
   * cancel requests.
   */
  readonly socket: () => StandInSocket | Promise<StandInSocket>
}

// What a pool does better, or what cannot be done on one connection that somebody else owns.
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
 * Reads the options that all instances share, once, because postgres.js takes longer for that than
 * for the rest. No option is left out: for one that is, it would look into the environment.
 */
export function makeTemplate(postgres: PostgresModule): InstanceOptions {
  const { options } = postgres({
    host: 'localhost',
    port: 5432,
    user: 'poolhouse',
    database: 'poolhouse',
    // The log-in is not done by postgres.js, which is never shown the password.
    pass: () => '',
    max: 1,
    // The socket is encrypted already.
    ssl: false,
    sslnegotiation: null,
    idle_timeout: null,
    connect_timeout: null,
    max_lifetime: null,
    max_pipeline: 100,
    backoff: 0,
    keep_alive: null,
    prepare: true,
    debug: false,
    fetch_types: false,
    publications: 'alltables',
    // Any, so that it does not look for one; taken away below.
    target_session_attrs: 'primary',
    connection: { application_name: 'poolhouse' },
    onnotice: noop,
  })
  return options
}

/** Makes instances whose options are those of the template. */
export function instanceMaker(postgres: PostgresModule, template: InstanceOptions): MakeInstance {
  return ({ settings, types, socket }) => {
    const { host, port, database } = settings.endpoint
    const { application_name = settings.applicationName } = settings.parameters
    const sql = postgres({
      // With `shared` among them, postgres.js takes options as read.
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
      // postgres.js puts off its writes with `setImmediate`, and would never send under a fake one.
      handler: (query) => {
        if (timersAreReal()) handler(query)
        else withRealTimers(() => handler(query))
      },
      dispose: () => {
        // Only this rejects what is queued inside. It waits for nothing.
        end({ timeout: 0 }).catch(noop)
      },
    }
  }
}

function refuse(name: string, instead: string): () => Promise<never> {
  return () => {
    const refusal = Promise.reject<never>(
      new TypeError(`sql.${name} is not for a connection of a pool: ${instead}`),
    )
    // Nobody may wait for it, and that must not end the process.
    refusal.catch(noop)
    return refusal
  }
}

function noop(): void {}

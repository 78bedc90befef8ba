import type { RawHolder } from '@poolhouse/core/kit'
import { realTimers } from '@poolhouse/core/net'
import { OwnListeners } from './own-listeners.js'
import type { PgClient, PgSubmittable } from './pg-module.js'

// Properties that an EventEmitter changes on itself.
const OF_EMITTERS: ReadonlySet<PropertyKey> = new Set(['_events', '_eventsCount', '_maxListeners'])

type Query = (...args: unknown[]) => unknown

// Allowed after the release: removing listeners, and the properties that the language itself reads.
const ENDS_LISTENING: ReadonlySet<PropertyKey> = new Set(['off', 'removeListener'])
const OF_THE_LANGUAGE: ReadonlySet<PropertyKey> = new Set([
  'then',
  'constructor',
  'toJSON',
  'toString',
])

/**
 * Lends the client of one session to its borrowers. Each borrower gets a proxy that works like the
 * client during the lease, and afterwards refuses calls like a closed `pg.Client`. What bypasses
 * the proxy, on the real client, ends the session if there is no holder.
 */
export class LentClient {
  readonly #client: PgClient
  readonly #own: OwnListeners
  readonly #query: Query
  readonly #broken: (what: string) => void
  #holder: RawHolder | undefined

  /** Wraps the client before it is handed out for the first time; `broken` ends the session. */
  constructor(client: PgClient, broken: (what: string) => void) {
    this.#client = client
    this.#broken = broken
    this.#own = new OwnListeners(client)
    this.#query = client.query.bind(client) as Query
    client.query = (...args: unknown[]) => this.#onRealClient(args)
  }

  /** Returns the proxy for a borrower, who is the holder from now on. */
  to(holder: RawHolder): PgClient {
    this.#holder = holder
    const query: Query = (...args) => {
      const refusal = holder.refusal()
      return refusal === undefined ? this.#query(...args) : refuse(this.#client, args, refusal)
    }
    const checked = (name: PropertyKey): void => {
      if (typeof name === 'symbol' || OF_THE_LANGUAGE.has(name)) return
      const refusal = holder.refusal()
      if (refusal !== undefined) throw refusal
      if (name === 'connection') holder.exposed('the connection under its raw client')
      if (name === 'setTypeParser') holder.exposed('what sets the type parsers of its raw client')
    }
    const changes = (name: PropertyKey): void => {
      const refusal = holder.refusal()
      if (refusal !== undefined) throw refusal
      // Changes by adding listeners are fine: they are removed at the release.
      if (!OF_EMITTERS.has(name)) holder.exposed('a way to change its raw client')
    }
    return new Proxy(this.#client, {
      get(client, name) {
        if (name === 'query') return query
        if (ENDS_LISTENING.has(name)) return client.off.bind(client)
        checked(name)
        return Reflect.get(client, name)
      },
      set(client, name, value) {
        changes(name)
        return Reflect.set(client, name, value)
      },
      defineProperty(client, name, descriptor) {
        changes(name)
        return Reflect.defineProperty(client, name, descriptor)
      },
      deleteProperty(client, name) {
        changes(name)
        return Reflect.deleteProperty(client, name)
      },
      setPrototypeOf: () => false,
      preventExtensions: () => false,
    })
  }

  /** Removes the listeners that borrowers have added. */
  restore(): void {
    this.#own.restore()
  }

  /** Handles a query on the real client, which a listener finds in `this`. */
  #onRealClient(args: unknown[]): unknown {
    const refusal = this.#refusal()
    if (refusal === undefined) return this.#query(...args)
    this.#broken('its raw client was used after its lease was over')
    return refuse(this.#client, args, refusal)
  }

  #refusal(): Error | undefined {
    return this.#holder === undefined ? new Error('the client is not lent') : this.#holder.refusal()
  }
}

/** Refuses a query in the way of a closed `pg.Client`, with another error. */
function refuse(client: PgClient, args: readonly unknown[], error: Error): unknown {
  const [config, second, third] = args as [Record<string, unknown> | string, unknown, unknown]
  const { submit, callback } = typeof config === 'string' ? {} : (config ?? {})
  if (typeof submit === 'function') {
    const query = config as unknown as PgSubmittable
    realTimers.nextTick(() => query.handleError(error, client.connection))
    return query
  }
  const hear = [second, third, callback].find((one) => typeof one === 'function')
  if (hear === undefined) return Promise.reject(error)
  realTimers.nextTick(hear as (error: Error) => void, error)
  return undefined
}

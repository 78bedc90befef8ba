import type { EventEmitter } from 'node:events'
import { LeaseReleasedError } from '@poolhouse/core'
import { realTimers } from '@poolhouse/core/net'
import { pinOf } from '@poolhouse/core/sql'
import type { ClientConfig, CustomTypesConfig, PoolClient as PgPoolClient } from 'pg'
import type { PgLibrary } from '../pg-library.js'
import { toPgError } from '../statement/pg-error.js'
import {
  callbackOf,
  isSubmittable,
  type PgQuery,
  type QueryCallback,
  readQuery,
  type Submittable,
} from '../statement/read-query.js'
import { type BorrowedClient, type Borrowing, fail } from './borrowing.js'
import type { ClientHost } from './client-host.js'
import { ForwardedEvents } from './forwarded-events.js'
import type { QueryTypes, RawClient } from './raw-work.js'
import { settle } from './settle.js'

/** A query that set something in a new session, to be run again after a reset. */
export interface Setting {
  readonly query: PgQuery
  readonly first: unknown
}

/** What hands a client out sees of it, beside what its borrower sees. */
export interface LendableClient extends BorrowedClient {
  /** The client, as its borrower has it. */
  readonly client: PgPoolClient
  /** Its check-out; undefined before the first one. */
  readonly borrowing: Borrowing | undefined
  /** Begins a check-out. */
  lend(borrowing: Borrowing, released: (error: unknown) => void): void
  /** From now on what changes the session is noted, or refused. */
  beginSetup(): void
  /** Ends that; returns what was noted. */
  endSetup(): readonly Setting[]
  /** Whether it was ended by its borrower. */
  readonly ending: boolean
}

/** Makes the clients of one facade. */
export type MakeClient = (host: ClientHost) => LendableClient

/** The class of the application, of which almost everything is replaced. */
type ClientClass = new (config: ClientConfig & { connection: object }) => EventEmitter

/** Parsers that can be changed: `TypeOverrides` of `pg`. */
interface OwnTypes extends CustomTypesConfig {
  constructor: new (types: CustomTypesConfig) => OwnTypes
  setTypeParser(...args: unknown[]): unknown
}

const classes = new WeakMap<object, MakeClient>()

// `pg.Client` opens no socket before `connect`, and makes one for its connection at once: a client
// of a pool has no connection of its own.
const NO_CONNECTION = Object.freeze({})

/** What makes clients that are instances of the application's `pg.Client`. */
export function clientMaker(pg: PgLibrary): MakeClient {
  let make = classes.get(pg.Client)
  if (make === undefined) {
    make = makerOf(pg.Client as unknown as ClientClass)
    classes.set(pg.Client, make)
  }
  return make
}

function makerOf(Base: ClientClass): MakeClient {
  class PoolClient extends Base {
    static {
      const bound = {
        processID: (client: PoolClient) => client.#face.borrowing?.processId ?? null,
        secretKey: (client: PoolClient) => client.#face.raw?.secretKey ?? null,
        connection: (client: PoolClient) => client.#face.raw?.connection,
        host: (client: PoolClient) =>
          client.#face.host.facade.options.host ?? parametersOf(client)?.host,
        port: (client: PoolClient) =>
          client.#face.host.facade.options.port ?? parametersOf(client)?.port,
      }
      for (const [name, read] of Object.entries(bound)) {
        Object.defineProperty(this.prototype, name, {
          configurable: true,
          get(this: PoolClient) {
            return #face in this ? read(this) : undefined
          },
          // The base class sets them once, to what it was made with.
          set() {},
        })
      }
      Object.defineProperty(this, 'name', { value: 'Client' })
    }

    readonly #face: ClientFace

    constructor(host: ClientHost) {
      const { facade, types } = host
      super({ ...facade.options, ...(types !== undefined && { types }), connection: NO_CONNECTION })
      this.#face = new ClientFace(this as unknown as FacedClient, host)
      Object.assign(this, { _connected: true })
    }

    /** What hands it out. */
    static faceOf(client: PoolClient): LendableClient {
      return client.#face
    }

    query(first: unknown, second: unknown, third: unknown): unknown {
      return this.#face.query(first, second, third)
    }

    connect(callback?: unknown): unknown {
      const error = new Error('Client has already been connected. You cannot reuse a client.')
      return settle(Promise.reject(error), callback, null)
    }

    end(callback?: unknown): unknown {
      return settle(this.#face.end(), callback, undefined)
    }

    override on(event: string | symbol, listener: Listener): this {
      super.on(event, listener)
      this.#face.forwarded.listened(event)
      return this
    }

    override addListener(event: string | symbol, listener: Listener): this {
      return this.on(event, listener)
    }

    override prependListener(event: string | symbol, listener: Listener): this {
      super.prependListener(event, listener)
      this.#face.forwarded.listened(event)
      return this
    }

    getTransactionStatus(): 'I' | 'T' | 'E' {
      return this.#face.borrowing?.transactionStatus ?? 'I'
    }

    setTypeParser(...args: unknown[]): unknown {
      return this.#face.setTypeParser(args)
    }

    getTypeParser(...args: Parameters<CustomTypesConfig['getTypeParser']>): unknown {
      return this.#face.queryTypes.all.getTypeParser(...args)
    }

    ref(): void {
      this.#face.raw?.ref()
    }

    unref(): void {
      this.#face.raw?.unref()
    }
  }
  return (host) => PoolClient.faceOf(new PoolClient(host))
}

/** The fields of `pg.Client` that are kept true. */
interface FacedClient extends EventEmitter {
  _types: OwnTypes
  _ending: boolean
  _ended: boolean
  _queryable: boolean
  _poolUseCount?: number
  release?: (error?: Error | boolean) => void
}

type Listener = (...args: unknown[]) => void

/** What a client of a pool does, apart from being a `pg.Client`. */
class ClientFace implements LendableClient, BorrowedClient {
  readonly host: ClientHost
  readonly forwarded: ForwardedEvents
  readonly #client: FacedClient
  #borrowing: Borrowing | undefined
  // Parsers that the present borrower has set.
  #types: OwnTypes | undefined
  // Whether any were set when the client was new.
  #hasOwnTypes = false
  #settings: Setting[] | undefined

  constructor(client: FacedClient, host: ClientHost) {
    this.#client = client
    this.host = host
    this.forwarded = new ForwardedEvents(client, (reason) => this.#lost(reason))
  }

  get client(): PgPoolClient {
    return this.#client as unknown as PgPoolClient
  }

  get borrowing(): Borrowing | undefined {
    return this.#borrowing
  }

  get ending(): boolean {
    return this.#client._ending
  }

  get raw(): RawClient | undefined {
    const lease = this.#borrowing?.lease
    return lease === undefined || lease.signal.aborted ? undefined : (lease.raw as RawClient)
  }

  get queryTypes(): QueryTypes {
    const all = this.#types ?? this.#client._types
    const given = this.#types ?? (this.#hasOwnTypes ? all : undefined)
    return { given, all }
  }

  lend(borrowing: Borrowing, released: (error: unknown) => void): void {
    this.#borrowing = borrowing
    this.#types = undefined
    let isOut = true
    this.#client.release = (error) => {
      if (!isOut) {
        this.#releasedAgain()
        return
      }
      isOut = false
      this.#client._poolUseCount = (this.#client._poolUseCount ?? 0) + 1
      released(error)
    }
  }

  query(first: unknown, second: unknown, third: unknown): unknown {
    if (isSubmittable(first)) return this.#submit(first, second, third)
    let promise: Promise<unknown>
    let callback: QueryCallback | undefined
    try {
      const query = readQuery(first, second, third)
      callback = query.callback
      promise = this.#run(query, first)
    } catch (error) {
      // As `pg` does: it throws only without a query.
      if (first === undefined || first === null) throw error
      callback = callbackOf(second, third)
      promise = Promise.reject(error)
    }
    return settle(promise, callback, null)
  }

  #run(query: PgQuery, first: unknown): Promise<unknown> {
    const borrowing = this.#borrowing
    const refusal = this.#refusal(borrowing)
    if (refusal !== undefined) {
      // The borrower must hear of its loss, whether or not the connection was cleared away by then.
      const loss = borrowing?.over === false ? borrowing.lossFor(query.statement.text) : undefined
      return Promise.reject(loss ?? refusal)
    }
    if (this.#settings !== undefined && pinOf(query.statement.text).changes) {
      if (this.host.keepsSettings !== true) return Promise.reject(unkept(query.statement.text))
      this.#settings.push({ query, first })
    }
    return borrowing!.query(query, first)
  }

  #submit(query: Submittable, second: unknown, third: unknown): Submittable {
    if (query.callback === undefined || query.callback === null) {
      const callback = callbackOf(second, third)
      if (callback !== undefined) query.callback = callback
    }
    const result = (query as { _result?: { _types?: unknown } })._result
    if (result !== undefined && result !== null) result._types ??= this.queryTypes.all
    const refusal = this.#refusal(this.#borrowing)
    if (refusal === undefined) this.#borrowing!.submit(query)
    else fail(query, refusal)
    return query
  }

  #refusal(borrowing: Borrowing | undefined): Error | undefined {
    if (this.#client._ending) return new Error('Client was closed and is not queryable')
    const isOut = borrowing !== undefined && !borrowing.over
    return isOut ? undefined : new LeaseReleasedError(this.host.base.name)
  }

  setTypeParser(args: unknown[]): unknown {
    const { _types } = this.#client
    if (this.#settings !== undefined) {
      this.#hasOwnTypes = true
      return _types.setTypeParser(...args)
    }
    // What a borrower sets ends with its borrowing.
    this.#types ??= new _types.constructor(_types)
    return this.#types.setTypeParser(...args)
  }

  end(): Promise<void> {
    const client = this.#client
    if (client._ending) return Promise.resolve()
    client._ending = true
    return new Promise((resolve) => {
      const end = (): void => {
        this.#borrowing?.end('ended by its borrower')
        client._ended = true
        client.emit('end')
        resolve()
      }
      const { borrowing } = this
      if (borrowing === undefined || borrowing.over) realTimers.nextTick(end)
      else borrowing.whenFree(() => realTimers.nextTick(end))
    })
  }

  beginSetup(): void {
    this.#settings = []
  }

  endSetup(): readonly Setting[] {
    const settings = this.#settings ?? []
    this.#settings = undefined
    return settings
  }

  drained(): void {
    if (this.#client.listenerCount('drain') > 0) this.#client.emit('drain')
  }

  #lost(reason: unknown): void {
    const client = this.#client
    client._queryable = false
    if (client.listenerCount('error') > 0) client.emit('error', toPgError(this.host.pg, reason))
    client._ended = true
    client.emit('end')
  }

  #releasedAgain(): void {
    const message = 'Release called on client which has already been released to the pool.'
    if (this.host.doubleRelease === 'throw') throw new Error(message)
    process.emitWarning(message, 'PoolhouseWarning')
  }
}

/** What `pg` made of the options, the environment and its defaults. */
function parametersOf(client: object): ClientConfig | undefined {
  return (client as { connectionParameters?: ClientConfig }).connectionParameters
}

function unkept(text: string): Error {
  const first = /^\W*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'the statement'
  return new Error(
    `a listener of 'connect' cannot change the session with ${first}: only its first borrower would have that; set it for every connection, with connection.parameters of createPool, or use new Pool() of this package, which sets it again`,
  )
}

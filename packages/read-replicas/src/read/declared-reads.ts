import type {
  Pool,
  QueryOptions,
  QueryResult,
  Statement,
  Transaction,
  TransactionOptions,
} from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import { ambient } from '../api/run-with.js'
import { readErrorOf } from '../base/read-failure.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import { type ReaderOptions, readReaderOptions, readTerms } from '../options/replicas-options.js'
import type { ReadRoute, ReadRoutes } from '../route/read-route.js'
import type { SessionMemory } from '../session/session-memory.js'
import { AcquireRead, TransactionRead, UseRead } from './read-call.js'
import type { ReadRunner } from './read-runner.js'
import { StreamRead } from './stream-read.js'

/** What reads need of the pool they belong to. */
export interface DeclaredParts {
  readonly routes: ReadRoutes
  readonly runner: ReadRunner
  readonly counters: RoutingCounters
  /** Throws once the pool takes no more calls. */
  checkOpen(): void
  /** The pool of the primary; throws once nothing is carried any further. */
  primary(): Pool
  /** What the session of `runWith` must see, if it is one of this pool. */
  ambientSession(): SessionMemory | undefined
  /** Time now. */
  now(): number
}

/** What the reads of a view accept, and what they must see. */
export interface ReadScope {
  /** What they accept. */
  readonly route: ReadRoute
  /** What they must see; undefined for nothing in particular. */
  readonly session: SessionMemory | undefined
  /** Whether their user said what they accept, so that `runWith` has no say. */
  readonly own: boolean
}

/** Bounds of a read. */
type Bounds = Pick<ReaderOptions, 'maxStalenessMs' | 'maxStalenessBytes'>

/**
 * Makes calls as reads: finds out what they accept and what they must see, and gives them to the
 * runner.
 */
export class DeclaredReads {
  readonly #parts: DeclaredParts

  /** Makes reads of one pool. */
  constructor(parts: DeclaredParts) {
    this.#parts = parts
  }

  /** Runs one statement. Throws what is wrong with its bounds. */
  query<Row>(
    scope: ReadScope,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    this.#parts.checkOpen()
    const { route, session } = this.scopeOf(scope, options, 'query')
    return this.#parts.runner.query<Row>(route, statement, options, session)
  }

  /**
   * Makes any call that can be a read; of a stream, all up to its first element. `failed` makes the
   * error that its reader gets for a later element.
   */
  async run<R>(
    scope: ReadScope,
    call: Exclude<PoolCall<R>, { kind: 'copyFrom' | 'listen' | 'ready' }>,
    failed: (error: unknown) => unknown = readErrorOf,
  ): Promise<R> {
    const { runner, now } = this.#parts
    this.#parts.checkOpen()
    const { route, session } = this.scopeOf(scope, call, call.kind)
    switch (call.kind) {
      case 'query':
        return await call.run({
          query: (statement, options) => runner.query(route, statement, options, session),
        })
      case 'acquire':
        return await call.run({
          acquire: (options) => runner.run(route, new AcquireRead(options), session),
        })
      case 'use':
        return await call.run({
          use: (work, options) => runner.run(route, new UseRead(work, options), session),
        })
      case 'transaction':
        return await call.run({
          transaction: (work, options = {}) => this.#transaction(route, session, work, options),
        })
      case 'stream':
      case 'copyTo':
        return await runner.run(route, new StreamRead(call, now, failed), session)
    }
  }

  /**
   * The scope of a view that its user has given options. Throws `TypeError` or `RangeError` for
   * wrong ones.
   */
  narrowed(scope: ReadScope, options: ReaderOptions): ReadScope {
    const terms = readReaderOptions(options, scope.route.terms)
    const own = scope.own || Object.values(options).some((option) => option !== undefined)
    const route = own ? this.#parts.routes.of(terms) : scope.route
    return { route, session: scope.session, own }
  }

  /**
   * What a read accepts and must see: as its call says, then its view, and otherwise as `runWith`
   * says.
   */
  scopeOf(scope: ReadScope, call: Bounds | undefined, where: string): ReadScope {
    const { routes, ambientSession } = this.#parts
    const around = ambient()
    let { route, session } = scope
    if (around !== undefined) {
      session ??= ambientSession()
      if (!scope.own && (around.maxStalenessMs ?? around.maxStalenessBytes) !== undefined) {
        route = routes.of(readTerms(where, pickBounds(around), route.terms))
      }
    }
    if ((call?.maxStalenessMs ?? call?.maxStalenessBytes) !== undefined) {
      route = routes.of(readTerms(where, pickBounds(call!), route.terms))
    }
    return { route, session, own: true }
  }

  async #transaction<R>(
    route: ReadScope['route'],
    session: SessionMemory | undefined,
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    if (options.isolation !== 'serializable') {
      return await this.#parts.runner.run(route, new TransactionRead(work, options), session)
    }
    // A standby refuses serializable transactions (0A000), so this is no last resort but where they
    // belong.
    const primary = this.#parts.primary()
    this.#parts.counters.count('primarySerializable')
    const over = session?.begin(undefined)
    try {
      return await primary.transaction(work, { ...options, readOnly: true })
    } catch (error) {
      throw readErrorOf(error)
    } finally {
      over?.()
    }
  }
}

function pickBounds({ maxStalenessMs, maxStalenessBytes }: Bounds): Bounds {
  return { maxStalenessMs, maxStalenessBytes }
}

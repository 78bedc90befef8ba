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
import type { Background } from '../base/background.js'
import { readErrorOf } from '../base/read-failure.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import { readReaderOptions, readTerms } from '../options/replicas-config.js'
import type { ReaderOptions } from '../options/replicas-options.js'
import type { ReadRoute, ReadRoutes } from '../route/read-route.js'
import type { SessionMemory } from '../session/session-memory.js'
import { AcquireRead, TransactionRead, UseRead } from './read-call.js'
import type { ReadRunner } from './read-runner.js'
import { StreamRead } from './stream-read.js'

/** What declared reads need of the pool that they belong to. */
export interface DeclaredParts {
  readonly routes: ReadRoutes
  readonly runner: ReadRunner
  readonly counters: RoutingCounters
  readonly primary: Pool
  readonly background: Background
  /** The session that `runWith` has set, if it is one of this pool. */
  ambientSession(): SessionMemory | undefined
}

/** What the reads of a view accept, and what they must see. */
export interface ReadScope {
  /** Chooses among the replicas that they accept. */
  readonly route: ReadRoute
  /** The session whose writes and reads they must see; undefined for none. */
  readonly session: SessionMemory | undefined
  /** Whether the view has bounds of its own, so that those of `runWith` do not count. */
  readonly own: boolean
}

/** Bounds of a read. */
type Bounds = Pick<ReaderOptions, 'maxStalenessMs' | 'maxStalenessBytes'>

/** Turns calls into reads: finds what they accept and must see, and gives them to the runner. */
export class DeclaredReads {
  readonly #parts: DeclaredParts

  /** Makes the reads of one pool. */
  constructor(parts: DeclaredParts) {
    this.#parts = parts
  }

  /** Runs one statement. Throws `TypeError` or `RangeError` for wrong bounds. */
  query<Row>(
    scope: ReadScope,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    this.#parts.background.checkOpen()
    const { route, session } = this.scopeOf(scope, options, 'query')
    return this.#parts.runner.query<Row>(route, statement, options, session)
  }

  /**
   * Runs any call that can be a read; a stream up to its first element. `failed` makes the error
   * that the reader of a stream gets for a later element.
   */
  async run<R>(
    scope: ReadScope,
    call: Exclude<PoolCall<R>, { kind: 'copyFrom' | 'listen' | 'ready' }>,
    failed: (error: unknown) => unknown = readErrorOf,
  ): Promise<R> {
    const { runner, background } = this.#parts
    background.checkOpen()
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
        return await runner.run(
          route,
          new StreamRead(call, () => background.now(), failed),
          session,
        )
    }
  }

  /**
   * The scope of a view that is made with options, within the scope of the view that makes it.
   * Throws `TypeError` or `RangeError` for wrong options.
   */
  narrowed(scope: ReadScope, options: ReaderOptions): ReadScope {
    const terms = readReaderOptions(options, scope.route.terms)
    const own = scope.own || Object.values(options).some((option) => option !== undefined)
    const route = own ? this.#parts.routes.of(terms) : scope.route
    return { route, session: scope.session, own }
  }

  /**
   * The scope of one read. Its own options come first, then those of its view, then those of
   * `runWith`.
   */
  scopeOf(scope: ReadScope, call: Bounds | undefined, where: string): ReadScope {
    const { routes, ambientSession } = this.#parts
    const around = ambient()
    const hasBounds = (call?.maxStalenessMs ?? call?.maxStalenessBytes) !== undefined
    if (around === undefined && !hasBounds) return scope
    let { route, session } = scope
    if (around !== undefined) {
      session ??= ambientSession()
      if (!scope.own && (around.maxStalenessMs ?? around.maxStalenessBytes) !== undefined) {
        route = routes.of(readTerms(where, pickBounds(around), route.terms))
      }
    }
    if (hasBounds) {
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
    // A standby refuses serializable transactions (0A000), so they belong on the primary.
    const { primary, background } = this.#parts
    background.checkRunning()
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

import type {
  Pool,
  QueryOptions,
  QueryResult,
  Statement,
  Transaction,
  TransactionOptions,
} from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import { ambient } from '../api/ambient.js'
import { readErrorOf } from '../base/read-failure.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import { type ReaderOptions, readReaderOptions, readTerms } from '../options/replicas-options.js'
import type { ReadRoutes } from '../route/read-routes.js'
import type { SessionReads } from '../session/session-reads.js'
import { AcquireCall, TransactionCall, UseCall } from './read-call.js'
import type { ReadLane } from './read-lane.js'
import type { ReadRunner } from './read-runner.js'
import { StreamedRead } from './streamed-read.js'

/** What reads need of the pool they belong to. */
export interface ReadsParts {
  readonly routes: ReadRoutes
  readonly runner: ReadRunner
  readonly counters: RoutingCounters
  /** Throws once the pool takes no more calls. */
  checkOpen(): void
  /** The pool of the primary; throws once nothing is carried any further. */
  primary(): Pool
  /** What the session of `runWith` must see, if it is one of this pool. */
  ambientSession(): SessionReads | undefined
  /** Time now. */
  now(): number
}

/** Bounds of a read. */
type Bounds = Pick<ReaderOptions, 'maxStalenessMs' | 'maxStalenessBytes'>

/**
 * Makes calls as reads: finds out what they accept and what they must see, and gives them to the
 * runner.
 */
export class Reads {
  readonly #parts: ReadsParts

  /** Makes reads of one pool. */
  constructor(parts: ReadsParts) {
    this.#parts = parts
  }

  /** Runs one statement. Throws what is wrong with its bounds. */
  query<Row>(
    lane: ReadLane,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    this.#parts.checkOpen()
    const { route, session } = this.laneOf(lane, options, 'query')
    return this.#parts.runner.query<Row>(route, statement, options, session)
  }

  /**
   * Makes any call that can be a read; of a stream, all up to its first element. `failed` makes the
   * error that its reader gets for a later element.
   */
  async run<R>(
    lane: ReadLane,
    call: Exclude<PoolCall<R>, { kind: 'copyFrom' | 'listen' | 'ready' }>,
    failed: (error: unknown) => unknown = readErrorOf,
  ): Promise<R> {
    const { runner, now } = this.#parts
    this.#parts.checkOpen()
    const { route, session } = this.laneOf(lane, call, call.kind)
    switch (call.kind) {
      case 'query':
        return await call.run({
          query: (statement, options) => runner.query(route, statement, options, session),
        })
      case 'acquire':
        return await call.run({
          acquire: (options) => runner.run(route, new AcquireCall(options), session),
        })
      case 'use':
        return await call.run({
          use: (work, options) => runner.run(route, new UseCall(work, options), session),
        })
      case 'transaction':
        return await call.run({
          transaction: (work, options = {}) => this.#transaction(route, session, work, options),
        })
      case 'stream':
      case 'copyTo':
        return await runner.run(route, new StreamedRead(call, now, failed), session)
    }
  }

  /**
   * The lane of a view that its user has given options. Throws `TypeError` or `RangeError` for
   * wrong ones.
   */
  narrowed(lane: ReadLane, options: ReaderOptions): ReadLane {
    const terms = readReaderOptions(options, lane.route.terms)
    const own = lane.own || Object.values(options).some((option) => option !== undefined)
    const route = own ? this.#parts.routes.of(terms) : lane.route
    return { route, session: lane.session, own }
  }

  /**
   * What a read accepts and must see: as its call says, then its view, and otherwise as `runWith`
   * says.
   */
  laneOf(lane: ReadLane, call: Bounds | undefined, where: string): ReadLane {
    const { routes, ambientSession } = this.#parts
    const around = ambient()
    let { route, session } = lane
    if (around !== undefined) {
      session ??= ambientSession()
      if (!lane.own && (around.maxStalenessMs ?? around.maxStalenessBytes) !== undefined) {
        route = routes.of(readTerms(where, pickBounds(around), route.terms))
      }
    }
    if ((call?.maxStalenessMs ?? call?.maxStalenessBytes) !== undefined) {
      route = routes.of(readTerms(where, pickBounds(call!), route.terms))
    }
    return { route, session, own: true }
  }

  async #transaction<R>(
    route: ReadLane['route'],
    session: SessionReads | undefined,
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    if (options.isolation !== 'serializable') {
      return await this.#parts.runner.run(route, new TransactionCall(work, options), session)
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

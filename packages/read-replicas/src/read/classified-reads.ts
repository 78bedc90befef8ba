import type { Pool, QueryOptions, QueryResult, Statement } from '@poolhouse/core'
import { type CallChanges, callFor, partyOfCall } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import { changesNames } from '../classify/changes-names.js'
import { NAMES_UNKNOWN, type TextRoute, type TextRoutes } from '../classify/text-routes.js'
import { type ClassifiedFallback, ClassifiedRead, type OnPrimary } from './classified-read.js'
import type { DeclaredReads, ReadScope } from './declared-reads.js'
import type { NameCatalog } from './name-catalog.js'
import type { ReadRunner } from './read-runner.js'
import { causeOf, type Refusal, refusalOf } from './refusal.js'
import type { StreamingCall } from './stream-read.js'

// The answer takes a round trip, and the statement may just as well run on the primary.
const WAIT_FOR_NAMES_MS = 500

/** What classified reads need of the pool that they belong to. */
export interface ClassifiedParts {
  readonly texts: TextRoutes
  /** Names of the databases; undefined if the classifier does not need them. */
  readonly names: NameCatalog | undefined
  readonly runner: ReadRunner
  readonly primary: Pool
  readonly counters: RoutingCounters
  readonly reads: DeclaredReads
  readonly background: Background
}

/**
 * Runs single statements that are declared neither a read nor a write. Their text decides: what it
 * shows to be a read goes to a replica. If the replica refuses, the statement goes to the primary,
 * once.
 */
export class ClassifiedReads implements ClassifiedFallback {
  readonly #parts: ClassifiedParts

  /** Runs the statements of one pool. */
  constructor(parts: ClassifiedParts) {
    this.#parts = parts
  }

  get primary(): Pool {
    return this.#parts.primary
  }

  /** Runs one statement. `onPrimary` runs it if it is no read. */
  query<Row>(
    scope: ReadScope,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { texts, reads } = this.#parts
    const found = texts.routeOf(statement.text)
    // Closures are made elsewhere: each one here would cost every call an object.
    if (found === NAMES_UNKNOWN) return this.#unnamed(scope, statement, options, onPrimary)
    if (found.to === 'reader') return reads.query<Row>(scope, statement, options)
    return this.#routed(scope, found, statement, options, onPrimary)
  }

  #unnamed<Row>(
    scope: ReadScope,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    return this.#onceNamed(statement, options, (next, limits) =>
      this.#routed(scope, next, statement, limits, onPrimary),
    )
  }

  #routed<Row>(
    scope: ReadScope,
    found: TextRoute,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    if (found.to === 'primary') {
      return found.changesNames === true
        ? this.#renaming(statement, options, onPrimary)
        : onPrimary(statement, options)
    }
    return this.#classified(scope, found, statement, options, onPrimary)
  }

  /** Runs one statement that is declared a write. */
  write<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    return this.#parts.names !== undefined && changesNames(statement.text)
      ? this.#renaming(statement, options, onPrimary)
      : onPrimary(statement, options)
  }

  #renaming<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    return this.#parts.names!.during(() => onPrimary(statement, options))
  }

  /**
   * Streams or copies out, up to the first element. `onPrimary` does so if it is no read. Only a
   * statement that certainly reads is sent to a replica: once rows are handed out, nothing can be
   * run again.
   */
  async stream<R>(
    scope: ReadScope,
    call: StreamingCall<R>,
    onPrimary: (left?: CallChanges) => Promise<R>,
  ): Promise<R> {
    const { texts, names, reads, counters } = this.#parts
    const { text } = call.statement!
    const startedAt = this.#now()
    const left = (): CallChanges => ({ timeoutMs: this.#leftOf(call.timeoutMs, startedAt) })
    let found = texts.routeOf(text)
    const isNew = found === NAMES_UNKNOWN
    if (isNew) {
      const until = startedAt + Math.min(WAIT_FOR_NAMES_MS, call.timeoutMs ?? WAIT_FOR_NAMES_MS)
      await names?.learn(until, call.signal)
      found = texts.routeOf(text)
    }
    if (found.to === 'reader') return await reads.run(scope, call)
    if (found.to === 'primary' || !isCertain(found))
      return await onPrimary(isNew ? left() : undefined)
    counters.count('classified')
    const failed = (error: unknown): unknown => {
      if (refusalOf(error) === 'write') texts.learn(text)
      return causeOf(error)
    }
    try {
      return await reads.run(scope, call, failed)
    } catch (error) {
      if (refusalOf(error) === undefined) throw error
      counters.count('reruns')
      return await onPrimary(left())
    }
  }

  /**
   * Waits a while for the names of the database, and then calls `go` with the route that they give
   * and with options for the time that is left.
   */
  async #onceNamed<R>(
    { text }: Statement,
    options: QueryOptions | undefined,
    go: (found: TextRoute, left: QueryOptions | undefined) => Promise<R>,
  ): Promise<R> {
    const { texts, names } = this.#parts
    const startedAt = this.#now()
    const party = partyOfCall()
    const timeoutMs = options?.timeoutMs ?? Number.POSITIVE_INFINITY
    await names?.learn(startedAt + Math.min(WAIT_FOR_NAMES_MS, timeoutMs), options?.signal)
    const left = options && {
      ...options,
      timeoutMs: this.#leftOf(options.timeoutMs, startedAt),
    }
    return await callFor(party, () => go(texts.routeOf(text), left))
  }

  #classified<Row>(
    scope: ReadScope,
    found: TextRoute,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { runner, reads, counters, background } = this.#parts
    background.checkOpen()
    const { route, session } = reads.scopeOf(scope, options, 'query')
    const startedAt = this.#now()
    const certain = isCertain(found)
    // A statement that may write is always allowed on the primary, even when reads are not.
    if (!certain && !route.fits(startedAt)) return onPrimary(statement, options)
    counters.count('classified')
    const call = new ClassifiedRead<Row>(
      statement,
      options,
      startedAt,
      onPrimary,
      this,
      certain,
      certain && session !== undefined,
    )
    return runner.query<Row>(route, statement, options, session, call, startedAt)
  }

  async again<Row>(
    refusal: Refusal,
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { texts, counters } = this.#parts
    if (refusal === 'write') texts.learn(statement.text)
    counters.count('reruns')
    const timeoutMs = this.#leftOf(options?.timeoutMs, startedAt)
    const result = await onPrimary(statement, { ...options, timeoutMs })
    if (refusal === 'standby') texts.learn(statement.text)
    return result
  }

  #now(): number {
    return this.#parts.background.now()
  }

  /** What is left of a limit that began at `startedAt`, in milliseconds, at least 1. */
  #leftOf(limitMs: number | undefined, startedAt: number): number | undefined {
    if (limitMs === undefined) return undefined
    return Math.max(1, limitMs - Math.ceil(this.#now() - startedAt))
  }
}

function isCertain(found: TextRoute): boolean {
  return found.classification?.verdict === 'read'
}

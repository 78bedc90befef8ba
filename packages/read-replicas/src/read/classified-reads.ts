import {
  NoSuitableNodeError,
  type Pool,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import type { CallChanges } from '@poolhouse/core/kit'
import type { RoutingCounters } from '../base/routing-counters.js'
import { changesNames } from '../classify/changes-names.js'
import { NAMES_UNKNOWN, type TextRoute, type TextRoutes } from '../classify/text-routes.js'
import { ClassifiedRead, type OnPrimary } from './classified-read.js'
import type { DeclaredReads, ReadScope } from './declared-reads.js'
import type { NameCatalog } from './name-catalog.js'
import type { ReadRunner } from './read-runner.js'
import { causeOf, type Refusal, refusalOf } from './refusal.js'
import type { StreamingCall } from './stream-read.js'

// An answer takes a round trip, and what may be a read may well run on the primary.
const WAIT_FOR_NAMES_MS = 500

/** The parts of the pool that classified work needs. */
export interface ClassifiedParts {
  readonly texts: TextRoutes
  /** Names of the databases; undefined if the classifier does not use them. */
  readonly names: NameCatalog | undefined
  readonly runner: ReadRunner
  readonly primary: Pool
  readonly counters: RoutingCounters
  /** Makes declared reads. */
  readonly reads: DeclaredReads
  /** Throws once the pool is closed. */
  checkOpen(): void
  /** Time now. */
  now(): number
}

/**
 * Runs single statements that nobody has called a read or a write. Their text decides: what it
 * takes for a read goes to a replica, and if that refuses, once to the primary.
 */
export class ClassifiedReads {
  readonly #parts: ClassifiedParts

  /** Runs them for one pool. */
  constructor(parts: ClassifiedParts) {
    this.#parts = parts
  }

  /** Runs one statement; `onPrimary` is how it runs if it is no read. */
  query<Row>(
    scope: ReadScope,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { texts, reads } = this.#parts
    const found = texts.routeOf(statement.text)
    if (found === NAMES_UNKNOWN) {
      return this.#onceNamed(statement, options, (next, limits) =>
        this.#routed(scope, next, statement, limits, onPrimary),
      )
    }
    if (found.to === 'reader') return reads.query<Row>(scope, statement, options)
    return this.#routed(scope, found, statement, options, onPrimary)
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
        ? this.#parts.names!.during(() => onPrimary(statement, options))
        : onPrimary(statement, options)
    }
    return this.#classified(scope, found, statement, options, onPrimary)
  }

  /** Runs one statement that was declared a write. */
  write<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { names } = this.#parts
    return names !== undefined && changesNames(statement.text)
      ? names.during(() => onPrimary(statement, options))
      : onPrimary(statement, options)
  }

  /**
   * Streams or copies out, up to the first element; `onPrimary` is how that is done if it is no
   * read. Only what certainly reads comes from a replica: once rows are handed out nothing can be
   * run again.
   */
  async stream<R>(
    scope: ReadScope,
    call: StreamingCall<R>,
    onPrimary: (left?: CallChanges) => Promise<R>,
  ): Promise<R> {
    const { texts, names, reads, counters, now } = this.#parts
    const { text } = call.statement!
    const startedAt = now()
    const left = (): CallChanges => ({ timeoutMs: leftOf(call.timeoutMs, now() - startedAt) })
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
   * Waits a while for the names of the database, which are known from then on: where the statement
   * goes then, and within what is left.
   */
  async #onceNamed<R>(
    { text }: Statement,
    options: QueryOptions | undefined,
    go: (found: TextRoute, left: QueryOptions | undefined) => Promise<R>,
  ): Promise<R> {
    const { texts, names, now } = this.#parts
    const startedAt = now()
    const timeoutMs = options?.timeoutMs ?? Number.POSITIVE_INFINITY
    await names?.learn(startedAt + Math.min(WAIT_FOR_NAMES_MS, timeoutMs), options?.signal)
    const left = options && {
      ...options,
      timeoutMs: leftOf(options.timeoutMs, now() - startedAt),
    }
    return await go(texts.routeOf(text), left)
  }

  #classified<Row>(
    scope: ReadScope,
    found: TextRoute,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { runner, reads, primary, counters, checkOpen, now } = this.#parts
    checkOpen()
    const { route, session } = reads.scopeOf(scope, options, 'query')
    const startedAt = now()
    const certain = isCertain(found)
    // What may write has a right to the primary, whatever keeps reads off it.
    if (!certain && !route.fits(startedAt)) return onPrimary(statement, options)
    let call: ClassifiedRead<Row> | undefined
    const makeCall = (): ClassifiedRead<Row> => {
      const asRead = certain && session !== undefined
      call = new ClassifiedRead<Row>(statement, options, { primary, onPrimary, certain, asRead })
      return call
    }
    counters.count('classified')
    return runner
      .query<Row>(route, statement, options, session, makeCall)
      .catch((error: unknown) => {
        if (call?.wentToPrimary === true) throw causeOf(error)
        const isUnplaced = !certain && error instanceof NoSuitableNodeError
        const refusal = isUnplaced ? 'behind' : refusalOf(error)
        if (refusal === undefined) throw error
        return this.#again(refusal, statement, options, startedAt, onPrimary)
      })
  }

  async #again<Row>(
    refusal: Refusal,
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { texts, counters, now } = this.#parts
    if (refusal === 'write') texts.learn(statement.text)
    counters.count('reruns')
    const timeoutMs = leftOf(options?.timeoutMs, now() - startedAt)
    const result = await onPrimary(statement, { ...options, timeoutMs })
    if (refusal === 'standby') texts.learn(statement.text)
    return result
  }
}

function isCertain(found: TextRoute): boolean {
  return found.classification?.verdict === 'read'
}

function leftOf(limitMs: number | undefined, spentMs: number): number | undefined {
  return limitMs === undefined ? undefined : Math.max(1, limitMs - Math.ceil(spentMs))
}

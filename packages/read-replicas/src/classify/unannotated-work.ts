import {
  type CopyToOptions,
  NoSuitableNodeError,
  type Pool,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type StreamIterator,
  type StreamOptions,
} from '@poolhouse/core'
import type { ReadRunner } from '../read-runner.js'
import type { ReaderHost, ReadLane } from '../reader-pool.js'
import type { RoutingCounters } from '../routing-counters.js'
import { ClassifiedCall, type OnPrimary } from './classified-call.js'
import { causeOf, type Refusal, refusalOf } from './refusal.js'
import { RerunStream } from './rerun-stream.js'
import type { TextRoute, TextRoutes } from './text-routes.js'

/** The parts of the pool that unannotated work needs. */
export interface UnannotatedParts {
  readonly texts: TextRoutes
  readonly runner: ReadRunner
  readonly primary: Pool
  readonly counters: RoutingCounters
  /** Where declared reads go. */
  readonly reads: Pick<ReaderHost, 'queryRead' | 'streamRead' | 'copyToRead'>
  /** What a read of this view accepts and must see. */
  laneOf(lane: ReadLane, call: QueryOptions | undefined, where: string): ReadLane
  /** Throws once the pool is closed. */
  checkOpen(): void
  /** Time now. */
  now(): number
}

/**
 * Runs single statements that nobody has called a read or a write. Their text decides: what it takes for a read goes to a replica, and if
 * that refuses, once to the primary.
 */
export class UnannotatedWork {
  readonly #parts: UnannotatedParts

  /** Runs them for one pool. */
  constructor(parts: UnannotatedParts) {
    this.#parts = parts
  }

  /** Runs one statement; `onPrimary` is how it runs if it is no read. */
  query<Row>(
    lane: ReadLane,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { texts, reads } = this.#parts
    const found = texts.routeOf(statement.text)
    if (found.to === 'primary') return onPrimary(statement, options)
    if (found.to === 'reader') return reads.queryRead<Row>(lane, statement, options)
    return this.#classified(lane, found, statement, options, onPrimary)
  }

  /** Streams the rows of one statement. */
  stream<Row>(
    lane: ReadLane,
    statement: Statement,
    options: StreamOptions | undefined,
    onPrimary: () => StreamIterator<Row>,
    admit?: () => void,
  ): StreamIterator<Row> {
    const { texts, reads } = this.#parts
    return this.#streamed<Row>(statement.text, texts.routeOf(statement.text), onPrimary, (failed) =>
      reads.streamRead<Row>(lane, statement, options, admit, failed),
    )
  }

  /** Copies out. Takes checked arguments. */
  copyTo(
    lane: ReadLane,
    sql: string,
    options: CopyToOptions | undefined,
    onPrimary: () => StreamIterator<Uint8Array>,
    admit?: () => void,
  ): StreamIterator<Uint8Array> {
    const { texts, reads } = this.#parts
    return this.#streamed(sql, texts.routeOf(sql), onPrimary, (failed) =>
      reads.copyToRead(lane, sql, options, admit, failed),
    )
  }

  #classified<Row>(
    lane: ReadLane,
    found: TextRoute,
    statement: Statement,
    options: QueryOptions | undefined,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>> {
    const { runner, primary, counters, laneOf, checkOpen, now } = this.#parts
    checkOpen()
    const { route, session } = laneOf(lane, options, 'query')
    const startedAt = now()
    const certain = isCertain(found)
    // What may write has a right to the primary, whatever keeps reads off it.
    if (!certain && !route.fits(startedAt)) return onPrimary(statement, options)
    let call: ClassifiedCall<Row> | undefined
    const makeCall = (): ClassifiedCall<Row> => {
      const asRead = certain && session !== undefined
      call = new ClassifiedCall<Row>(statement, options, { primary, onPrimary, certain, asRead })
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

  /** Only what certainly reads may be streamed from a replica: once rows are handed out nothing can be run again. */
  #streamed<T>(
    text: string,
    found: TextRoute,
    onPrimary: () => StreamIterator<T>,
    onReplica: (failed?: (error: unknown) => unknown) => StreamIterator<T>,
  ): StreamIterator<T> {
    if (found.to === 'reader') return onReplica()
    if (found.to === 'primary' || !isCertain(found)) return onPrimary()
    const { texts, counters } = this.#parts
    counters.count('classified')
    const failed = (error: unknown): unknown => {
      if (refusalOf(error) === 'write') texts.learn(text)
      return error
    }
    return new RerunStream<T>(onReplica(failed), (error) => {
      if (refusalOf(error) === undefined) return undefined
      counters.count('reruns')
      return onPrimary()
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
    const limit = options?.timeoutMs
    const timeoutMs =
      limit === undefined ? undefined : Math.max(1, limit - Math.ceil(now() - startedAt))
    const result = await onPrimary(statement, { ...options, timeoutMs })
    if (refusal === 'standby') texts.learn(statement.text)
    return result
  }
}

function isCertain(found: TextRoute): boolean {
  return found.classification?.verdict === 'read'
}

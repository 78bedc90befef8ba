import type { ConnectionPool, ServerIdentity } from '@poolhouse/core'
import type { ReplicaCandidate } from '../options/replicas-options.js'
import type { NodeSampler } from '../position/node-sampler.js'
import { Latency } from './latency.js'

// The share of a node that has just come back. Its caches are empty, and all clients have noticed
// it at the same moment.
const LEAST_SHARE = 0.1

/**
 * One server that may serve reads, and everything that the pool knows about it. Each field has one
 * writer: the membership, the lag monitor, the ejection, the routes or the runner.
 */
export class ReplicaNode implements ReplicaCandidate {
  /** Name of its pool. */
  readonly node: string
  /** Connections to it. */
  readonly pool: ConnectionPool
  /** The pool that owns the connections; `pool` may be a view of those that lead to one server. */
  readonly origin: ConnectionPool
  /** Zone it lives in. */
  readonly zone: string | undefined
  /** How long its answers take. */
  readonly latency: Latency = new Latency()
  /** Reads of this pool that wait or run on it. */
  inFlight = 0
  /** Number of the last choice that fell on it, for round robin. */
  lastChosen = 0

  /**
   * The server that it stands for, if that identifies itself; several nodes may share a name.
   * Written by its endpoint.
   */
  server: ServerIdentity | undefined
  /**
   * Why it cannot be told how far it is behind; undefined if it can, as far as is known. Written by
   * the lag monitor.
   */
  unidentified: string | undefined
  /** Why it cannot serve any read; undefined if it can. Written by the membership. */
  unfit: string | undefined
  /**
   * Why its data are no part of the primary's history; undefined if they are, as far as is known.
   * Written by the lag monitor.
   */
  stray: string | undefined
  /**
   * Whether it could carry out writes, so that its reads must run read-only. Written by the lag
   * monitor.
   */
  writable = false
  /** Whether it has refused a read because of the setting SERIALIZABLE. Written by the runner. */
  refusedSerializable = false
  /** Why it is ejected after failures; undefined if it is not. Written by the ejection. */
  ejected: string | undefined
  /** Its staleness as the topology reported it last, in milliseconds. Written by the membership. */
  reportedLagMs: number | undefined
  /**
   * When that was reported; the staleness grows from then on. Undefined while nothing can be
   * committed, so that it does not grow. Written by the membership.
   */
  reportedAt: number | undefined
  /**
   * Everything committed before this time has been replayed; undefined while unknown. Written by
   * the lag monitor.
   */
  freshAt: number | undefined
  /**
   * Write-ahead log that it has left to replay, as far as is known, in bytes. Written with the
   * staleness.
   */
  bytesBehind: number | undefined
  /** A remark on its freshness, for explanations. Written with the staleness. */
  freshness: string | undefined
  /** Whether its last sample failed. Written by the lag monitor. */
  failed = false
  /**
   * The sampler that asks for its position, if there is one. Written by the lag monitor and by
   * `Positions`.
   */
  sampler: NodeSampler | undefined
  /**
   * When it came back after an ejection or an absence, for the slow start. Written by the ejection.
   */
  returnedAt: number = Number.NEGATIVE_INFINITY
  /** The `max` of its pool, as last read. Written by routes with a zone. */
  capacity: number = Number.POSITIVE_INFINITY

  /** Begins as fit, with unknown freshness. */
  constructor(pool: ConnectionPool, zone: string | undefined, origin: ConnectionPool = pool) {
    this.node = pool.name
    this.pool = pool
    this.origin = origin
    this.zone = zone
  }

  /**
   * Whether its reads must run as REPEATABLE READ, because the role or the database is set to
   * SERIALIZABLE, which standbys refuse.
   */
  get repeatableRead(): boolean {
    return this.refusedSerializable || this.sampler?.isSetToSerializable === true
  }

  get latencyMs(): number | undefined {
    return this.latency.knownMs
  }

  /** Upper bound of its staleness in milliseconds; undefined if it is not known. */
  stalenessAt(now: number): number | undefined {
    if (this.freshAt !== undefined) return Math.max(0, now - this.freshAt)
    const { reportedLagMs: lag, reportedAt } = this
    return lag === undefined || reportedAt === undefined ? lag : lag + Math.max(0, now - reportedAt)
  }

  /** Share of its reads that it gets at `now`, from 0 to 1; below 1 while it warms up. */
  shareAt(now: number, slowStartMs: number): number {
    const elapsed = now - this.returnedAt
    if (elapsed >= slowStartMs) return 1
    return LEAST_SHARE + (1 - LEAST_SHARE) * (elapsed / slowStartMs)
  }

  /**
   * The time until which it satisfies the bound without new samples; `-Infinity` if it does not
   * satisfy it.
   */
  freshUntil(maxStalenessMs: number): number {
    if (maxStalenessMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    if (this.freshAt !== undefined) return this.freshAt + maxStalenessMs
    const { reportedLagMs: lag, reportedAt } = this
    if (lag === undefined || lag > maxStalenessMs) return Number.NEGATIVE_INFINITY
    return reportedAt === undefined ? Number.POSITIVE_INFINITY : reportedAt + maxStalenessMs - lag
  }

  /** A read begins on it. */
  begin(): void {
    this.inFlight++
  }

  /** A read on it has ended in a way that says nothing about its speed. */
  end(): void {
    this.inFlight--
  }

  /** It has answered a single statement that was sent at `startedAt`. */
  served(now: number, startedAt: number): void {
    this.inFlight--
    this.latency.record(now - startedAt, now)
  }
}

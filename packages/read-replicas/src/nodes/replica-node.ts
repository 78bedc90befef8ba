import type { ConnectionPool, ServerIdentity } from '@poolhouse/core'
import type { ReplicaCandidate } from '../options/replicas-options.js'
import type { NodeSampler } from '../position/node-sampler.js'
import { Latency } from './latency.js'

// Of a node that has just come back: its caches are empty, and everybody has noticed it at the same
// moment.
const LEAST_SHARE = 0.1

/**
 * One server that may serve reads, and everything the router knows about it. What it is comes from
 * the replica set, how fresh it is from the topology or the lag monitor, whether it is shut out
 * from the ejection; each writes its own fields.
 */
export class ReplicaNode implements ReplicaCandidate {
  /** Name of its pool. */
  readonly node: string
  /** Connections to it. */
  readonly pool: ConnectionPool
  /** The pool that has these connections; `pool` may be a view of those that lead to one server. */
  readonly origin: ConnectionPool
  /** Zone it lives in. */
  readonly zone: string | undefined
  /** How long its answers take. */
  readonly latency: Latency = new Latency()
  /** Reads that this router has under way on it, waiting or running. */
  inFlight = 0
  /** Number of the last choice that fell on it, for round robin. */
  lastChosen = 0

  /**
   * The server that it stands for, where that says who it is; several nodes may share a name.
   * Written by its endpoint.
   */
  server: ServerIdentity | undefined
  /**
   * Why it cannot be told how far it is behind; undefined if it can, as far as is known. Written by
   * the lag monitor.
   */
  unidentified: string | undefined
  /** Why it cannot serve reads, whoever asks; undefined if it can. Written by the replica set. */
  unfit: string | undefined
  /**
   * Why its data are no part of the primary's history; undefined if they are, as far as is known.
   * Written by the lag monitor.
   */
  stray: string | undefined
  /**
   * Whether it can take writes, so that it must be told to refuse them. Written by the lag monitor.
   */
  writable = false
  /** Whether it has refused a read for being set to SERIALIZABLE. Written by the runner. */
  refusedSerializable = false
  /** Why it is shut out after failures; undefined if it is not. Written by the ejection. */
  ejected: string | undefined
  /**
   * Its staleness as the topology reported it last, in milliseconds. Written by the replica set.
   */
  reportedLagMs: number | undefined
  /**
   * When that was so: it grows with the clock from then on. Undefined while nothing can be
   * committed, so that it stays. Written by the replica set.
   */
  reportedAt: number | undefined
  /**
   * Everything committed before this time has been replayed; undefined while unknown. Written by
   * the lag monitor.
   */
  freshAt: number | undefined
  /**
   * Write-ahead log it has left to replay as far as is known, in bytes. Written with the staleness.
   */
  bytesBehind: number | undefined
  /** What else is worth telling about its freshness. Written by the lag monitor. */
  freshness: string | undefined
  /** Whether the last question where it is got no answer. Written by the lag monitor. */
  failed = false
  /** Who asks it where it is, if anybody does. Written by the lag monitor and by the positions. */
  sampler: NodeSampler | undefined
  /**
   * When it came back after it was shut out or away, for the slow start. Written by the ejection.
   */
  returnedAt: number = Number.NEGATIVE_INFINITY
  /** Most connections of its pool, as last read. Written by the routes that spill. */
  capacity: number = Number.POSITIVE_INFINITY

  /** Begins unknown: fit, and neither fresh nor stale. */
  constructor(pool: ConnectionPool, zone: string | undefined, origin: ConnectionPool = pool) {
    this.node = pool.name
    this.pool = pool
    this.origin = origin
    this.zone = zone
  }

  /**
   * Whether reads must be told to be REPEATABLE READ there, because their role or database is set
   * to SERIALIZABLE, which no standby does.
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

  /** Share of its reads that it gets while it warms up, 0 to 1. */
  shareAt(now: number, slowStartMs: number): number {
    const elapsed = now - this.returnedAt
    if (elapsed >= slowStartMs) return 1
    return LEAST_SHARE + (1 - LEAST_SHARE) * (elapsed / slowStartMs)
  }

  /**
   * The time until which it satisfies the bound if nothing new is heard; -Infinity if it does not.
   */
  freshUntil(maxStalenessMs: number): number {
    if (maxStalenessMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    if (this.freshAt !== undefined) return this.freshAt + maxStalenessMs
    const { reportedLagMs: lag, reportedAt } = this
    if (lag === undefined || lag > maxStalenessMs) return Number.NEGATIVE_INFINITY
    return reportedAt === undefined ? Number.POSITIVE_INFINITY : reportedAt + maxStalenessMs - lag
  }

  /** A read is handed to it. */
  begin(): void {
    this.inFlight++
  }

  /** A read on it is over without saying anything about its speed. */
  end(): void {
    this.inFlight--
  }

  /** A single statement was answered. */
  served(now: number, startedAt: number): void {
    this.inFlight--
    this.latency.record(now - startedAt, now)
  }
}

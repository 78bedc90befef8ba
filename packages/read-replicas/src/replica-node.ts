import type { ConnectionPool } from '@poolhouse/core'
import type { ReplicaCandidate } from './balancer.js'
import { Latency } from './latency.js'

/**
 * One server that may serve reads, and everything the router knows about it. What it is comes from the replica set, how
 * fresh it is from the topology or the lag monitor, whether it is shut out from the ejection; each writes its own fields.
 */
export class ReplicaNode implements ReplicaCandidate {
  /** Name of its pool. */
  readonly node: string
  /** Connections to it. */
  readonly pool: ConnectionPool
  /** Zone it lives in. */
  readonly zone: string | undefined
  /** How long its answers take. */
  readonly latency: Latency = new Latency()
  /** Reads that this router has under way on it, waiting or running. */
  inFlight = 0
  /** Number of the last choice that fell on it, for round robin. */
  lastChosen = 0

  /** Why it cannot serve reads, whoever asks; undefined if it can. Written by the replica set. */
  unfit: string | undefined
  /** Whether it can take writes, so that it must be told to refuse them. Written by the lag monitor. */
  writable = false
  /** Why it is shut out after failures; undefined if it is not. Written by the ejection. */
  ejected: string | undefined
  /** Its staleness as the topology reports it, in milliseconds. Written by the replica set. */
  reportedLagMs: number | undefined
  /** Everything committed before this time has been replayed; undefined while unknown. Written by the lag monitor. */
  freshAt: number | undefined
  /** What else is worth telling about its freshness. Written by the lag monitor. */
  freshness: string | undefined

  /** Begins unknown: fit, and neither fresh nor stale. */
  constructor(pool: ConnectionPool, zone: string | undefined) {
    this.node = pool.name
    this.pool = pool
    this.zone = zone
  }

  get latencyMs(): number | undefined {
    return this.latency.knownMs
  }

  /** Upper bound of its staleness in milliseconds; undefined if it is not known. */
  stalenessAt(now: number): number | undefined {
    if (this.freshAt !== undefined) return Math.max(0, now - this.freshAt)
    return this.reportedLagMs
  }

  /** The time until which it satisfies the bound if nothing new is heard; -Infinity if it does not. */
  freshUntil(maxStalenessMs: number): number {
    if (maxStalenessMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    if (this.freshAt !== undefined) return this.freshAt + maxStalenessMs
    const lag = this.reportedLagMs
    return lag !== undefined && lag <= maxStalenessMs
      ? Number.POSITIVE_INFINITY
      : Number.NEGATIVE_INFINITY
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

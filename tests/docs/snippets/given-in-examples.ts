// What the examples of doc comments use beside given.ts. They are compiled and not run.
import type { Lease, Session } from '@poolhouse/core'
import type { ReplicaSession } from '@poolhouse/read-replicas'
import type {
  FaultProxy,
  Haproxy,
  History,
  HistoryRequest,
  PatroniCluster,
  PgBouncer,
  Pgpool,
  WireServer,
} from '@poolhouse/testkit'

/** A connection that is lent. */
export declare const lease: Lease
/** A session of a user. */
export declare const session: ReplicaSession
/** A session outside the pool's `max`. */
export declare const monitor: Session
/** What was caught. */
export declare const error: unknown
/** The route of the request that is served. */
export declare function currentRoute(): string | undefined
/** Reads a value of a composite type. */
export declare function parseMyComposite(text: string): unknown
/** A proxy of the testkit. */
export declare const proxy: FaultProxy
/** A wire server. */
export declare const wire: WireServer
/** A cluster under Patroni. */
export declare const patroniCluster: PatroniCluster
/** What stands in front of servers. */
export declare const pgbouncer: PgBouncer
export declare const haproxy: Haproxy
export declare const pgpool: Pgpool
/** What a workload has done. */
export declare const history: History
/** Begins the request of a user. */
export declare function beginRequest(cookie: string): HistoryRequest
export { readFile } from 'node:fs/promises'

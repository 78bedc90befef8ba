import {
  AbortError,
  PoolClosedError,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import type { Background } from './background.js'
import type { PrimaryGate, Turn } from './primary-gate.js'
import { QueryCall, type ReadCall, type ReadTarget } from './read-call.js'
import { readErrorOf } from './read-failure.js'
import type { ReadRoute } from './read-route.js'
import type { ReplicaNode } from './replica-node.js'

/** What the runner needs of the pool it belongs to. */
export interface ReadHost {
  /** Name for errors. */
  readonly name: string
  /** Whether the pool is closing or closed. */
  readonly closed: boolean
  /** How often a read may be sent again. */
  readonly readRetries: number
  /** Where reads go when no replica fits. */
  lastResort(): ReadTarget
  /** Whether reads on the primary are counted and limited: not where there are no replicas to come back. */
  limitsPrimary(): boolean
  /** Why no replica fits, node by node. */
  describe(route: ReadRoute): string
  /** A read failed on a node. */
  failed(node: ReplicaNode, error: unknown, call: ReadCall<unknown>): void
}

interface Attempt {
  readonly startedAt: number
  /** The node that has been chosen already. */
  readonly first?: ReplicaNode | undefined
  /** The node that has failed already. */
  readonly failed?: Failure
}

interface Failure {
  readonly node: ReplicaNode
  readonly error: unknown
}

// How long a call without a limit of its own waits for its turn on the primary: as long as for a connection.
const GATE_MS = 10_000

/**
 * Carries out reads: on a replica, after a failure on another one, at last on the primary. A read that was sent and lost is
 * sent again as often as the options say; one that was never sent visits each node once. All of it shares one deadline.
 */
export class ReadRunner {
  readonly #host: ReadHost
  readonly #background: Background
  readonly #gate: PrimaryGate

  /** Runs reads of the host's pool. */
  constructor(host: ReadHost, background: Background, gate: PrimaryGate) {
    this.#host = host
    this.#background = background
    this.#gate = gate
  }

  /** Runs one statement. The usual case, a replica that answers, costs one promise beside the node's own. */
  query<Row>(
    route: ReadRoute,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    const startedAt = this.#background.now()
    const node = route.choose(startedAt)
    if (node === undefined || node.writable) {
      return this.#go(route, new QueryCall<Row>(statement, options), { startedAt, first: node })
    }
    node.begin()
    return node.pool.query<Row>(statement, options).then(
      (result) => {
        node.served(this.#background.now(), startedAt)
        return result
      },
      (error: unknown) => {
        node.end()
        const call = new QueryCall<Row>(statement, options)
        return this.#go(route, call, { startedAt, failed: { node, error } })
      },
    )
  }

  /** Runs any read. */
  run<R>(route: ReadRoute, call: ReadCall<R>): Promise<R> {
    return this.#go(route, call, { startedAt: this.#background.now() })
  }

  async #go<R>(route: ReadRoute, call: ReadCall<R>, attempt: Attempt): Promise<R> {
    const { timeoutMs, signal } = call
    const deadline = attempt.startedAt + (timeoutMs ?? Number.POSITIVE_INFINITY)
    const remainingMs = (): number | undefined =>
      timeoutMs === undefined ? undefined : Math.max(1, deadline - this.#background.now())
    const tried = new Set<ReplicaNode>()
    let { first: node, failed } = attempt
    let resends = 0
    for (;;) {
      if (failed !== undefined) {
        this.#host.failed(failed.node, failed.error, call)
        const way = call.after(failed.error)
        if (way === 'sent') resends++
        const mayGoOn = way !== 'final' && resends <= this.#resendsOf(call)
        if (!mayGoOn || this.#background.now() >= deadline) throw readErrorOf(failed.error)
        tried.add(failed.node)
        failed = undefined
      }
      if (signal?.aborted) throw new AbortError(signal.reason, resends > 0 ? 'unknown' : 'no')
      if (this.#host.closed) throw new PoolClosedError(this.#host.name)
      node ??= route.choose(this.#background.now(), tried)
      if (node === undefined) {
        const turn = await this.#turn(route, call, tried, deadline)
        if (turn === 'replica') continue
        return await this.#onPrimary(call, remainingMs, turn)
      }
      const at: ReplicaNode = node
      node = undefined
      at.begin()
      try {
        return await call.run(at, remainingMs, () => at.end())
      } catch (error) {
        failed = { node: at, error }
      }
    }
  }

  /** How often the call may be sent again; -1 if it may not even move on unsent. */
  #resendsOf(call: ReadCall<unknown>): number {
    const resends = call.resends ?? this.#host.readRetries
    return resends === 0 && this.#host.readRetries === 0 ? -1 : resends
  }

  #turn(
    route: ReadRoute,
    call: ReadCall<unknown>,
    tried: ReadonlySet<ReplicaNode>,
    deadline: number,
  ): Promise<Turn> | 'free' {
    if (!this.#host.limitsPrimary()) return 'free'
    return this.#gate.enter({
      deadline: Math.min(deadline, this.#background.now() + GATE_MS),
      signal: call.signal,
      fits: () => route.fits(this.#background.now(), tried),
      why: () => this.#host.describe(route),
    })
  }

  async #onPrimary<R>(
    call: ReadCall<R>,
    remainingMs: () => number | undefined,
    turn: 'primary' | 'free',
  ): Promise<R> {
    try {
      return await call.run(this.#host.lastResort(), remainingMs, () => {
        if (turn === 'primary') this.#gate.leave()
      })
    } catch (error) {
      throw readErrorOf(error)
    }
  }
}

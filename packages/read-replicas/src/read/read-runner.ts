import {
  AbortError,
  NoSuitableNodeError,
  PoolClosedError,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import { refusesSerializable } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { readErrorOf } from '../base/read-failure.js'
import type { RoutingCounters, RoutingReason } from '../base/routing-counters.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { FreshWait } from '../route/fresh-wait.js'
import type { PrimaryGate, Turn } from '../route/primary-gate.js'
import type { ReadRoute } from '../route/read-route.js'
import type { SessionMemory } from '../session/session-memory.js'
import { QueryRead, type ReadCall, type ReadTarget } from './read-call.js'
import type { HedgeBudget } from './read-race.js'
import { raceReads, type StartRead } from './read-race.js'
import type { StandbyRefusals } from './standby-refusals.js'

/** What the runner needs of the pool it belongs to. */
export interface ReadHost {
  /** Name for errors. */
  readonly name: string
  /**
   * Whether calls are not carried any further: the pool is closed, or closes without serving them.
   */
  readonly closed: boolean
  /** How often a read may be sent again. */
  readonly readRetries: number
  /**
   * After how long without an answer a statement is sent to a second replica too; undefined for
   * never.
   */
  readonly hedgeAfterMs: number | undefined
  /** Whether there is a limit to the reads on one replica. */
  readonly limitsNodes: boolean
  /** Where reads go when no replica fits. */
  lastResort(): ReadTarget
  /**
   * Whether reads on the primary are counted and limited: not where there are no replicas to come
   * back.
   */
  limitsPrimary(): boolean
  /** Why no replica fits, node by node. */
  describe(route: ReadRoute): string
  /** A read failed on a node. */
  failed(node: ReplicaNode, error: unknown, call: ReadCall<unknown>): void
}

/** The parts of the pool that the runner works with. */
export interface RunnerParts {
  readonly background: Background
  readonly gate: PrimaryGate
  readonly freshWait: FreshWait
  readonly counters: RoutingCounters
  readonly hedges: HedgeBudget
  readonly refusals: StandbyRefusals
}

interface Attempt {
  readonly startedAt: number
  /** The node that has been chosen already. */
  readonly first?: ReplicaNode | undefined
  /** The node that has failed already. */
  readonly failed?: Failure
  /** Whether no standby can do it. */
  readonly primaryOnly?: boolean
}

interface Failure {
  readonly node: ReplicaNode
  readonly error: unknown
}

/** One call on its way. */
interface Journey<R> {
  readonly route: ReadRoute
  readonly call: ReadCall<R>
  readonly session: SessionMemory | undefined
  readonly deadline: number
  readonly tried: Set<ReplicaNode>
  /** Whether a replica has refused it because it is a standby. */
  primaryOnly: boolean
  remainingMs(): number | undefined
}

// How long a call without a limit of its own waits for its turn on the primary: as long as for a
// connection.
const GATE_MS = 10_000
// The primary gets this long to answer before anybody looks for a replica again.
const RACE_AFTER_MS = 25
// How long a call without a limit of its own goes on looking for a replica while the primary does
// not answer.
const RACE_MS = 10_000

/**
 * Carries out reads: on a replica, after a failure on another one, at last on the primary. A read
 * that was sent and lost is sent again as often as the options say; one that was never sent visits
 * each node once; one that a replica refused for being a standby goes to the primary. All of it
 * shares one deadline.
 */
export class ReadRunner {
  readonly #host: ReadHost
  readonly #parts: RunnerParts
  readonly #background: Background
  #underWay = 0

  /** Runs reads of the host's pool. */
  constructor(host: ReadHost, parts: RunnerParts) {
    this.#host = host
    this.#parts = parts
    this.#background = parts.background
  }

  /** Reads that wait, or have been sent in any but the usual way. */
  get underWay(): number {
    return this.#underWay
  }

  /**
   * Runs one statement. The usual case, a replica that answers, costs one promise beside the node's
   * own; in all others `makeCall` says what is to be done.
   */
  query<Row>(
    route: ReadRoute,
    statement: Statement,
    options: QueryOptions | undefined,
    session: SessionMemory | undefined,
    makeCall: () => ReadCall<QueryResult<Row>> = () => new QueryRead<Row>(statement, options),
  ): Promise<QueryResult<Row>> {
    const startedAt = this.#background.now()
    if (this.#parts.refusals.has(statement.text, startedAt)) {
      return this.#go(route, makeCall(), session, { startedAt, primaryOnly: true })
    }
    const node = session === undefined ? route.choose(startedAt) : session.choose(route, startedAt)
    const isPlain = node !== undefined && !node.writable && !node.repeatableRead
    if (!isPlain || this.#host.hedgeAfterMs !== undefined) {
      return this.#go(route, makeCall(), session, { startedAt, first: node })
    }
    node.begin()
    const stalenessMs = node.stalenessAt(startedAt)
    return node.pool.query<Row>(statement, options).then(
      (result) => {
        const now = this.#background.now()
        node.served(now, startedAt)
        session?.saw(node, now)
        if (this.#host.limitsNodes) this.#parts.gate.reconsider()
        this.#parts.counters.count('replica')
        if (stalenessMs !== undefined) result.stalenessMs = stalenessMs
        return result
      },
      (error: unknown) => {
        node.end()
        return this.#go(route, makeCall(), session, { startedAt, failed: { node, error } })
      },
    )
  }

  /** Runs any read. */
  run<R>(route: ReadRoute, call: ReadCall<R>, session: SessionMemory | undefined): Promise<R> {
    const startedAt = this.#background.now()
    const primaryOnly = call.text !== undefined && this.#parts.refusals.has(call.text, startedAt)
    return this.#go(route, call, session, { startedAt, primaryOnly })
  }

  async #go<R>(
    route: ReadRoute,
    call: ReadCall<R>,
    session: SessionMemory | undefined,
    attempt: Attempt,
  ): Promise<R> {
    const { timeoutMs, signal } = call
    const deadline = attempt.startedAt + (timeoutMs ?? Number.POSITIVE_INFINITY)
    const remainingMs = (): number | undefined =>
      timeoutMs === undefined ? undefined : Math.max(1, deadline - this.#background.now())
    const tried = new Set<ReplicaNode>()
    const { primaryOnly = false } = attempt
    const journey: Journey<R> = { route, call, session, deadline, tried, primaryOnly, remainingMs }
    let { first: node, failed } = attempt
    let resends = 0
    let waited = false
    let primaryFailed = false
    this.#underWay++
    try {
      for (;;) {
        if (failed !== undefined && this.#mayBeRepeatable(failed, call)) {
          // Nothing of it was run: at once, on the same node, and so from now on.
          failed.node.refusedSerializable = true
          node = failed.node
          failed = undefined
        }
        if (failed !== undefined) {
          this.#host.failed(failed.node, failed.error, call)
          const way = call.after(failed.error)
          if (way === 'sent') resends++
          const mayGoOn = way === 'primary' || (way !== 'final' && resends <= this.#resendsOf(call))
          if (!mayGoOn || this.#background.now() >= deadline) throw readErrorOf(failed.error)
          if (way === 'primary') this.#refused(journey)
          else this.#parts.counters.count(way === 'sent' ? 'retried' : 'moved')
          tried.add(failed.node)
          failed = undefined
        }
        if (signal?.aborted) throw new AbortError(signal.reason, resends > 0 ? 'unknown' : 'no')
        if (this.#host.closed) throw new PoolClosedError(this.#host.name)
        // Whoever chooses next must see this choice, so nothing is awaited that need not be.
        if (!journey.primaryOnly) {
          const now = this.#background.now()
          node ??=
            session === undefined ? route.choose(now, tried) : session.choose(route, now, tried)
          if (node === undefined && session !== undefined) node = await this.#find(journey)
        }
        if (node === undefined) {
          if (!waited && !journey.primaryOnly && this.#isStale(journey)) {
            waited = true
            await this.#waitForFresh(journey)
            continue
          }
          const turn = await this.#turn(journey)
          if (turn === 'replica') continue
          try {
            return await this.#onPrimary(journey, turn)
          } catch (error) {
            // Lost with the primary: a replica may have caught up, or another node be the primary
            // by now. Once, because both may be gone.
            const mayGoOn = !primaryFailed && this.#mayResend(call, error, resends)
            if (!mayGoOn || this.#background.now() >= deadline) throw readErrorOf(error)
            this.#parts.counters.count('retried')
            primaryFailed = true
            resends++
            continue
          }
        }
        const at: ReplicaNode = node
        node = undefined
        try {
          return await this.#onReplica(journey, at)
        } catch (error) {
          failed = { node: at, error }
        }
      }
    } finally {
      this.#underWay--
    }
  }

  /** A standby cannot do it: neither can the others. Nothing of it was run. */
  #refused<R>(journey: Journey<R>): void {
    const { text } = journey.call
    journey.primaryOnly = true
    this.#parts.counters.count('reruns')
    if (text !== undefined) this.#parts.refusals.learn(text, this.#background.now())
  }

  #mayBeRepeatable({ node, error }: Failure, call: ReadCall<unknown>): boolean {
    return !call.started && !node.repeatableRead && refusesSerializable(error)
  }

  /** A replica for a session that must ask or wait for one; undefined leaves the primary. */
  async #find<R>(journey: Journey<R>): Promise<ReplicaNode | undefined> {
    const { route, tried, deadline, call } = journey
    const session = journey.session!
    if (session.strong) return undefined
    this.#parts.counters.count('tokenWaits')
    const found = await session.find(route, tried, deadline, call.signal)
    if (call.signal?.aborted) throw new AbortError(call.signal.reason, 'no')
    if (this.#host.closed) throw new PoolClosedError(this.#host.name)
    return found
  }

  /**
   * Whether a read that failed on the primary may be sent again. What runs the caller's code has
   * its own attempts there.
   */
  #mayResend(call: ReadCall<unknown>, error: unknown, resends: number): boolean {
    return call.repeatable && call.after(error) === 'sent' && resends < this.#resendsOf(call)
  }

  /** How often the call may be sent again; -1 if it may not even move on unsent. */
  #resendsOf(call: ReadCall<unknown>): number {
    const resends = call.resends ?? this.#host.readRetries
    return resends === 0 && this.#host.readRetries === 0 ? -1 : resends
  }

  /**
   * Whether no replica fits, and the pool's user wants something else done about that than to ask
   * the primary.
   */
  #isStale<R>({ route, tried }: Journey<R>): boolean {
    const { waitMs, otherwise } = route.terms.whenStale
    if (waitMs === 0 && otherwise === 'primary') return false
    return this.#host.limitsPrimary() && !route.fits(this.#background.now(), tried)
  }

  /** Waits for a replica that fits; rejects where the primary is no way out. */
  async #waitForFresh<R>({ route, call, tried, deadline }: Journey<R>): Promise<void> {
    const { waitMs, otherwise } = route.terms.whenStale
    if (waitMs > 0) {
      this.#parts.counters.count('staleWaits')
      const until = Math.min(deadline, this.#background.now() + waitMs)
      const fits = (): boolean => route.fits(this.#background.now(), tried)
      if (await this.#parts.freshWait.wait(fits, until, call.signal)) return
      if (this.#host.closed) throw new PoolClosedError(this.#host.name)
    }
    if (otherwise === 'primary') return
    this.#parts.counters.count('refusedStale')
    throw new NoSuitableNodeError(
      `no replica fits the read (${this.#host.describe(route)}) and whenStale keeps it off the primary`,
    )
  }

  #turn<R>(journey: Journey<R>): Promise<Turn> | 'free' {
    if (!this.#host.limitsPrimary()) return 'free'
    const { route, call, session, tried, deadline } = journey
    return this.#parts.gate.enter({
      deadline: Math.min(deadline, this.#background.now() + GATE_MS),
      signal: call.signal,
      fits: () => {
        if (journey.primaryOnly) return false
        const now = this.#background.now()
        return session === undefined ? route.fits(now, tried) : session.fits(route, now, tried)
      },
      why: () => this.#host.describe(route),
    })
  }

  #onReplica<R>(journey: Journey<R>, node: ReplicaNode): Promise<R> {
    const { call, route, session, tried } = journey
    const { hedgeAfterMs } = this.#host
    const start = (at: ReplicaNode, signal?: AbortSignal): Promise<R> =>
      this.#start(journey, at, signal)
    if (hedgeAfterMs === undefined || !call.repeatable) return start(node)
    this.#parts.hedges.earn()
    return this.#raced(
      (signal) => start(node, signal),
      async (over) => {
        if (!(await this.#pause(hedgeAfterMs, over))) return undefined
        const now = this.#background.now()
        const others = new Set([...tried, node])
        const other =
          session === undefined
            ? route.choose(now, others)
            : session.chooseBeside(route, now, others)
        if (other === undefined || !this.#parts.hedges.spend()) return undefined
        this.#parts.counters.count('hedged')
        return (signal) => start(other, signal)
      },
      'hedgesWon',
    )
  }

  async #start<R>(journey: Journey<R>, node: ReplicaNode, signal?: AbortSignal): Promise<R> {
    const { call, session, remainingMs } = journey
    const startedAt = this.#background.now()
    const stalenessMs = node.stalenessAt(startedAt)
    const over = call.repeatable ? undefined : session?.begin(node)
    node.begin()
    const value = await call.run(
      node,
      remainingMs,
      () => {
        node.end()
        over?.()
        if (this.#host.limitsNodes) this.#parts.gate.reconsider()
      },
      signal,
    )
    if (call.repeatable) session?.saw(node, this.#background.now())
    this.#parts.counters.count('replica')
    if (stalenessMs !== undefined) call.answered?.(value, stalenessMs)
    return value
  }

  async #onPrimary<R>(journey: Journey<R>, turn: 'primary' | 'free'): Promise<R> {
    const { call, session } = journey
    const onPrimary: StartRead<R> = (signal) => this.#startOnPrimary(journey, turn, signal)
    const none = new AbortController().signal
    if (session === undefined || !call.repeatable || journey.primaryOnly) {
      return await onPrimary(none)
    }
    // The primary may be slow, or not be there at all for a while; a replica that catches up
    // meanwhile is as good.
    return await this.#raced(
      onPrimary,
      async (over) => {
        if (!(await this.#pause(RACE_AFTER_MS, over))) return undefined
        const until = Math.min(journey.deadline, this.#background.now() + RACE_MS)
        const node = await session.later(journey.route, journey.tried, until, over)
        return node && ((signal) => this.#start(journey, node, signal))
      },
      'racesWon',
    )
  }

  async #startOnPrimary<R>(
    journey: Journey<R>,
    turn: 'primary' | 'free',
    signal: AbortSignal,
  ): Promise<R> {
    const { call, session, deadline, remainingMs } = journey
    const target = this.#host.lastResort()
    this.#parts.counters.count(this.#reasonFor(journey, target, turn))
    const over = call.repeatable ? undefined : session?.begin(undefined)
    const value = await call.run(
      target,
      remainingMs,
      () => {
        if (turn === 'primary') this.#parts.gate.leave()
        over?.()
      },
      signal,
    )
    if (call.repeatable) {
      const { node } = value as { node?: string }
      session?.sawOn(node, this.#background.now())
    }
    if (target.writable) {
      await session?.sawPrimary({ deadline, signal: call.signal })
      call.answered?.(value, 0)
    }
    return value
  }

  #reasonFor<R>(
    { route, session, tried, primaryOnly }: Journey<R>,
    target: ReadTarget,
    turn: 'primary' | 'free',
  ): RoutingReason {
    if (!target.writable) return 'standIn'
    if (primaryOnly) return 'primaryStandby'
    if (turn === 'free') return 'primaryNoReplicas'
    const fits = session !== undefined && route.fits(this.#background.now(), tried)
    return fits ? 'primaryToken' : 'primaryNoneFits'
  }

  async #raced<R>(
    first: StartRead<R>,
    second: (over: AbortSignal) => Promise<StartRead<R> | undefined>,
    won: RoutingReason,
  ): Promise<R> {
    const result = await raceReads(first, second)
    if (result.second) this.#parts.counters.count(won)
    return result.value
  }

  /** Resolves with true after so long, with false as soon as the signal fires. */
  #pause(ms: number, over: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#background.after(ms, () => resolve(true), { keepAlive: true })
      const stop = (): void => {
        timer.cancel()
        resolve(false)
      }
      over.addEventListener('abort', stop, { once: true })
    })
  }
}

import {
  AbortError,
  NoSuitableNodeError,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import { callFor, endsSession, partyOfCall, refusesSerializable } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { readErrorOf } from '../base/read-failure.js'
import type { RoutingCounters, RoutingReason } from '../base/routing-counters.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { FreshWait } from '../route/fresh-wait.js'
import type { PrimaryGate, Turn } from '../route/primary-gate.js'
import type { ReadRoute } from '../route/read-route.js'
import type { SessionMemory } from '../session/session-memory.js'
import type { Failure, ReadAttempt, Start } from './read-attempt.js'
import { QueryRead, type ReadCall, type ReadTarget, type UndeclaredRead } from './read-call.js'
import { HedgeBudget, raceReads, type StartRead } from './read-race.js'
import type { ReadServers } from './read-servers.js'
import type { StandbyRefusals } from './standby-refusals.js'

/** The options of the pool that bear on how its reads are carried out. */
export interface ReadOptions {
  /** How often a read may be sent again. */
  readonly readRetries: number
  /**
   * After how many milliseconds without an answer a statement is also sent to a second replica;
   * undefined for never.
   */
  readonly hedgeAfterMs: number | undefined
  /** Most reads under way on one replica; `Infinity` for no limit. */
  readonly maxReadsPerNode: number
}

/** The parts of the pool that the runner works with. */
export interface RunnerParts {
  readonly background: Background
  readonly servers: ReadServers
  readonly gate: PrimaryGate
  readonly freshWait: FreshWait
  readonly counters: RoutingCounters
  readonly refusals: StandbyRefusals
}

// How long a call without a limit of its own waits for its turn on the primary: as long as for a
// connection.
const GATE_MS = 10_000
// How long the primary gets to answer before a replica is looked for again.
const RACE_AFTER_MS = 25
// How long a call without a limit of its own keeps looking for a replica while the primary does not
// answer.
const RACE_MS = 10_000

/**
 * Carries out reads: on a replica, on another one after a failure, and on the primary if no replica
 * is left.
 *
 * - A read that was sent and lost is sent again as often as the options say.
 * - A read that was not sent tries each node once.
 * - A read that a replica refused because it is a standby goes to the primary.
 *
 * All attempts share the deadline of the call.
 */
export class ReadRunner {
  readonly #options: ReadOptions
  readonly #limitsNodes: boolean
  readonly #parts: RunnerParts
  readonly #background: Background
  readonly #hedges = new HedgeBudget()
  #underWay = 0

  /** Runs the reads of one pool. */
  constructor(options: ReadOptions, parts: RunnerParts) {
    this.#options = options
    this.#limitsNodes = options.maxReadsPerNode < Number.POSITIVE_INFINITY
    this.#parts = parts
    this.#background = parts.background
  }

  /**
   * Calls that wait or run, without those that their first replica is about to answer: these count
   * as leases of its pool.
   */
  get underWay(): number {
    return this.#underWay
  }

  /**
   * Runs one statement. In the usual case a replica answers, at the cost of one promise besides the
   * node's own; or the primary, where no replica fits and `call` may run there undeclared. In all
   * other cases `call` is carried out, or a declared read if there is none.
   */
  query<Row>(
    route: ReadRoute,
    statement: Statement,
    options: QueryOptions | undefined,
    session: SessionMemory | undefined,
    call?: UndeclaredRead<QueryResult<Row>>,
    startedAt: number = this.#background.now(),
  ): Promise<QueryResult<Row>> {
    if (this.#parts.refusals.has(statement.text, startedAt)) {
      const refused = call ?? new QueryRead<Row>(statement, options)
      return this.#go(route, refused, session, { startedAt, primaryOnly: true })
    }
    const node = session === undefined ? route.choose(startedAt) : session.choose(route, startedAt)
    if (node === undefined && session === undefined && call?.isUndeclared === true) {
      const turn = this.#turnNow(route)
      if (turn !== undefined) return this.#undeclared(route, call, turn, startedAt)
    }
    const isPlain = node !== undefined && !node.writable && !node.repeatableRead
    if (isPlain && this.#options.hedgeAfterMs === undefined) {
      return this.#straight(route, node, statement, options, session, call, startedAt)
    }
    const read = call ?? new QueryRead<Row>(statement, options)
    return this.#go(route, read, session, { startedAt, first: node })
  }

  #straight<Row>(
    route: ReadRoute,
    node: ReplicaNode,
    statement: Statement,
    options: QueryOptions | undefined,
    session: SessionMemory | undefined,
    call: ReadCall<QueryResult<Row>> | undefined,
    startedAt: number,
  ): Promise<QueryResult<Row>> {
    node.begin()
    const stalenessMs = node.stalenessAt(startedAt)
    const party = partyOfCall()
    return node.pool.query<Row>(statement, options).then(
      (result) => {
        const now = this.#background.now()
        node.served(now, startedAt)
        session?.saw(node, now)
        if (this.#limitsNodes) this.#parts.gate.reconsider()
        this.#parts.counters.count('replica')
        if (stalenessMs !== undefined) result.stalenessMs = stalenessMs
        return result
      },
      (error: unknown) => {
        node.end()
        const read = call ?? new QueryRead<Row>(statement, options)
        return this.#go(route, read, session, { startedAt, failed: { node, error }, party })
      },
    )
  }

  /** A turn on the primary that the read need not wait for; undefined if there is none. */
  #turnNow(route: ReadRoute): 'primary' | 'free' | undefined {
    const { servers, gate } = this.#parts
    if (servers.hasStandIn) return undefined
    if (!servers.limitsPrimary) return 'free'
    const { waitMs, otherwise } = route.terms.whenStale
    return waitMs === 0 && otherwise === 'primary' && gate.tryEnter() ? 'primary' : undefined
  }

  /** Runs a statement on the primary, at the cost of one promise besides the primary's own. */
  #undeclared<Row>(
    route: ReadRoute,
    call: UndeclaredRead<QueryResult<Row>>,
    turn: 'primary' | 'free',
    startedAt: number,
  ): Promise<QueryResult<Row>> {
    const { counters, gate } = this.#parts
    const party = partyOfCall()
    counters.count(turn === 'free' ? 'primaryNoReplicas' : 'primaryNoneFits')
    const failed = (error: unknown): Promise<QueryResult<Row>> => {
      if (turn === 'primary') gate.leave()
      return this.#go(route, call, undefined, { startedAt, lost: { error }, party })
    }
    const answered = (result: QueryResult<Row>): QueryResult<Row> => {
      gate.leave()
      return isNewest(result)
    }
    try {
      return call.runUndeclared().then(turn === 'free' ? isNewest : answered, failed)
    } catch (error) {
      return failed(error)
    }
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
    start: Start,
  ): Promise<R> {
    const { timeoutMs, signal } = call
    const deadline = start.startedAt + (timeoutMs ?? Number.POSITIVE_INFINITY)
    const remainingMs = (): number | undefined =>
      timeoutMs === undefined ? undefined : Math.max(1, deadline - this.#background.now())
    const tried = new Set<ReplicaNode>()
    const { primaryOnly = false, party = partyOfCall() } = start
    const attempt: ReadAttempt<R> = {
      route,
      call,
      session,
      deadline,
      party,
      tried,
      primaryOnly,
      remainingMs,
    }
    let { first: node, failed, lost } = start
    let resends = 0
    let waited = false
    let primaryFailed = false
    this.#underWay++
    try {
      for (;;) {
        if (lost !== undefined) {
          // The primary was lost: a replica may have caught up by now, or another node may be the
          // primary. This is tried once, because both may be gone.
          const mayGoOn = !primaryFailed && this.#mayResend(call, lost.error, resends)
          if (!mayGoOn || this.#background.now() >= deadline) throw readErrorOf(lost.error)
          this.#parts.counters.count('retried')
          lost = undefined
          primaryFailed = true
          resends++
        }
        if (failed !== undefined && this.#needsRepeatableRead(failed, call)) {
          // Nothing was run: repeat it at once on this node, and read that way there from now on.
          failed.node.refusedSerializable = true
          node = failed.node
          failed = undefined
        }
        if (failed !== undefined) {
          this.#parts.servers.failed(failed.node, failed.error, call.started)
          const way = call.after(failed.error)
          if (way === 'sent') resends++
          const mayGoOn = way === 'primary' || (way !== 'final' && resends <= this.#resendsOf(call))
          if (!mayGoOn || this.#background.now() >= deadline) throw readErrorOf(failed.error)
          if (way === 'primary') this.#onlyOnPrimary(attempt)
          else this.#parts.counters.count(way === 'sent' ? 'retried' : 'moved')
          tried.add(failed.node)
          failed = undefined
        }
        if (signal?.aborted) throw new AbortError(signal.reason, resends > 0 ? 'unknown' : 'no')
        this.#background.checkRunning()
        // The next call must see this choice, so nothing is awaited before it without need.
        if (!attempt.primaryOnly) {
          const now = this.#background.now()
          node ??=
            session === undefined ? route.choose(now, tried) : session.choose(route, now, tried)
          if (node === undefined && session !== undefined) node = await this.#find(attempt)
        }
        if (node === undefined) {
          if (!waited && !attempt.primaryOnly && this.#isStale(attempt)) {
            waited = true
            await this.#waitForFresh(attempt)
            continue
          }
          const turn = await this.#turn(attempt)
          if (turn === 'replica') continue
          try {
            return await this.#onPrimary(attempt, turn)
          } catch (error) {
            lost = { error }
            continue
          }
        }
        const at: ReplicaNode = node
        node = undefined
        try {
          return await this.#onReplica(attempt, at)
        } catch (error) {
          failed = { node: at, error }
        }
      }
    } catch (error) {
      if (call.failed === undefined) throw error
      return await callFor(party, () => call.failed!(error))
    } finally {
      this.#underWay--
    }
  }

  /** A standby refused the call without running any of it, and so would the other standbys. */
  #onlyOnPrimary<R>(attempt: ReadAttempt<R>): void {
    const { text } = attempt.call
    attempt.primaryOnly = true
    this.#parts.counters.count('reruns')
    if (text !== undefined) this.#parts.refusals.learn(text, this.#background.now())
  }

  #needsRepeatableRead({ node, error }: Failure, call: ReadCall<unknown>): boolean {
    return !call.started && !node.repeatableRead && refusesSerializable(error)
  }

  /**
   * Finds a replica for a session that must ask or wait for one. Undefined if only the primary will
   * do.
   */
  async #find<R>(attempt: ReadAttempt<R>): Promise<ReplicaNode | undefined> {
    const { route, tried, deadline, call } = attempt
    const session = attempt.session!
    if (session.token === 'strong') return undefined
    this.#parts.counters.count('tokenWaits')
    const found = await session.find(route, tried, deadline, call.signal)
    if (call.signal?.aborted) throw new AbortError(call.signal.reason, 'no')
    this.#background.checkRunning()
    return found
  }

  /**
   * Whether a read that failed on the primary may be sent again. A call that runs the caller's code
   * is repeated there by the primary's own pool.
   */
  #mayResend(call: ReadCall<unknown>, error: unknown, resends: number): boolean {
    if (!call.repeatable || resends >= this.#resendsOf(call)) return false
    const way = call.after(error)
    // Its connection may be lost before it is sent. If none was to be had, it has waited already.
    return way === 'sent' || (way === 'unsent' && endsSession(error))
  }

  /** How often the call may be sent again; -1 if it may not even move on unsent. */
  #resendsOf(call: ReadCall<unknown>): number {
    const resends = call.resends ?? this.#options.readRetries
    return resends === 0 && this.#options.readRetries === 0 ? -1 : resends
  }

  /**
   * Whether no replica fits and `whenStale` says to do something else than ask the primary.
   */
  #isStale<R>({ route, tried }: ReadAttempt<R>): boolean {
    const { waitMs, otherwise } = route.terms.whenStale
    if (waitMs === 0 && otherwise === 'primary') return false
    return this.#parts.servers.limitsPrimary && !route.fits(this.#background.now(), tried)
  }

  /** Waits for a replica that fits. Rejects if none comes and `whenStale` forbids the primary. */
  async #waitForFresh<R>({ route, call, tried, deadline }: ReadAttempt<R>): Promise<void> {
    const { waitMs, otherwise } = route.terms.whenStale
    if (waitMs > 0) {
      this.#parts.counters.count('staleWaits')
      const until = Math.min(deadline, this.#background.now() + waitMs)
      const fits = (): boolean => route.fits(this.#background.now(), tried)
      if (await this.#parts.freshWait.wait(fits, until, call.signal)) return
      this.#background.checkRunning()
    }
    if (otherwise === 'primary') return
    this.#parts.counters.count('refusedStale')
    throw new NoSuitableNodeError(
      `no replica fits the read (${this.#parts.servers.describe(route)}) and whenStale keeps it off the primary`,
    )
  }

  #turn<R>(attempt: ReadAttempt<R>): Promise<Turn> | 'free' {
    if (!this.#parts.servers.limitsPrimary) return 'free'
    const { route, call, session, tried, deadline } = attempt
    return this.#parts.gate.enter({
      deadline: Math.min(deadline, this.#background.now() + GATE_MS),
      signal: call.signal,
      fits: () => {
        if (attempt.primaryOnly) return false
        const now = this.#background.now()
        return session === undefined ? route.fits(now, tried) : session.fits(route, now, tried)
      },
      why: () => this.#parts.servers.describe(route),
    })
  }

  #onReplica<R>(attempt: ReadAttempt<R>, node: ReplicaNode): Promise<R> {
    const { call, route, session, tried } = attempt
    const { hedgeAfterMs } = this.#options
    const start = (at: ReplicaNode, signal?: AbortSignal): Promise<R> =>
      this.#start(attempt, at, signal)
    if (hedgeAfterMs === undefined || !call.repeatable) return start(node)
    this.#hedges.earn()
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
        if (other === undefined || !this.#hedges.spend()) return undefined
        this.#parts.counters.count('hedged')
        return (signal) => start(other, signal)
      },
      'hedgesWon',
    )
  }

  async #start<R>(attempt: ReadAttempt<R>, node: ReplicaNode, signal?: AbortSignal): Promise<R> {
    const { call, party, session, remainingMs } = attempt
    const startedAt = this.#background.now()
    const stalenessMs = node.stalenessAt(startedAt)
    const over = call.repeatable ? undefined : session?.begin(node)
    node.begin()
    const ended = (): void => {
      node.end()
      over?.()
      if (this.#limitsNodes) this.#parts.gate.reconsider()
    }
    const value = await callFor(party, () => call.run(node, remainingMs, ended, signal))
    if (call.repeatable) session?.saw(node, this.#background.now())
    this.#parts.counters.count('replica')
    if (stalenessMs !== undefined) call.answered?.(value, stalenessMs)
    return value
  }

  async #onPrimary<R>(attempt: ReadAttempt<R>, turn: 'primary' | 'free'): Promise<R> {
    const { call, session } = attempt
    const onPrimary = (signal?: AbortSignal): Promise<R> =>
      this.#startOnPrimary(attempt, turn, signal)
    if (session === undefined || !call.repeatable || attempt.primaryOnly) return await onPrimary()
    // The primary may be slow, or gone for a while. A replica that catches up meanwhile will do.
    return await this.#raced(
      onPrimary,
      async (over) => {
        if (!(await this.#pause(RACE_AFTER_MS, over))) return undefined
        const until = Math.min(attempt.deadline, this.#background.now() + RACE_MS)
        const node = await session.later(attempt.route, attempt.tried, until, over)
        return node && ((signal) => this.#start(attempt, node, signal))
      },
      'racesWon',
    )
  }

  async #startOnPrimary<R>(
    attempt: ReadAttempt<R>,
    turn: 'primary' | 'free',
    signal: AbortSignal | undefined,
  ): Promise<R> {
    const { call, party, session, deadline, remainingMs } = attempt
    const target = this.#parts.servers.lastResort()
    this.#parts.counters.count(this.#reasonFor(attempt, target, turn))
    const over = call.repeatable ? undefined : session?.begin(undefined)
    const ended = (): void => {
      if (turn === 'primary') this.#parts.gate.leave()
      over?.()
    }
    const value = await callFor(party, () => call.run(target, remainingMs, ended, signal))
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
    { route, session, tried, primaryOnly }: ReadAttempt<R>,
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

  /** Resolves with true after `ms`, or with false as soon as the signal fires. */
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

/** Says of an answer of the primary how old its data were. */
function isNewest<Row>(result: QueryResult<Row>): QueryResult<Row> {
  result.stalenessMs = 0
  return result
}

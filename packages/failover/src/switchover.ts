import { AbortError, type ConnectionPool, PoolClosedError, PoolhouseError } from '@poolhouse/core'
import {
  awaitIdle,
  checkSignal,
  checkTimeout,
  describeValue,
  type EventHub,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { awaitUntil } from './base/await-until.js'
import { underWay } from './base/under-way.js'
import type { CallDispatcher } from './calls/call-dispatcher.js'
import type { FailoverConfig } from './options/failover-options.js'
import type { TopologyWatch } from './watch/topology-watch.js'

/**
 * Options of `switchover`.
 *
 * @example
 * const promote = async () => {} // asks the cluster's manager
 * await primary.switchover(promote, { timeoutMs: 15_000, signal: AbortSignal.timeout(12_000) })
 */
export interface SwitchoverOptions {
  /**
   * Longest time for which calls are held, in milliseconds: while the work under way finishes,
   * while `fn` runs, and until the new primary has been found. Default: `hold.timeoutMs`, or 10 000
   * with `hold: false`. A call still fails when it has been held for longer than `hold.timeoutMs`.
   */
  timeoutMs?: number | undefined
  /** Gives up: held calls go on wherever the primary is. Default: none. */
  signal?: AbortSignal | undefined
}

/** The parts of the failover pool that a switchover works with. */
export interface SwitchoverParts {
  readonly config: FailoverConfig
  readonly hub: EventHub
  readonly watch: TopologyWatch
  readonly dispatcher: CallDispatcher
  /** Fires when the pool closes. */
  readonly closed: AbortSignal
}

const KNOWN: ReadonlySet<string> = new Set(['timeoutMs', 'signal'])
// Default of `timeoutMs` with `hold: false`.
const DEFAULT_MS = 10_000
// How often every node is probed while calls are held.
const LOOK_MS = 50
// A promotion that `fn` only requested takes a moment to begin.
const UNCHANGED_MS = 1_000

/** Moves the primary without a failed call. Owns whether a move is under way: one at a time. */
export class Switchover {
  readonly #parts: SwitchoverParts
  #begunAt: number | undefined

  /** Does nothing before `run`. */
  constructor(parts: SwitchoverParts) {
    this.#parts = parts
  }

  /** See `FailoverPool.switchover`. */
  async run<R>(
    fn: (signal: AbortSignal) => Promise<R>,
    options: SwitchoverOptions = {},
  ): Promise<R> {
    const { config, watch, closed } = this.#parts
    const { name, clock } = config
    checkArguments(fn, options)
    if (closed.aborted) throw new PoolClosedError(name)
    if (this.#begunAt !== undefined) {
      const agoMs = Math.round(clock.now() - this.#begunAt)
      throw refusal(
        `a switchover of "${name}" has been under way for ${agoMs} ms; wait for it to end`,
      )
    }
    const { primary } = watch
    if (primary === undefined) {
      throw refusal(`"${name}" has no primary to switch from; nodes: ${watch.describe()}`)
    }
    const begunAt = clock.now()
    this.#begunAt = begunAt
    const move = new Move(this.#parts, primary, options, begunAt)
    try {
      return await move.run(fn)
    } finally {
      move.end()
      this.#begunAt = undefined
    }
  }
}

/** One switchover. Holds all calls from its construction until the primary has moved or it ends. */
class Move {
  readonly #parts: SwitchoverParts
  readonly #former: ConnectionPool
  readonly #formerLife: string | undefined
  readonly #signal: AbortSignal
  readonly #caller: AbortSignal | undefined
  readonly #late = new AbortController()
  readonly #timeoutMs: number
  readonly #deadline: number
  readonly #unsubscribe: () => void
  #isHolding = true
  #isBegun = false

  constructor(
    parts: SwitchoverParts,
    former: ConnectionPool,
    { timeoutMs, signal }: SwitchoverOptions,
    begunAt: number,
  ) {
    const { config, watch, dispatcher, closed } = parts
    this.#parts = parts
    this.#former = former
    this.#formerLife = watch.lifeOf(former.name)
    this.#caller = signal
    this.#timeoutMs = timeoutMs ?? config.hold?.timeoutMs ?? DEFAULT_MS
    this.#deadline = begunAt + this.#timeoutMs
    this.#signal = AbortSignal.any([closed, this.#late.signal, ...(signal ? [signal] : [])])
    dispatcher.pause('a switchover is under way')
    // A new primary gets the held calls at once, even if `fn` has more to do.
    this.#unsubscribe = watch.subscribe(() => {
      if (this.#hasMoved && watch.primary !== former) this.#release()
    })
  }

  /** Whether there is a primary, and it is another server or has begun another life. */
  get #hasMoved(): boolean {
    const { watch } = this.#parts
    const { primary } = watch
    if (primary === undefined) return false
    return primary !== this.#former || watch.lifeOf(primary.name) !== this.#formerLife
  }

  async run<R>(fn: (signal: AbortSignal) => Promise<R>): Promise<R> {
    await this.#awaitIdlePrimary()
    const result = await this.#runFn(fn)
    await this.#awaitNewPrimary()
    return result
  }

  /** Ends the move, however it went. */
  end(): void {
    this.#unsubscribe()
    this.#release()
  }

  #release(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#parts.dispatcher.unpause()
  }

  async #awaitIdlePrimary(): Promise<void> {
    const { config, watch } = this.#parts
    const goOn = (): boolean => watch.primary === this.#former
    const left = (): number => underWay(this.#former)
    const end = await awaitIdle(config.clock, left, this.#deadline, this.#signal, goOn)
    if (end === 'idle') return
    this.#throwIfEnded()
    const former = `"${this.#former.name}"`
    throw refusal(
      end === 'late'
        ? `${left()} calls were still under way on ${former} after ${this.#timeoutMs} ms; fn was not called, and the work goes on`
        : `${former} was lost while the switchover waited for its work; fn was not called`,
    )
  }

  async #runFn<R>(fn: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const { config, hub, watch } = this.#parts
    const { clock, name } = config
    const state: { isSettled: boolean } = { isSettled: false }
    const settled = (): void => {
      state.isSettled = true
    }
    this.#isBegun = true
    const work = (async () => await fn(this.#signal))()
    work.then(settled, settled)
    while (!state.isSettled && !this.#signal.aborted) {
      // Once the calls go on, `fn` may take its time.
      const isLate = this.#isHolding && clock.now() >= this.#deadline
      if (isLate) break
      watch.hurry()
      await awaitUntil(clock, clock.now() + LOOK_MS, this.#signal, work)
    }
    if (state.isSettled) return await work
    work.catch((error: unknown) => hub.emit('error', { pool: name, error }))
    this.#throwIfEnded()
    const late = refusal(
      `fn of the switchover did not end within ${this.#timeoutMs} ms; the work goes on, and fn goes on too`,
    )
    this.#late.abort(late)
    throw late
  }

  async #awaitNewPrimary(): Promise<void> {
    const { config, watch } = this.#parts
    const { clock, name } = config
    const endedAt = clock.now()
    await awaitUntil(clock, this.#deadline, this.#signal, watch.refresh('switchover'))
    while (!this.#hasMoved) {
      this.#throwIfEnded()
      const now = clock.now()
      const isUnchanged = watch.primary === this.#former
      if (isUnchanged && now - endedAt >= UNCHANGED_MS) {
        throw refusal(
          `"${this.#former.name}" is still the primary of "${name}" ${UNCHANGED_MS} ms after fn ended; fn promoted no other node, and the work goes on there`,
        )
      }
      if (now >= this.#deadline) {
        throw refusal(
          `no primary was found within ${this.#timeoutMs} ms, although fn ended; nodes: ${watch.describe()}`,
        )
      }
      watch.hurry()
      await awaitUntil(clock, now + LOOK_MS, this.#signal, undefined)
    }
  }

  #throwIfEnded(): void {
    const { config, closed } = this.#parts
    if (closed.aborted) throw new PoolClosedError(config.name)
    if (this.#caller?.aborted) {
      throw new AbortError(this.#caller.reason, this.#isBegun ? 'unknown' : 'no')
    }
  }
}

function refusal(message: string): PoolhouseError {
  return new PoolhouseError(message, { code: 'POOLHOUSE_SWITCHOVER', retryable: true })
}

function checkArguments(fn: unknown, options: SwitchoverOptions): void {
  if (typeof fn !== 'function') {
    throw new TypeError(`switchover: fn must be a function, got ${describeValue(fn)}`)
  }
  refuseUnknownOptions('switchover', options, KNOWN)
  if (options.timeoutMs !== undefined) checkTimeout('switchover', options.timeoutMs)
  checkSignal('switchover', options.signal)
}

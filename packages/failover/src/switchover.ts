import {
  AbortError,
  type Clock,
  type ConnectionPool,
  PoolClosedError,
  PoolhouseError,
} from '@poolhouse/core'
import { awaitIdle, checkNumber, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'
import { awaitUntil } from './base/await-until.js'
import { underWay } from './base/under-way.js'
import type { Courier } from './calls/call-dispatcher.js'
import type { TopologyWatch } from './watch/topology-watch.js'

/** Limits of `switchover`. */
export interface SwitchoverOptions {
  /**
   * Longest time in milliseconds that work is held: while what is under way finishes, while `fn`
   * runs and until the new primary has been found. Default: `hold.timeoutMs`, 10 000 with
   * `hold: false`. Calls that are held longer than `hold.timeoutMs` fail as ever.
   */
  timeoutMs?: number | undefined
  /** Gives up: the work goes on wherever the primary is. */
  signal?: AbortSignal | undefined
}

/** What a switchover needs of its pool. */
export interface SwitchoverHost {
  readonly name: string
  readonly clock: Clock
  readonly watch: TopologyWatch
  readonly courier: Courier
  /** Default of `timeoutMs`. */
  readonly timeoutMs: number
  /** Aborted when the pool is closed. */
  readonly closed: AbortSignal
  /** Calls may go to the primary again, or may not any more. */
  readonly turned: () => void
  /** Something failed that nobody waits for any more. */
  readonly failed: (error: unknown) => void
}

const KNOWN: ReadonlySet<string> = new Set(['timeoutMs', 'signal'])
const LONGEST = 0x7fffffff
// How often every node is asked who leads while work is held.
const LOOK_MS = 50
// A promotion that is only asked for takes a moment to begin.
const UNCHANGED_MS = 1_000

/** Moves the primary without a failed call, one move at a time. Owns whether one is under way. */
export class Switchover {
  readonly #host: SwitchoverHost
  #begunAt: number | undefined

  /** Waits for `run`. */
  constructor(host: SwitchoverHost) {
    this.#host = host
  }

  /**
   * Holds new work, waits until none is under way, runs `fn`, finds the new primary and lets the
   * work go there.
   */
  async run<R>(
    fn: (signal: AbortSignal) => Promise<R>,
    options: SwitchoverOptions = {},
  ): Promise<R> {
    const { name, clock, watch, closed } = this.#host
    checkArguments(fn, options)
    if (closed.aborted) throw new PoolClosedError(name)
    if (this.#begunAt !== undefined) {
      const agoMs = Math.round(clock.now() - this.#begunAt)
      throw refusal(`a switchover of "${name}" is under way since ${agoMs} ms; wait for its end`)
    }
    const { primary } = watch
    if (primary === undefined) {
      throw refusal(`"${name}" has no primary to switch from; nodes: ${watch.describe()}`)
    }
    const begunAt = clock.now()
    this.#begunAt = begunAt
    const move = new Move(this.#host, primary, options, begunAt)
    try {
      return await move.run(fn)
    } finally {
      move.end()
      this.#begunAt = undefined
    }
  }
}

/** One switchover. Work is held from its making until it has moved or has ended. */
class Move {
  readonly #host: SwitchoverHost
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
    host: SwitchoverHost,
    former: ConnectionPool,
    { timeoutMs = host.timeoutMs, signal }: SwitchoverOptions,
    begunAt: number,
  ) {
    const { watch, courier, closed, turned } = host
    this.#host = host
    this.#former = former
    this.#formerLife = watch.lifeOf(former.name)
    this.#caller = signal
    this.#timeoutMs = timeoutMs
    this.#deadline = begunAt + timeoutMs
    this.#signal = AbortSignal.any([closed, this.#late.signal, ...(signal ? [signal] : [])])
    courier.pause('a switchover is under way')
    turned()
    // A new primary gets the work at once, even if `fn` has more to do.
    this.#unsubscribe = watch.subscribe(() => {
      if (this.#hasMoved && watch.primary !== former) this.release()
    })
  }

  /** Whether there is a primary, and it is another one or has begun another life. */
  get #hasMoved(): boolean {
    const { watch } = this.#host
    const { primary } = watch
    if (primary === undefined) return false
    return primary !== this.#former || watch.lifeOf(primary.name) !== this.#formerLife
  }

  async run<R>(fn: (signal: AbortSignal) => Promise<R>): Promise<R> {
    await this.#drained()
    const result = await this.#finished(fn)
    await this.#followed()
    return result
  }

  /** Lets the work go on. */
  release(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#host.courier.unpause()
    this.#host.turned()
  }

  /** Ends it, however it went. */
  end(): void {
    this.#unsubscribe()
    this.release()
  }

  async #drained(): Promise<void> {
    const { clock, watch } = this.#host
    const goOn = (): boolean => watch.primary === this.#former
    const left = (): number => underWay(this.#former)
    const end = await awaitIdle(clock, left, this.#deadline, this.#signal, goOn)
    if (end === 'idle') return
    this.#throwIfEnded()
    const former = `"${this.#former.name}"`
    throw refusal(
      end === 'late'
        ? `${left()} calls were still under way on ${former} after ${this.#timeoutMs} ms; fn was not called, and the work goes on`
        : `${former} was lost while its work was waited for; fn was not called`,
    )
  }

  async #finished<R>(fn: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const { clock, watch, failed } = this.#host
    const state: { isSettled: boolean } = { isSettled: false }
    const settled = (): void => {
      state.isSettled = true
    }
    this.#isBegun = true
    const work = (async () => await fn(this.#signal))()
    work.then(settled, settled)
    while (!state.isSettled && !this.#signal.aborted) {
      // Once the work goes on nobody is in a hurry.
      const isLate = this.#isHolding && clock.now() >= this.#deadline
      if (isLate) break
      watch.hurry()
      await awaitUntil(clock, clock.now() + LOOK_MS, this.#signal, work)
    }
    if (state.isSettled) return await work
    work.catch(failed)
    this.#throwIfEnded()
    const late = refusal(
      `fn of the switchover did not end within ${this.#timeoutMs} ms; the work goes on, and fn goes on too`,
    )
    this.#late.abort(late)
    throw late
  }

  async #followed(): Promise<void> {
    const { clock, watch, name } = this.#host
    const endedAt = clock.now()
    await awaitUntil(clock, this.#deadline, this.#signal, watch.refresh('switchover'))
    while (!this.#hasMoved) {
      this.#throwIfEnded()
      const now = clock.now()
      const isUnchanged = watch.primary === this.#former
      if (isUnchanged && now - endedAt >= UNCHANGED_MS) {
        throw refusal(
          `"${this.#former.name}" is still the primary of "${name}" ${UNCHANGED_MS} ms after fn ended; fn promoted nobody, and the work goes on there`,
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
    if (this.#host.closed.aborted) throw new PoolClosedError(this.#host.name)
    if (this.#caller?.aborted)
      throw new AbortError(this.#caller.reason, this.#isBegun ? 'unknown' : 'no')
  }
}

function refusal(message: string): PoolhouseError {
  return new PoolhouseError(message, { code: 'POOLHOUSE_SWITCHOVER', retryable: true })
}

function checkArguments(fn: unknown, options: SwitchoverOptions): void {
  if (typeof fn !== 'function') {
    throw new TypeError(`switchover: fn must be a function, got ${describeValue(fn)}`)
  }
  if (options === null || typeof options !== 'object') {
    throw new TypeError(`switchover: options must be an object, got ${describeValue(options)}`)
  }
  refuseUnknownOptions('switchover', options, KNOWN)
  const { timeoutMs, signal } = options
  if (timeoutMs !== undefined) {
    checkNumber('switchover', 'timeoutMs', timeoutMs, { min: 1, max: LONGEST })
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`switchover: signal must be an AbortSignal, got ${describeValue(signal)}`)
  }
}

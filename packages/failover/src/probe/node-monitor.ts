import { AsyncResource } from 'node:async_hooks'
import type { Clock, ClockTimer, ConnectionPool } from '@poolhouse/core'
import type { Observation } from '../base/observation.js'
import { NodeProber } from './node-prober.js'

/** What a monitor needs. */
export interface MonitorOptions {
  readonly pool: ConnectionPool
  readonly clock: Clock
  /** Longest time for one probe, in milliseconds. */
  readonly timeoutMs: number
  /** The statement of a probe, and what to ask instead where the server does not support it. */
  readonly statements: readonly string[]
  /** Gets what each probe found. */
  readonly observed: (observation: Observation) => void
  /** How long to wait before the next regular probe, in milliseconds. */
  readonly nextDelayMs: () => number
  /** Age from which its session is replaced, in milliseconds; `Infinity` for never. */
  readonly renewAfterMs: () => number
}

// Signs come in bursts (fifty connections die at once); one probe answers them all.
const LEAST_BETWEEN_SIGNS_MS = 20

/**
 * Probes one server at intervals and on request, one probe at a time. Never keeps the process
 * alive.
 */
export class NodeMonitor {
  // Whoever prompts a probe must not lend its timers and sockets a request's async context.
  readonly #context = new AsyncResource('PoolhouseMonitor', { requireManualDestroy: true })
  readonly #options: MonitorOptions
  readonly #prober: NodeProber
  #running: Promise<void> | undefined
  #again: Promise<void> | undefined
  #timer: ClockTimer | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #begunAt = Number.NEGATIVE_INFINITY
  #stopped = false

  /** Waits for `probe`. */
  constructor(options: MonitorOptions) {
    this.#options = options
    const { pool, clock, timeoutMs, statements, renewAfterMs } = options
    this.#prober = new NodeProber({
      pool,
      clock,
      timeoutMs,
      statements,
      renewAfterMs,
      onSign: () => this.sign(),
    })
  }

  /** Probes now. Resolves when a probe that was sent after this call has been observed. */
  probe(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    if (this.#running === undefined) return this.#begin()
    // The one under way may have been answered before whatever prompted this call.
    this.#again ??= this.#running.then(() => {
      this.#again = undefined
      return this.probe()
    })
    return this.#again
  }

  /** Something hints at a change: probes soon, once for a burst of signs. */
  sign(): void {
    const wait = this.#begunAt + LEAST_BETWEEN_SIGNS_MS - this.#options.clock.now()
    if (wait > 0) this.hasten(wait)
    else void this.probe()
  }

  /** Makes sure that the next probe begins within `delayMs`. */
  hasten(delayMs: number): void {
    const { clock } = this.#options
    if (this.#stopped || clock.now() + delayMs >= this.#dueAt) return
    this.#arm(delayMs)
  }

  /** Ends it: no more probes, no session, no timer. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#prober.stop()
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#dueAt = clock.now() + delayMs
    this.#timer = this.#context.runInAsyncScope(() =>
      clock.setTimer(() => {
        this.#dueAt = Number.POSITIVE_INFINITY
        void this.probe()
      }, delayMs),
    )
  }

  #begin(): Promise<void> {
    this.#timer?.cancel()
    this.#dueAt = Number.POSITIVE_INFINITY
    this.#begunAt = this.#options.clock.now()
    const running = this.#context.runInAsyncScope(() => this.#round())
    this.#running = running
    return running
  }

  async #round(): Promise<void> {
    let observation: Observation | undefined
    while (observation === undefined && !this.#stopped) {
      observation = await this.#prober.observe()
    }
    this.#running = undefined
    if (observation === undefined || this.#stopped) return
    this.#options.observed(observation)
    // What was observed may have prompted another probe already.
    if (this.#running === undefined && !this.#stopped) this.hasten(this.#options.nextDelayMs())
  }
}

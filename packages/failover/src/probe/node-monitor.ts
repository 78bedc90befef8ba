import { AsyncResource } from 'node:async_hooks'
import type { ClockTimer } from '@poolhouse/core'
import type { Observation } from '../base/observation.js'
import { NodeProber, type ProberOptions } from './node-prober.js'

/** Options of `NodeMonitor`: those of its prober, when to probe, and where results go. */
export interface MonitorOptions extends Omit<ProberOptions, 'onHint'> {
  /** Called with what each probe found. */
  readonly observed: (observation: Observation) => void
  /** How long to wait before the next regular probe, in milliseconds. */
  readonly nextDelayMs: () => number
}

// Hints come in bursts, as when fifty connections die at once. One probe answers them all.
const LEAST_BETWEEN_HINTS_MS = 20

/**
 * Probes one server at intervals and on request, one probe at a time. Never keeps the process
 * alive.
 */
export class NodeMonitor {
  // Its timers and sockets must not inherit the async context of the request that prompts a probe.
  readonly #context = new AsyncResource('PoolhouseMonitor', { requireManualDestroy: true })
  readonly #options: MonitorOptions
  readonly #prober: NodeProber
  #running: Promise<void> | undefined
  #again: Promise<void> | undefined
  #timer: ClockTimer | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #begunAt = Number.NEGATIVE_INFINITY
  #stopped = false

  /** Does nothing before the first `probe`. */
  constructor(options: MonitorOptions) {
    this.#options = options
    this.#prober = new NodeProber({ ...options, onHint: () => this.hint() })
  }

  /** Probes now. Resolves when a probe that was sent after this call has been observed. */
  probe(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    if (this.#running === undefined) return this.#begin()
    // The probe under way may have been answered before the event that prompted this call.
    this.#again ??= this.#running.then(() => {
      this.#again = undefined
      return this.probe()
    })
    return this.#again
  }

  /** Probes soon, because something hints at a change. A burst of hints makes one probe. */
  hint(): void {
    const wait = this.#begunAt + LEAST_BETWEEN_HINTS_MS - this.#options.clock.now()
    if (wait > 0) this.hasten(wait)
    else void this.probe()
  }

  /** Makes sure that the next probe begins within `delayMs`. */
  hasten(delayMs: number): void {
    const { clock } = this.#options
    if (this.#stopped || clock.now() + delayMs >= this.#dueAt) return
    this.#arm(delayMs)
  }

  /** Stops probing, destroys the session and cancels the timer. */
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
    // The observation may have prompted another probe already.
    if (this.#running === undefined && !this.#stopped) this.hasten(this.#options.nextDelayMs())
  }
}

import type { Clock, ClockTimer } from '@poolhouse/core'
import type { NodeSet } from './node-set.js'

/**
 * The watchdog: looks for connections that wait for an answer and hear nothing. Silence alone
 * proves nothing, a slow query is silent too; it only prompts a probe. Never keeps the process
 * alive.
 */
export class SilenceWatch {
  readonly #nodes: NodeSet
  readonly #clock: Clock
  readonly #limits: { readonly silenceMs: number; readonly everyMs: number }
  readonly #onSilence: (node: string) => void
  #timer: ClockTimer | undefined

  /** Looks every `everyMs` and reports nodes that have been silent for longer than `silenceMs`. */
  constructor(
    nodes: NodeSet,
    clock: Clock,
    limits: { readonly silenceMs: number; readonly everyMs: number },
    onSilence: (node: string) => void,
  ) {
    this.#nodes = nodes
    this.#clock = clock
    this.#limits = limits
    this.#onSilence = onSilence
    this.#arm()
  }

  /** Ends it. */
  stop(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(() => {
      this.#arm()
      // After a stall of our own event loop the sockets must be read before anybody is called
      // silent.
      this.#clock.afterIo(() => this.#look())
    }, this.#limits.everyMs)
  }

  #look(): void {
    for (const { pool } of this.#nodes) {
      if (pool.silentForMs() > this.#limits.silenceMs) this.#onSilence(pool.name)
    }
  }
}

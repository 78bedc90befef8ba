import type { Clock, ClockTimer } from '@poolhouse/core'
import type { NodeSet } from './node-set.js'

/**
 * The watchdog: looks for connections that wait for an answer and hear nothing. Silence only
 * prompts a probe; it proves nothing, because a slow query is silent too. Never keeps the process
 * alive.
 */
export class SilenceWatch {
  readonly #nodes: NodeSet
  readonly #clock: Clock
  readonly #limits: { readonly silenceMs: number; readonly everyMs: number }
  readonly #onSilence: (node: string) => void
  #timer: ClockTimer | undefined

  /** Looks every `everyMs` and reports each node that was silent for longer than `silenceMs`. */
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

  /** Stops the watchdog. */
  stop(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(() => {
      this.#arm()
      // After a stall of our own event loop, first read what has arrived on the sockets.
      this.#clock.afterIo(() => this.#look())
    }, this.#limits.everyMs)
  }

  #look(): void {
    for (const { pool } of this.#nodes) {
      if (pool.silentForMs() > this.#limits.silenceMs) this.#onSilence(pool.name)
    }
  }
}

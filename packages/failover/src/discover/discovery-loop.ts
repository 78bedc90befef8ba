import { AsyncResource } from 'node:async_hooks'
import { type Clock, type ClockTimer, PoolhouseError } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import type { DiscoveredNode, Discovery } from './discovery.js'

/** Options of `DiscoveryLoop`. */
export interface DiscoveryLoopOptions {
  readonly discover: Discovery
  /** Time between two calls of `discover.next`, in milliseconds, unless the answer says. */
  readonly intervalMs: number
  readonly clock: Clock
  readonly random: () => number
  /** Whether there is no primary, so that the nodes are needed soon. */
  readonly urgent: () => boolean
  /** Called with each list that is not empty. */
  readonly found: (nodes: readonly DiscoveredNode[]) => void
  /** Called with the first of several failures in a row, and with undefined once it works again. */
  readonly failed: (error: Error | undefined) => void
}

const URGENT_MS = 1_000

/**
 * Calls a discovery at intervals, never twice at the same time. Never keeps the process alive.
 */
export class DiscoveryLoop {
  // Its timers and sockets must not inherit the async context of the request that caused them.
  readonly #context = new AsyncResource('PoolhouseDiscovery', { requireManualDestroy: true })
  readonly #options: DiscoveryLoopOptions
  readonly #stop = new AbortController()
  #timer: ClockTimer | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #isAsking = false
  #isFailing = false

  /** Does nothing before `start`. */
  constructor(options: DiscoveryLoopOptions) {
    this.#options = options
  }

  /** Starts the loop. */
  start(): void {
    void this.#context.runInAsyncScope(() => this.#ask())
  }

  /** Makes the next call begin within a second. */
  hasten(): void {
    const { clock } = this.#options
    if (this.#isAsking || clock.now() + URGENT_MS >= this.#dueAt) return
    this.#arm(URGENT_MS)
  }

  /** Stops the loop. An answer that arrives later is ignored. */
  stop(): void {
    this.#timer?.cancel()
    this.#stop.abort(new Error('the failover pool was closed'))
  }

  async #ask(): Promise<void> {
    const { discover, clock, found, failed } = this.#options
    this.#isAsking = true
    this.#dueAt = Number.POSITIVE_INFINITY
    let validMs: number | undefined
    let trouble: Error | undefined
    try {
      const answer = await discover.next({ signal: this.#stop.signal, clock })
      if (this.#stop.signal.aborted) return
      checkAnswer(answer.nodes)
      if (answer.nodes.length === 0) throw new Error('it lists no nodes')
      validMs = answer.validMs
      found(answer.nodes)
    } catch (cause) {
      trouble = new PoolhouseError(
        `${discover.name} failed, and the nodes stay as they are: ${messageOf(cause)}`,
        { retryable: true, cause },
      )
    }
    this.#isAsking = false
    if (this.#stop.signal.aborted) return
    if (trouble !== undefined && !this.#isFailing) failed(trouble)
    if (trouble === undefined && this.#isFailing) failed(undefined)
    this.#isFailing = trouble !== undefined
    this.#arm(this.#delayMs(validMs))
  }

  #delayMs(validMs: number | undefined): number {
    const { intervalMs, random, urgent } = this.#options
    const regular = (validMs ?? intervalMs) * (0.8 + 0.4 * random())
    // A list that never changes is not asked for again.
    if (validMs === Number.POSITIVE_INFINITY) return validMs
    return urgent() || this.#isFailing ? Math.min(regular, URGENT_MS) : regular
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    if (delayMs === Number.POSITIVE_INFINITY) {
      this.#dueAt = Number.NEGATIVE_INFINITY
      return
    }
    this.#dueAt = clock.now() + delayMs
    this.#timer = this.#context.runInAsyncScope(() =>
      clock.setTimer(() => void this.#ask(), delayMs),
    )
  }
}

/**
 * Checks the list of an application's own discovery. Throws `TypeError` that says what is wrong.
 */
function checkAnswer(nodes: unknown): void {
  if (!Array.isArray(nodes)) throw new TypeError('its answer has no list of nodes')
  for (const [index, node] of (nodes as readonly Partial<DiscoveredNode>[]).entries()) {
    const { host, port } = node ?? {}
    const isPort = Number.isInteger(port) && port! >= 1 && port! <= 65_535
    if (typeof host !== 'string' || host === '' || !isPort) {
      throw new TypeError(`node ${index} of its answer has no host or no port`)
    }
  }
}

import type { CloseOptions } from '../api/pool.js'
import type { Clock, ClockTimer } from '../base/clock.js'
import { checkNumber, checkWord, refuseUnknownOptions } from '../base/option-check.js'
import type { Slot } from '../slot/slot.js'

/** What closing asks of the pool. */
export interface ClosingHost {
  /** Time source. */
  readonly clock: Clock
  /** Every connection there is. */
  readonly slots: ReadonlySet<Slot>
  /** Number of sessions outside `max`. */
  sessions(): number
  /** Cancel connections that are open. */
  cancels(): number
  /** Callers that are still to be served. */
  pending(): number
  /**
   * Refuses waiters and gives up on connects; called at once, or at the deadline with
   * `waiters: 'serve'`.
   */
  turnAway(): void
  /** Ends politely whatever nobody needs any more. */
  retireUnneeded(): void
  /** Cancels what a connection runs. */
  cancel(slot: Slot): void
  /** Breaks a connection. */
  destroy(slot: Slot, reason: string): void
  /** Breaks all sessions outside `max`. */
  destroySessions(reason: string): void
}

const KNOWN: ReadonlySet<string> = new Set(['timeoutMs', 'waiters'])
const CLOSE_MS = 10_000
const AFTER_CANCEL_MS = 500
const REASON = 'the pool is closing'

/** Options of `close` with defaults. */
export interface CheckedCloseOptions {
  /** How long it may take, in milliseconds. Default: 10,000. */
  readonly timeoutMs: number
  /** Whether calls that wait are turned away or served. Default: `reject`. */
  readonly waiters: 'reject' | 'serve'
}

/** Checks the options of `close`. Throws `TypeError` or `RangeError` naming option and value. */
export function readCloseOptions(options: CloseOptions): CheckedCloseOptions {
  refuseUnknownOptions('close', options, KNOWN)
  return {
    timeoutMs: checkNumber('close', 'timeoutMs', options.timeoutMs ?? CLOSE_MS, {
      min: 0,
      max: 0x7fffffff,
    }),
    waiters: checkWord('close', 'waiters', options.waiters ?? 'reject', ['reject', 'serve']),
  }
}

/**
 * The end of a pool: what is idle is closed, leases are waited for; at the deadline what still runs
 * is cancelled, and half a second later everything is destroyed. `done` resolves when the last
 * socket is closed, those of cancel requests too: a second and a half after the deadline at the
 * latest.
 */
export class PoolClosing {
  readonly #host: ClosingHost
  readonly #done: Promise<void>
  #resolve: () => void = () => {}
  #lastResort: ClockTimer | undefined

  /** Begins at once. */
  constructor(host: ClosingHost, options: CheckedCloseOptions) {
    this.#host = host
    const done = new Promise<void>((resolve) => {
      this.#resolve = resolve
    })
    if (options.waiters === 'reject') host.turnAway()
    host.retireUnneeded()
    const force = host.clock.setTimer(
      () => host.clock.afterIo(() => this.#force()),
      options.timeoutMs,
      { keepAlive: true },
    )
    this.#done = done.finally(() => {
      force.cancel()
      this.#lastResort?.cancel()
    })
    this.check()
  }

  /** Resolves when everything is closed. */
  get done(): Promise<void> {
    return this.#done
  }

  /** A connection, a session, a waiter or a cancel request is gone: is it the last one? */
  check(): void {
    const host = this.#host
    if (host.slots.size + host.sessions() + host.pending() + host.cancels() === 0) this.#resolve()
  }

  #force(): void {
    const { clock, slots } = this.#host
    this.#host.turnAway()
    let busy = false
    for (const slot of [...slots]) {
      if (slot.state === 'leased' && !slot.quiet) {
        busy = true
        this.#host.cancel(slot)
      } else {
        this.#host.destroy(slot, REASON)
      }
    }
    if (!busy) {
      this.#destroyRest()
      return
    }
    this.#lastResort = clock.setTimer(() => this.#destroyRest(), AFTER_CANCEL_MS, {
      keepAlive: true,
    })
  }

  #destroyRest(): void {
    for (const slot of [...this.#host.slots]) this.#host.destroy(slot, REASON)
    this.#host.destroySessions(REASON)
    this.check()
  }
}

import type { CloseOptions } from '../api/pool.js'
import type { ClockTimer } from '../base/clock.js'
import { MAX_MS } from '../base/clock.js'
import { checkNumber, checkWord, refuseUnknownOptions } from '../base/option-check.js'
import { PoolClosedError } from '../outcome/errors.js'
import type { EngineView } from './engine-view.js'

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
      max: MAX_MS,
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
  readonly #engine: EngineView
  /** Resolves when everything is closed. */
  readonly done: Promise<void>
  #resolve: () => void = () => {}
  #lastResort: ClockTimer | undefined

  /** Begins at once. */
  constructor(engine: EngineView, options: CheckedCloseOptions) {
    this.#engine = engine
    const done = new Promise<void>((resolve) => {
      this.#resolve = resolve
    })
    if (options.waiters === 'reject') engine.refuseNew()
    engine.departures.retireUnneeded()
    engine.sessions.closeAll(new PoolClosedError(engine.name))
    const force = engine.clock.setTimer(
      () => engine.clock.afterIo(() => this.#force()),
      options.timeoutMs,
      { keepAlive: true },
    )
    this.done = done.finally(() => {
      force.cancel()
      this.#lastResort?.cancel()
    })
    this.check()
  }

  /** A connection, a session, a waiter or a cancel request is gone: is it the last one? */
  check(): void {
    const { slots, sessions, handoff, quarantine } = this.#engine
    const left = slots.size + sessions.size + handoff.pending + quarantine.requests
    if (left === 0) this.#resolve()
  }

  /** A waiter was served or has left: while the last ones are served, the rest may go. */
  served(): void {
    if (this.#engine.phase !== 'serving') return
    if (this.#engine.handoff.pending === 0) this.#engine.departures.retireUnneeded()
    this.check()
  }

  #force(): void {
    const { clock, slots, departures } = this.#engine
    this.#engine.refuseNew()
    let busy = false
    for (const slot of [...slots]) {
      if (slot.state === 'leased' && !slot.quiet) {
        busy = true
        if (slot.occupant === undefined) this.#engine.cancel(slot)
        else slot.occupant.interrupt((executed) => new PoolClosedError(this.#engine.name, executed))
      } else {
        departures.destroy(slot, REASON)
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
    const { slots, departures, sessions } = this.#engine
    for (const slot of [...slots]) departures.destroy(slot, REASON)
    sessions.destroyAll(REASON)
    this.check()
  }
}

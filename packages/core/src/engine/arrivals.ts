import { tracing } from '../api/tracing.js'
import type { ClockTimer } from '../base/clock.js'
import { checkNumber } from '../base/option-check.js'
import { ownError } from '../base/own-error.js'
import { PoolClosedError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'
import { countSlots } from '../slot/count-slots.js'
import { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'

const LIFETIME_JITTER = 0.1
// A connect takes some round trips; one that takes less is not worth beginning anew, on a server
// that counts the log-in it is about to lose for a moment longer.
const HANGS_MS = 250

/** A caller of `warm()`. */
interface Warming {
  readonly target: number
  readonly resolve: (() => void) & SettleCall
}

/**
 * The way into the pool: opens connections, one at a time when `Growth` says so, and puts them into
 * service. Owns the callers of `warm()`.
 */
export class Arrivals {
  readonly #engine: EngineView
  #lastId = 0
  #warming: Warming[] = []
  // When each connect under way began. Made with the first one: idle pools may be many.
  #begun: Map<Slot, number> | undefined
  // Looks again at those that were too young to be given up.
  #look: ClockTimer | undefined

  /** Opens connections for this engine. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** Connections that callers, `min` or `warm()` want, beyond those that exist or are under way. */
  wanted(): number {
    const { phase, config, slots, handoff } = this.#engine
    const target = this.#warming.reduce((most, one) => Math.max(most, one.target), config.min)
    const missing = phase === 'open' ? target - slots.size : 0
    return Math.max(missing, handoff.wanted())
  }

  /** Connections that can serve a caller now or soon. */
  usable(): number {
    return countSlots(this.#engine.slots, 'idle', 'validating', 'leased', 'cleaning')
  }

  /**
   * Opens a connection and puts it into service. Rejects with the connect error; resolves with
   * false if it was no longer wanted.
   */
  async open(): Promise<boolean> {
    const engine = this.#engine
    const { slots, config } = engine
    const slot = new Slot(++this.#lastId, engine.era, engine.seat)
    slots.add(slot)
    const startedAt = engine.now()
    this.#begun ??= new Map()
    this.#begun.set(slot, startedAt)
    const observer = engine.hub.calls?.observer
    const begun = observer?.connecting()
    const open = (): Promise<void> =>
      engine.opening.open(slot, {
        timeoutMs: config.connectTimeoutMs,
        settings: config.settings,
        owner: engine,
      })
    try {
      if (tracing.connect.hasSubscribers) {
        await tracing.connect.tracePromise(open, { pool: engine.name })
      } else await open()
    } catch (error) {
      observer?.connected(begun, engine.now() - startedAt, error)
      // We abandoned this connect ourselves, so its failure is not reported.
      if (!slots.delete(slot)) return false
      slot.returnPermit()
      engine.departures.left()
      throw error
    } finally {
      this.#begun.delete(slot)
      if (this.#begun.size === 0) this.#look?.cancel()
    }
    observer?.connected(begun, engine.now() - startedAt, undefined)
    // Lost or destroyed between its last word and this line.
    if (!slots.has(slot)) return false
    this.#opened(slot, startedAt)
    return true
  }

  /**
   * Begins anew the connects that are under way now, each as soon as it has been for so long that
   * it may hang.
   */
  reopen(reason: string): void {
    // The name may lead to another server than when they began.
    this.#engine.wishes.forget()
    this.#giveUp([...(this.#begun?.keys() ?? [])], reason)
  }

  #giveUp(doubted: readonly Slot[], reason: string): void {
    const { clock, departures, growth } = this.#engine
    const now = this.#engine.now()
    const young: Slot[] = []
    for (const slot of doubted) {
      const startedAt = this.#begun?.get(slot)
      if (startedAt === undefined) continue
      if (now - startedAt < HANGS_MS) young.push(slot)
      else departures.destroy(slot, reason)
    }
    growth.step(now)
    this.#look?.cancel()
    this.#look = undefined
    if (young.length === 0) return
    this.#look = clock.setTimer(() => this.#giveUp(young, reason), HANGS_MS)
  }

  #opened(slot: Slot, startedAt: number): void {
    const { config, handoff, hub, name, recorder, returns, wishes } = this.#engine
    const now = this.#engine.now()
    const { maxLifetimeMs, random } = config
    slot.serve(
      maxLifetimeMs > 0
        ? now + maxLifetimeMs * (1 - LIFETIME_JITTER * random())
        : Number.POSITIVE_INFINITY,
    )
    slot.trusted = handoff.suspicion
    const createMs = now - startedAt
    recorder.created++
    recorder.create.record(createMs)
    if (hub.has('connect')) {
      hub.emit('connect', { pool: name, connection: slot.id, createMs, server: slot.server })
    }
    wishes.opened(slot)
    returns.reuse(slot, now)
    wishes.dismissVain()
    this.checkWarm()
    this.#engine.wakeForUpkeep(now)
  }

  /** A connect failed: counts and reports it. */
  failed(error: unknown): void {
    const { recorder, hub, name } = this.#engine
    recorder.errors++
    this.failWarm(error as Error)
    hub.emit('error', { pool: name, error })
  }

  /** Resolves when `count` connections are open; default: `min`, and at least one. */
  async warm(count: number | undefined): Promise<void> {
    const { config, growth, phase, name } = this.#engine
    const { max, min } = config
    const target = count ?? Math.max(1, min)
    checkNumber('warm', 'count', target, { min: 1, max, integer: true })
    if (phase !== 'open') throw new PoolClosedError(name)
    if (this.usable() >= target) return
    const refusal = growth.refusal(this.#engine.now())
    if (refusal !== undefined) throw refusal
    const warmed = new Promise<void>((resolve) => {
      this.#warming.push({ target, resolve })
    })
    growth.step(this.#engine.now())
    await warmed
  }

  /** Tells the callers of `warm()` whose connections are open. */
  checkWarm(): void {
    if (this.#warming.length === 0) return
    const usable = this.usable()
    // More than `max` will never come, whatever it was when `warm` was called.
    const most = usable >= this.#engine.config.max ? Number.POSITIVE_INFINITY : usable
    const done = this.#warming.filter(({ target }) => target <= most)
    this.#warming = this.#warming.filter(({ target }) => target > most)
    for (const { resolve } of done) resolve()
  }

  /** Fails the callers of `warm()`. */
  failWarm(error: Error): void {
    for (const { resolve } of this.#warming.splice(0)) failCall(resolve, ownError(error))
  }
}

import type { PoolConfig } from '../api/pool-config.js'
import type { SessionOptions } from '../api/session.js'
import {
  checkFunction,
  checkOptions,
  checkSignal,
  checkTimeout,
  describeValue,
  optionChecks,
} from '../base/option-check.js'
import { realTimers } from '../base/real-timers.js'
import type { OpeningOptions, SlotOwner } from '../connect/opening.js'
import { elsewhereError } from '../identity/only-to.js'
import { AbortError, PoolClosedError } from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'

const CHECKS = optionChecks({
  timeoutMs: checkTimeout,
  signal: checkSignal,
  applicationName: checkApplicationName,
  onNotification: checkFunction,
})
const CLOSE_MS = 2_000
// New sessions that may lead to another server than the one that is wanted.
const MOST_TRIES = 8
// Several round trips to a distant server; one that does not let us in within this time proves
// nothing.
const ASKING_MS = 2_000
const WATCHDOG = 'poolhouse-watchdog'

/** The sessions of a pool that stand outside its `max`. */
export class SessionSet implements SlotOwner {
  readonly #engine: EngineView
  // Made with the first session: most pools have none.
  #slots: Set<Slot> | undefined

  /** Opens sessions for this engine. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** The connections, open or being opened. */
  get slots(): Iterable<Slot> {
    return this.#slots ?? []
  }

  /** Sessions that are open or being opened. */
  get size(): number {
    return this.#slots?.size ?? 0
  }

  /** Whether the slot is one of them. */
  has(slot: Slot): boolean {
    return this.#slots?.has(slot) === true
  }

  /**
   * Opens one, to an accepted server if that matters. Rejects with `ConnectError`, `AbortError` or
   * `PoolClosedError`, and with `TypeError` for wrong options.
   */
  async open(options: SessionOptions, accepts?: AcceptsServer): Promise<Slot> {
    if (accepts === undefined) return await this.#open(options)
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const slot = await this.#open(options)
      if (accepts(slot.server)) return slot
      const connection = slot.connection!
      connection.close(CLOSE_MS).catch((error: unknown) => connection.destroy(error))
      // Where the name leads to another server, an idle connection of the pool does as well.
      const idle = this.#engine.take(this.#engine.now(), accepts)
      if (idle !== undefined) return this.#adopt(idle)
    }
    throw elsewhereError(this.#engine.config)
  }

  async #open(options: SessionOptions): Promise<Slot> {
    const { phase, name, growth } = this.#engine
    if (phase !== 'open') throw new PoolClosedError(name)
    const slot = await this.#openSlot(readOptions(options, this.#engine.config))
    growth.reachable(this.#engine.now())
    this.#engine.seat?.leadsTo?.(slot.server)
    return slot
  }

  /**
   * Opens one to the very peer of a connection, which asks the server about it: a name may lead to
   * several servers. `signal` gives it up.
   */
  async openBeside({ connection }: Slot, signal: AbortSignal): Promise<Slot> {
    const { settings, connectTimeoutMs, watchdog } = this.#engine.config
    const address = connection?.info.address
    const peer = address === undefined ? settings : settings.withAddress(address)
    const slot = await this.#openSlot({
      timeoutMs: Math.min(connectTimeoutMs, ASKING_MS + (watchdog?.timeoutMs ?? 0)),
      settings: peer.withApplicationName(WATCHDOG),
      signal,
    })
    slot.connection!.unref()
    return slot
  }

  async #openSlot(options: Omit<OpeningOptions, 'owner'>): Promise<Slot> {
    const { signal } = options
    const slot = new Slot(0, 0)
    const slots = this.#add(slot)
    try {
      await this.#engine.opening.open(slot, { ...options, owner: this })
    } catch (error) {
      slots.delete(slot)
      this.#changed()
      if (signal?.aborted) throw new AbortError(signal.reason, 'no')
      throw error
    }
    // Lost between its last word and this line.
    if (!slots.has(slot)) throw slot.lostError()
    slot.standApart()
    return slot
  }

  /** Takes an idle connection out of the pool. */
  #adopt(slot: Slot): Slot {
    const { slots, departures, wishes } = this.#engine
    slots.delete(slot)
    slot.standApart()
    this.#add(slot)
    departures.report(slot, 'it became a session of a monitor')
    wishes.dismissVain()
    return slot
  }

  #add(slot: Slot): Set<Slot> {
    this.#slots ??= new Set()
    this.#slots.add(slot)
    this.#engine.seat?.outside(this.size)
    return this.#slots
  }

  /** Ends all of them with a good-bye; those that are being opened are abandoned. */
  closeAll(reason: Error): void {
    for (const slot of this.slots) {
      if (slot.connection === undefined) this.#engine.opening.abort(slot, reason)
      else slot.connection.close(CLOSE_MS).catch(() => {})
    }
  }

  /** Breaks all of them. */
  destroyAll(reason: string): void {
    for (const { connection } of this.slots) connection?.destroy(new Error(reason))
  }

  ended(slot: Slot, reason: unknown): void {
    this.#slots?.delete(slot)
    slot.lose(reason)
    this.#changed()
  }

  #changed(): void {
    this.#engine.seat?.outside(this.size)
    this.#engine.closing?.check()
  }
}

function readOptions(
  options: SessionOptions,
  { settings, connectTimeoutMs }: PoolConfig,
): Omit<OpeningOptions, 'owner'> {
  checkOptions('openSession', options, CHECKS)
  const { applicationName, signal, onNotification, timeoutMs } = options
  return {
    timeoutMs: timeoutMs ?? connectTimeoutMs,
    settings:
      applicationName === undefined ? settings : settings.withApplicationName(applicationName),
    signal,
    // Not in the middle of the driver's work: an error thrown there would end the session.
    notification:
      onNotification &&
      ((channel, payload) => realTimers.queueMicrotask(() => onNotification(channel, payload))),
  }
}

function checkApplicationName(where: string, value: unknown, name: string): void {
  if (typeof value === 'string' && value !== '') return
  throw new TypeError(`${where}: ${name} must be a non-empty string, got ${describeValue(value)}`)
}

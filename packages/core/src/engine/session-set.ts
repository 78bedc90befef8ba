import type { PoolConfig } from '../api/pool-options.js'
import type { Session, SessionOptions } from '../api/session.js'
import {
  checkSignal,
  checkTimeout,
  describeValue,
  refuseUnknownOptions,
} from '../base/option-check.js'
import { realTimers } from '../base/real-timers.js'
import type { Opening, OpeningOptions, SlotOwner } from '../connect/opening.js'
import { ServerSession } from '../lease/server-session.js'
import { AbortError } from '../outcome/errors.js'
import { Slot } from '../slot/slot.js'
import type { RunHost } from '../statement/statement-run.js'

const KNOWN: ReadonlySet<string> = new Set([
  'timeoutMs',
  'signal',
  'applicationName',
  'onNotification',
])
const CLOSE_MS = 2_000

/** The sessions of a pool that stand outside its `max`. */
export class SessionSet implements SlotOwner {
  readonly #host: RunHost
  readonly #opening: Opening
  readonly #changed: () => void
  // Made with the first session: most pools have none.
  #slots: Set<Slot> | undefined

  /** `changed` is called whenever one of them is over. */
  constructor(host: RunHost, opening: Opening, changed: () => void) {
    this.#host = host
    this.#opening = opening
    this.#changed = changed
  }

  /** The connections, open or being opened. */
  get slots(): Iterable<Slot> {
    return this.#slots ?? []
  }

  /** Sessions that are open or being opened. */
  get size(): number {
    return this.#slots?.size ?? 0
  }

  /**
   * Opens one. Rejects with `ConnectError` or `AbortError`; throws `TypeError` for wrong options.
   */
  async open(config: PoolConfig, options: SessionOptions): Promise<Session> {
    refuseUnknownOptions('openSession', options, KNOWN)
    if (options.timeoutMs !== undefined) checkTimeout('openSession', options.timeoutMs)
    const { settings, connectTimeoutMs } = config
    const { applicationName, signal, onNotification } = options
    checkSignal('openSession', signal)
    if (
      applicationName !== undefined &&
      (typeof applicationName !== 'string' || !applicationName)
    ) {
      throw new TypeError(
        `openSession: applicationName must be a non-empty string, got ${describeValue(applicationName)}`,
      )
    }
    if (onNotification !== undefined && typeof onNotification !== 'function') {
      throw new TypeError(
        `openSession: onNotification must be a function, got ${describeValue(onNotification)}`,
      )
    }
    const slot = await this.openSlot({
      timeoutMs: options.timeoutMs ?? connectTimeoutMs,
      settings:
        applicationName === undefined ? settings : settings.withApplicationName(applicationName),
      signal,
      // Not in the middle of the driver's work: whatever is thrown there would end the session.
      notification:
        onNotification &&
        ((channel, payload) => realTimers.queueMicrotask(() => onNotification(channel, payload))),
    })
    return new ServerSession(this.#host, slot)
  }

  /** The same, for parts of the pool that do without a `Session`. */
  async openSlot(options: Omit<OpeningOptions, 'owner'>): Promise<Slot> {
    const { signal } = options
    const slot = new Slot(0, 0)
    this.#slots ??= new Set()
    this.#slots.add(slot)
    try {
      await this.#opening.open(slot, { ...options, owner: this })
    } catch (error) {
      this.#slots.delete(slot)
      this.#changed()
      if (signal?.aborted) throw new AbortError(signal.reason, 'no')
      throw error
    }
    // Over between its last word and this line.
    if (!this.#slots.has(slot)) throw slot.lostError()
    slot.standApart()
    return slot
  }

  /** Whether the slot is one of them. */
  has(slot: Slot): boolean {
    return this.#slots?.has(slot) === true
  }

  /** Takes over a connection that was the pool's. */
  adopt(slot: Slot): Session {
    this.#slots ??= new Set()
    this.#slots.add(slot)
    slot.standApart()
    return new ServerSession(this.#host, slot)
  }

  /** Ends all of them politely; those that are being opened are given up. */
  closeAll(reason: Error): void {
    for (const slot of this.#slots ?? []) {
      if (slot.connection === undefined) this.#opening.abort(slot, reason)
      else slot.connection.close(CLOSE_MS).catch(() => {})
    }
  }

  /** None of them gives names to statements by itself any more, or leads to a server of its own. */
  poolerNoticed(): void {
    for (const slot of this.#slots ?? []) slot.poolerNoticed()
  }

  /** Breaks all of them. */
  destroyAll(reason: string): void {
    for (const { connection } of this.#slots ?? []) connection?.destroy(new Error(reason))
  }

  ended(slot: Slot, reason: unknown): void {
    this.#slots?.delete(slot)
    slot.lose(reason)
    this.#changed()
  }
}

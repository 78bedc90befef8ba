import type { ConnectionSettings } from './connection-settings.js'
import type { Connector } from './connector.js'
import type { ConnectionListener } from './driver.js'
import { formatEndpoint } from './endpoint.js'
import { ConnectError } from './errors.js'
import type { Slot } from './slot.js'

/** How one session is opened. */
export interface OpeningOptions {
  /** Longest time for all of it, in milliseconds. */
  timeoutMs: number
  /** As whom, where; default: the pool's settings. */
  settings: ConnectionSettings
  /** The caller's wish to give up. */
  signal?: AbortSignal | undefined
  /** The session ended after it was open. */
  closed: (reason: unknown) => void
}

// Reported by the server about itself; no borrower can leave them behind.
const SERVER_STATE: ReadonlySet<string> = new Set(['in_hot_standby', 'is_superuser'])

/** Fills slots with sessions, follows the parameters that the server reports, and can give up on everything under way. */
export class Opening {
  readonly #connector: Connector
  // Made with the first connect: idle pools may be many.
  #underWay: Map<Slot, AbortController> | undefined
  // Nearly every session of a pool begins with the same server parameters, so they share one map: half a kilobyte for each.
  #atBirth: Map<string, string> | undefined

  /** Opens through this connector. */
  constructor(connector: Connector) {
    this.#connector = connector
  }

  /** Opens the session of one slot. Rejects with a `ConnectError`; the slot is then `gone`. */
  async open(slot: Slot, options: OpeningOptions): Promise<void> {
    const abort = new AbortController()
    this.#underWay ??= new Map()
    this.#underWay.set(slot, abort)
    const signal =
      options.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, options.signal])
    try {
      const connection = await this.#connector.connect(
        listenerOf(slot, options.closed),
        signal,
        options.timeoutMs,
        options.settings,
      )
      if (isGone(slot) || signal.aborted) {
        // The server closed it, or we gave it up, between its last word and ours.
        slot.lostReason ??= signal.reason
        connection.destroy(slot.lostReason)
        throw this.#closedAtOnce(slot, options.settings)
      }
      slot.atBirth = this.#shared(slot.atBirth)
      slot.connection = connection
    } catch (error) {
      slot.state = 'gone'
      throw error
    } finally {
      this.#underWay.delete(slot)
    }
  }

  /** Gives up on one connect, if it is under way. */
  abort(slot: Slot, reason: unknown): void {
    this.#underWay?.get(slot)?.abort(reason)
  }

  /** Gives up on every connect under way. */
  abortAll(reason: unknown): void {
    for (const abort of this.#underWay?.values() ?? []) abort.abort(reason)
  }

  #shared(atBirth: Map<string, string> | undefined): Map<string, string> | undefined {
    const last = this.#atBirth
    this.#atBirth = atBirth
    if (last === undefined || atBirth === undefined || last.size !== atBirth.size) return atBirth
    for (const [name, value] of last) if (atBirth.get(name) !== value) return atBirth
    this.#atBirth = last
    return last
  }

  #closedAtOnce(slot: Slot, settings: ConnectionSettings): ConnectError {
    const endpoint = formatEndpoint(settings.endpoint)
    const cause = slot.lostReason
    const why = cause instanceof Error ? cause.message : String(cause)
    return new ConnectError(`${endpoint} closed the connection at once: ${why}`, {
      endpoint,
      cause,
    })
  }
}

// A function, because control flow analysis would take the state for unchanged across the await.
function isGone(slot: Slot): boolean {
  return slot.state === 'gone'
}

function ignore(): void {}

function listenerOf(slot: Slot, closed: (reason: unknown) => void): ConnectionListener {
  return {
    closed: (reason) => {
      if (slot.connection !== undefined) {
        closed(reason)
        return
      }
      slot.state = 'gone'
      slot.lostReason ??= reason
    },
    notice: ignore,
    notification: ignore,
    parameter: (name, value) => {
      if (slot.connection === undefined) {
        slot.atBirth ??= new Map()
        slot.atBirth.set(name, value)
      } else if (!SERVER_STATE.has(name)) {
        if (slot.atBirth?.get(name) === value) slot.drifted?.delete(name)
        else slot.drifted = (slot.drifted ?? new Set()).add(name)
      }
    },
  }
}

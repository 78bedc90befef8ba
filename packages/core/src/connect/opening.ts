import type { ConnectionListener, DriverConnection, Notice } from '../api/driver.js'
import { messageOf } from '../base/message-of.js'
import type { PoolerWatch } from '../identity/pooler-watch.js'
import { ConnectError } from '../outcome/errors.js'
import { tellsLocalCommit } from '../outcome/local-commit.js'
import type { ServerSightings } from '../server/server-sightings.js'
import type { ConnectionSettings } from '../settings/connection-settings.js'
import { formatEndpoint } from '../settings/endpoint.js'
import type { Slot } from '../slot/slot.js'
import type { Connector } from './connector.js'
import { takeOnlySession } from './only-session.js'

/**
 * Is told what becomes of sessions. One object serves many of them: functions for each would cost
 * memory while they are idle.
 */
export interface SlotOwner {
  /** The session ended after it was open. */
  ended(slot: Slot, reason: unknown): void
  /** The server committed without its synchronous standbys, and says so with this notice. */
  committedLocally?(slot: Slot, notice: Notice): void
}

/** How one session is opened. */
export interface OpeningOptions {
  /** Longest time for all of it, in milliseconds. */
  timeoutMs: number
  /** Server, user, database and the rest. */
  settings: ConnectionSettings
  /** Abandons the connect. */
  signal?: AbortSignal | undefined
  /** Is told when the session ends. */
  owner: SlotOwner
  /** A channel that the session listens to was notified. */
  notification?: ((channel: string, payload: string) => void) | undefined
}

// One for all pools, of which many may be idle.
const NO_PARAMETERS: ReadonlyMap<string, string> = new Map()

/**
 * Fills slots with sessions, follows the parameters that the server reports, and can abandon every
 * connect under way.
 */
export class Opening {
  readonly #connector: Connector
  readonly #poolers: PoolerWatch | undefined
  readonly #servers: ServerSightings | undefined
  // Made with the first connect: idle pools may be many.
  #underWay: Map<Slot, AbortController> | undefined
  // Nearly every session of a pool begins with the same server parameters, so they share one map:
  // half a kilobyte for each.
  #given = NO_PARAMETERS
  #atBirth = NO_PARAMETERS

  /**
   * Opens through this connector. `poolers` knows what stands between the pool and its server,
   * `servers` where its name leads.
   */
  constructor(connector: Connector, poolers?: PoolerWatch, servers?: ServerSightings) {
    this.#connector = connector
    this.#poolers = poolers
    this.#servers = servers
  }

  /** Opens the session of one slot. Rejects with a `ConnectError`; the slot is then `gone`. */
  async open(slot: Slot, options: OpeningOptions): Promise<void> {
    const abort = new AbortController()
    this.#underWay ??= new Map()
    this.#underWay.set(slot, abort)
    const signal =
      options.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, options.signal])
    try {
      const { connection, examined, answerMs } = await this.#connector.connect(
        new SlotListener(slot, options),
        abort,
        signal,
        options.timeoutMs,
        options.settings,
      )
      if (isGone(slot) || signal.aborted) {
        // The server closed it, or we abandoned it, after the driver had answered.
        slot.markLost(signal.reason)
        connection.destroy(slot.lostReason)
        const endpoint = formatEndpoint(options.settings.endpoint)
        const cause = slot.lostReason
        const message = `${endpoint} closed the connection at once: ${messageOf(cause)}`
        throw new ConnectError(message, { endpoint, cause })
      }
      if (this.#poolers?.sighting?.oneSession) this.#takeOnlySession(slot, connection, options)
      const parameters = this.#shared(connection.info.parameters)
      // A pooler may have been noticed since it was asked.
      const server = this.#poolers?.inEffect === undefined ? examined.server : undefined
      const known = server && (this.#servers?.add(server) ?? server)
      const hasOwnProcess = server !== undefined && examined.hasOwnProcess
      slot.opened(connection, parameters, known, hasOwnProcess, answerMs)
    } catch (error) {
      slot.lose(error)
      throw error
    } finally {
      this.#underWay.delete(slot)
    }
  }

  /** Abandons one connect, if it is under way. */
  abort(slot: Slot, reason: unknown): void {
    this.#underWay?.get(slot)?.abort(reason)
  }

  /** Abandons every connect under way. */
  abortAll(reason: unknown): void {
    for (const abort of this.#underWay?.values() ?? []) abort.abort(reason)
  }

  #takeOnlySession(
    slot: Slot,
    connection: DriverConnection,
    { settings: { endpoint } }: OpeningOptions,
  ): void {
    try {
      takeOnlySession(slot, this, formatEndpoint(endpoint), connection.info)
    } catch (error) {
      connection.destroy(error)
      throw error
    }
  }

  #shared(parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const last = this.#atBirth
    // No session writes to the map that it shares.
    if (parameters === this.#given || sameEntries(last, parameters)) return last
    this.#given = parameters
    // The driver keeps its own map current.
    this.#atBirth = new Map(parameters)
    return this.#atBirth
  }
}

function sameEntries(
  one: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): boolean {
  if (one.size !== other.size) return false
  for (const [name, value] of one) if (other.get(name) !== value) return false
  return true
}

// A function, because control flow analysis would take the state for unchanged across the await.
function isGone(slot: Slot): boolean {
  return slot.state === 'gone'
}

function ignore(): void {}

/** A class, because its functions would be four more objects for each session. */
class SlotListener implements ConnectionListener {
  readonly notification: (channel: string, payload: string) => void
  readonly #slot: Slot
  readonly #owner: SlotOwner

  constructor(slot: Slot, { owner, notification }: OpeningOptions) {
    this.#slot = slot
    this.#owner = owner
    this.notification = notification ?? ignore
  }

  closed(reason: unknown): void {
    const slot = this.#slot
    if (slot.connection !== undefined) {
      this.#owner.ended(slot, reason)
      return
    }
    slot.lose(reason)
  }

  notice(notice: Notice): void {
    if (!tellsLocalCommit(notice)) return
    this.#slot.markCommittedLocally()
    this.#owner.committedLocally?.(this.#slot, notice)
  }

  parameter(name: string, value: string): void {
    this.#slot.marks.reported(name, value)
  }
}

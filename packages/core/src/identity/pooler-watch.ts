import type { DriverConnection } from '../driver.js'
import type { Pooler, PoolerInEffect } from '../pooler.js'
import { askIdentity } from './session-identity.js'

/** What showed that a pooler stands between a pool and its server. */
export interface PoolerSighting {
  /** Process id that was announced when the session began; 0 if none was. */
  readonly announcedPid: number
  /** Process id of the server process that answered on that session. */
  readonly answeringPid: number
  /** Whether the server has one session for all its connections. */
  readonly oneSession: boolean
}

/**
 * Owns what is known about poolers between one pool and its server. Without the `pooler` option each new session is asked which
 * server process answers. Another one than was announced at log-in belongs to a pooler: PostgreSQL announces the process that
 * serves the session until its end. A server that has one session for all its connections is in the same case: what one connection leaves
 * behind, another one meets. One sighting counts for the whole pool and for as long as it lives.
 */
export class PoolerWatch {
  readonly #declared: Pooler | undefined
  readonly #noticed: (sighting: PoolerSighting) => void
  #sighting: PoolerSighting | undefined

  /** `declared` is the pool's option; `noticed` is called once, with the first sighting. */
  constructor(declared: Pooler | undefined, noticed: (sighting: PoolerSighting) => void) {
    this.#declared = declared
    this.#noticed = noticed
  }

  /** The pooler that the pool has to respect: the declared one, or one that was noticed. */
  get inEffect(): PoolerInEffect | undefined {
    if (this.#sighting !== undefined) return 'noticed'
    return this.#declared === 'none' ? undefined : this.#declared
  }

  /** What was seen; undefined while nothing was. */
  get sighting(): PoolerSighting | undefined {
    return this.#sighting
  }

  /**
   * Looks at a session that has just been opened, before its first use. Costs a round trip unless the answer is known already.
   * Rejects if the session ends; `signal` destroys it.
   */
  async examine(connection: DriverConnection, signal: AbortSignal): Promise<void> {
    if (this.#declared !== undefined) return
    if (this.#sighting === undefined) {
      const identity = await askIdentity(connection, signal)
      // No answer proves neither a pooler nor its absence, so that only what is safe either way is done.
      if (identity.backendPid === undefined) connection.stopNaming?.()
      else this.#compare(connection.info.backendPid, identity.backendPid, identity.oneSession)
    }
    if (this.#sighting !== undefined) connection.stopNaming?.()
  }

  #compare(announcedPid: number, answeringPid: number, oneSession: boolean): void {
    if (announcedPid === answeringPid && !oneSession) return
    // Two sessions that were opened side by side may both have been asked.
    if (this.#sighting !== undefined) return
    this.#sighting = { announcedPid, answeringPid, oneSession }
    this.#noticed(this.#sighting)
  }
}

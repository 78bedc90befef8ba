import type { DriverConnection } from '../api/driver.js'
import type { Pooler, PoolerInEffect, PoolerSighting } from '../api/pooler.js'
import { own } from '../base/own.js'
import { ConnectError } from '../outcome/errors.js'
import type { ServerIdentity } from '../server/server-identity.js'
import type { ConnectionSettings } from '../settings/connection-settings.js'
import { formatEndpoint } from '../settings/endpoint.js'
import { IdentityQuestion, type SessionIdentity } from './session-identity.js'
import {
  type AskedParameters,
  areReported,
  askedParameters,
  describeDifferences,
  differences,
  parameterColumns,
} from './session-parameters.js'

/** What was found out about a session when it was opened. */
export interface ExaminedSession {
  /**
   * The server that it leads to, for as long as it lives; undefined behind a pooler, where each
   * transaction may lead to another one, and where the server does not tell.
   */
  readonly server: ServerIdentity | undefined
  /**
   * Whether the process that was announced at the log-in is the one that answers. Behind a pooler
   * it is not, whatever its mode.
   */
  readonly hasOwnProcess: boolean
}

/** Of a session that was not asked. */
export const NOT_EXAMINED: ExaminedSession = Object.freeze({
  server: undefined,
  hasOwnProcess: false,
})

/**
 * Owns what is known about poolers between one pool and its server. Without the `pooler` option
 * each new session is asked which server process answers. Another one than was announced at log-in
 * belongs to a pooler: PostgreSQL announces the process that serves the session until its end. A
 * server that has one session for all its connections is in the same case: what one connection
 * leaves behind, another one meets. One sighting counts for the whole pool and for as long as it
 * lives.
 */
export class PoolerWatch {
  readonly #declared: Pooler | undefined
  readonly #noticed: (sighting: PoolerSighting) => void
  readonly #question = new IdentityQuestion()
  /** What was seen; undefined while nothing was. */
  readonly sighting: PoolerSighting | undefined

  /** `declared` is the pool's option; `noticed` is called once, with the first sighting. */
  constructor(declared: Pooler | undefined, noticed: (sighting: PoolerSighting) => void) {
    this.#declared = declared
    this.#noticed = noticed
  }

  /** The pooler that the pool has to respect: the declared one, or one that was noticed. */
  get inEffect(): PoolerInEffect | undefined {
    if (this.sighting !== undefined) return 'noticed'
    return this.#declared === 'none' ? undefined : this.#declared
  }

  /** The pool's connections lead elsewhere from now on. */
  moved(): void {
    this.#question.forget()
  }

  /**
   * Looks at a session that has just been opened, before its first use: who answers, and whether
   * the session has the run-time parameters of `settings`, which a pooler may drop. Costs one round
   * trip, unless a pooler is known and there are no parameters that the server has not reported.
   * Rejects if the session ends, and with a fatal `ConnectError` if it lacks a parameter. `signal`
   * destroys it.
   */
  async examine(
    connection: DriverConnection,
    settings: ConnectionSettings,
    signal: AbortSignal,
  ): Promise<ExaminedSession> {
    const asked = askedParameters(settings.parameters)
    const who = this.#declared === undefined && this.sighting === undefined
    const checked = asked.length > 0 && (who || !areReported(asked, connection.info.parameters))
    let found = NOT_EXAMINED
    if (this.inEffect === undefined || checked) {
      // The second one is for a parameter that cannot be set now, or that the server does not know.
      const wordings = checked
        ? [parameterColumns(asked, false), parameterColumns(asked, true)]
        : ['']
      const identity = await this.#question.ask(connection, signal, wordings)
      if (who) this.#identified(connection, identity)
      if (checked) this.#check(asked, identity, settings)
      const { server, backendPid } = identity
      found = { server, hasOwnProcess: backendPid === connection.info.backendPid }
    }
    if (this.sighting !== undefined) connection.stopNaming?.()
    return this.inEffect === undefined ? found : NOT_EXAMINED
  }

  #identified(connection: DriverConnection, { backendPid, oneSession }: SessionIdentity): void {
    // No answer proves neither a pooler nor its absence, so that only what is safe either way is
    // done.
    if (backendPid === undefined) {
      connection.stopNaming?.()
      return
    }
    const announcedPid = connection.info.backendPid
    if (announcedPid === backendPid && !oneSession) return
    // Two sessions that were opened side by side may both have been asked.
    if (this.sighting !== undefined) return
    const sighting = { announcedPid, answeringPid: backendPid, oneSession }
    own<PoolerWatch>(this).sighting = sighting
    this.#noticed(sighting)
  }

  #check(
    asked: AskedParameters,
    { columns, refusal }: SessionIdentity,
    settings: ConnectionSettings,
  ): void {
    const endpoint = formatEndpoint(settings.endpoint)
    if (columns === undefined) {
      throw new ConnectError(
        `${endpoint} does not tell whether the session has connection.parameters: ${refusal!.message}; take them out, or connect to the server itself`,
        { endpoint, cause: refusal },
      )
    }
    // Behind a pooler sessions are not reset.
    const found = differences(asked, columns, this.inEffect === undefined)
    if (found.length === 0) return
    throw new ConnectError(describeDifferences(endpoint, found), { endpoint, fatal: true })
  }
}

/** What was seen of a pooler that was not declared, and what follows, for humans. */
export function treatedAsPooler(sighting: PoolerSighting): string {
  const { announcedPid, answeringPid, oneSession } = sighting
  const announced = announcedPid === 0 ? 'no server process' : `server process ${announcedPid}`
  const seen = oneSession
    ? 'the server has one session for all its connections, as PGlite does. From now on the pool uses one connection, and works'
    : `a pooler stands between the pool and its server: ${announced} was announced at log-in, and ${answeringPid} answered. From now on the pool works`
  const way = oneSession
    ? "Set max: 1 and pooler: 'none' if this pool is the only client of the server"
    : "Set pooler: 'pgbouncer' to say so from the start, or pooler: 'none' if each connection has a server session of its own"
  return `${seen} as with a declared pooler: no statement is prepared, whatever prepare says, names of statements are ignored, and what needs a server session of its own is refused. ${way}`
}

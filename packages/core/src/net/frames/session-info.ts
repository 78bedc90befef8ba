import type { ConnectionInfo } from '../../api/driver.js'
import { readOnlyMap } from './read-only-map.js'

const NO_PARAMETERS: ReadonlyMap<string, string> = readOnlyMap(new Map())

/**
 * What is known of one session. Callers may keep it: it always tells what holds now, and they
 * cannot change it. The map of the parameters is one that many sessions share, until the server
 * reports a parameter to this session alone.
 */
export class SessionInfo implements ConnectionInfo {
  readonly address: string | undefined
  readonly port: number | undefined
  #backendPid = 0
  #parameters = NO_PARAMETERS
  #isShared = true

  /** The other end of the socket; empty for a Unix socket. */
  constructor({ host, port }: { readonly host?: string; readonly port?: number }) {
    this.address = host
    this.port = port
    Object.freeze(this)
  }

  get backendPid(): number {
    return this.#backendPid
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters
  }

  /**
   * The log-in is through. What the server has reported to this session before that goes before
   * what the log-in brought.
   */
  loggedIn(backendPid: number, parameters: ReadonlyMap<string, string>): void {
    this.#backendPid = backendPid
    this.#parameters = this.#isShared
      ? parameters
      : readOnlyMap(new Map([...parameters, ...this.#parameters]))
  }

  /** The server has reported a parameter. */
  report(name: string, value: string): void {
    this.#isShared = false
    this.#parameters = readOnlyMap(new Map(this.#parameters).set(name, value))
  }
}

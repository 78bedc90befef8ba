import { TokenBeyondHistoryError } from '@poolhouse/core'
import { describeValue } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import type { ReadTerms } from '../options/replicas-options.js'
import {
  type ReplicaSessionOptions,
  type ReplicasConfig,
  readSessionOptions,
} from '../options/replicas-options.js'
import { TokenCodec } from '../position/session-token.js'
import type { Positions } from './positions.js'
import { type SessionHost, SessionMemory } from './session-memory.js'

/** Begins sessions, and tells what is wrong with the tokens they are begun with. */
export class SessionMaker implements SessionHost {
  /** Reads and writes the texts of tokens. */
  readonly codec: TokenCodec
  readonly positions: Positions
  readonly #config: ReplicasConfig
  readonly #background: Background
  readonly #counters: RoutingCounters

  /** Makes sessions of one pool. */
  constructor(
    config: ReplicasConfig,
    background: Background,
    positions: Positions,
    counters: RoutingCounters,
  ) {
    this.codec = new TokenCodec(config.tokenSecrets)
    this.positions = positions
    this.#config = config
    this.#background = background
    this.#counters = counters
  }

  /**
   * What a session begins with. Throws `TypeError` or `RangeError` for wrong arguments; a bad token
   * is no error.
   */
  begin(
    text: string | undefined,
    options: ReplicaSessionOptions,
  ): { reads: SessionMemory; terms: ReadTerms } {
    const { terms, waitMs, firstWaitMs } = readSessionOptions(options, this.#config)
    const reads = new SessionMemory(this, { waitMs, firstWaitMs })
    if (text !== undefined) this.see(reads, text)
    return { reads, terms }
  }

  /**
   * The session must see what this token names. Throws `TypeError` for what is no string; a bad
   * token is no error.
   */
  see(reads: SessionMemory, text: string): void {
    if (typeof text !== 'string') {
      throw new TypeError(
        `session: token must be a string or undefined, got ${describeValue(text)}`,
      )
    }
    if (text === '') return
    const decoded = this.codec.decode(text)
    if (decoded.kind === 'malformed' || decoded.kind === 'forged') {
      this.#refused(decoded.kind, decoded.message)
    }
    reads.see(decoded.kind === 'token' ? decoded.token : 'strong')
  }

  now(): number {
    return this.#background.now()
  }

  inTime(
    work: Promise<unknown>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return this.#background.inTime(work, deadline, signal)
  }

  tokenRefused(reason: 'foreign' | 'beyond-history', message: string): void {
    this.#refused(reason, message)
  }

  lost(message: string): void {
    if (this.#config.onLostToken === 'primary') return
    throw new TokenBeyondHistoryError(
      `the session has seen what a failover has lost: its token names a place that never was; ${message}. Begin a session without that token to go on`,
    )
  }

  #refused(reason: 'malformed' | 'forged' | 'foreign' | 'beyond-history', message: string): void {
    this.#counters.count('tokensRefused')
    this.#background.hub.emit('token', { pool: this.#background.name, reason, message })
  }
}

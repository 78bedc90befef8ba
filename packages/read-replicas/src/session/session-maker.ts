import { TokenBeyondHistoryError } from '@poolhouse/core'
import { describeValue } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import {
  type ReadTerms,
  type ReplicasConfig,
  readSessionOptions,
} from '../options/replicas-config.js'
import type { ReplicaSessionOptions } from '../options/replicas-options.js'
import { TokenCodec } from '../position/session-token.js'
import type { Positions } from './positions.js'
import { SessionMemory, type TokenPolicy } from './session-memory.js'

/** Begins sessions, and reports what is wrong with their tokens. */
export class SessionMaker implements TokenPolicy {
  /** Reads and writes tokens as texts. */
  readonly codec: TokenCodec
  readonly #config: ReplicasConfig
  readonly #background: Background
  readonly #positions: Positions
  readonly #counters: RoutingCounters

  /** Makes the sessions of one pool. */
  constructor(
    config: ReplicasConfig,
    background: Background,
    positions: Positions,
    counters: RoutingCounters,
  ) {
    this.codec = new TokenCodec(config.tokenSecrets)
    this.#config = config
    this.#background = background
    this.#positions = positions
    this.#counters = counters
  }

  /**
   * Begins a session, with a token if there is one. Throws `TypeError` or `RangeError` for wrong
   * arguments; a bad token is no error.
   */
  begin(
    text: string | undefined,
    options: ReplicaSessionOptions,
  ): { memory: SessionMemory; terms: ReadTerms; isAmbient: boolean } {
    const { terms, waitMs, firstWaitMs, isAmbient } = readSessionOptions(options, this.#config)
    const waits = { waitMs, firstWaitMs }
    const memory = new SessionMemory(this.#positions, this.#background, this, waits)
    if (text !== undefined) this.see(memory, text)
    return { memory, terms, isAmbient }
  }

  /**
   * From now on the session must also see what this token names. Throws `TypeError` if `text` is no
   * string; a bad token is no error.
   */
  see(memory: SessionMemory, text: string): void {
    if (typeof text !== 'string') {
      throw new TypeError(
        `session: token must be a string or undefined, got ${describeValue(text)}`,
      )
    }
    if (text === '') return
    const decoded = this.codec.decode(text)
    if (decoded.kind === 'malformed' || decoded.kind === 'forged') {
      this.refused(decoded.kind, decoded.message)
    }
    memory.see(decoded.kind === 'token' ? decoded.token : 'strong')
  }

  refused(reason: 'malformed' | 'forged' | 'foreign' | 'beyond-history', message: string): void {
    this.#counters.count('tokensRefused')
    this.#background.hub.emit('token', { pool: this.#background.name, reason, message })
  }

  lost(message: string): void {
    if (this.#config.onLostToken === 'primary') return
    throw new TokenBeyondHistoryError(
      `the session has seen what a failover has lost: its token names a position that no server has; ${message}. Begin a session without that token to go on`,
    )
  }
}

import { type Clock, systemClock } from '../base/clock.js'

// How long a name that a driver gave lives when its rules do not say.
const MAX_AGE_MS = 1_000

/**
 * What all sessions of one pool have in common about prepared statements. The pool makes it and
 * gives it to each connect; sessions ask it again for each statement.
 */
export class StatementRules {
  /** When to name statements that come without a name; undefined for never. */
  readonly automatic: AutoPrepare | undefined
  /** Longest life of such a name since its Parse, in milliseconds. */
  readonly maxAgeMs: number
  /**
   * Grows with each change of definitions that a session of the pool has seen. What was parsed
   * under a lower number is parsed anew.
   */
  epoch = 0
  readonly #clock: Clock

  /**
   * Takes the rules of automatic preparation, undefined for none, and the clock that measures the
   * age of names.
   */
  constructor(automatic?: AutoPrepare | undefined, clock: Clock = systemClock) {
    this.maxAgeMs = automatic?.maxAgeMs ?? MAX_AGE_MS
    this.automatic = this.maxAgeMs > 0 ? automatic : undefined
    this.#clock = clock
  }

  /** Time now, in milliseconds. */
  now(): number {
    return this.#clock.now()
  }

  /** Types, tables or functions may be others now: every session parses its statements anew. */
  definitionsChanged(): void {
    this.epoch++
  }
}

/**
 * When a driver names statements by itself, so that the server does not parse and plan them for
 * each call.
 */
export interface AutoPrepare {
  /** From which use of the same text on. */
  readonly after: number
  /** Most such statements for each connection; the least recently used is dropped. */
  readonly max: number
  /**
   * Longest time since its Parse that a statement is used under such a name, in milliseconds.
   * Default 1 000; 0 for no names at all.
   */
  readonly maxAgeMs?: number | undefined
}

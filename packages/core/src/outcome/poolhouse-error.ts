import { endWithCode } from '../base/message-of.js'
import type { Durability, Executed } from './outcome.js'

/**
 * What every Poolhouse error carries beside its message.
 *
 * @example
 * throw new PoolhouseError('the shard is being moved', {
 *   code: 'POOLHOUSE_ERROR',
 *   executed: 'no',
 *   retryable: true,
 *   cause: error,
 * })
 */
export interface PoolhouseErrorOptions {
  /**
   * Stable code: `POOLHOUSE_…`, or the SQLSTATE of a `DatabaseError`. Default: that of the class.
   */
  code?: string
  /** Whether the server may have done the work. Default `no`. */
  executed?: Executed
  /**
   * How safe the work is, where it was done and that is known. Default: not known.
   *
   * @example
   * new PoolhouseError('committed here alone', { executed: 'yes', durability: 'local' })
   */
  durability?: Durability | undefined
  /** Whether the same call may succeed later without a change to it. Default false. */
  retryable?: boolean
  /** The error underneath. Default: none. */
  cause?: unknown
}

// Two copies of this package in one process must recognise each other's errors, so classes are told
// apart by a list of names under a registered symbol and not by prototype identity.
const BRAND = Symbol.for('poolhouse.error')

export function brand(type: { prototype: object }, name: string, code: string): void {
  const parent = (type.prototype as Record<symbol, readonly string[] | undefined>)[BRAND] ?? []
  Object.defineProperty(type.prototype, BRAND, { value: [...parent, name] })
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true })
  Object.defineProperty(type.prototype, 'code', { value: code, configurable: true, writable: true })
}

/**
 * The base of every error that Poolhouse makes. `instanceof` works across duplicate installations.
 */
export class PoolhouseError extends Error {
  /** Stable within a major version: `POOLHOUSE_…`, or the SQLSTATE of a `DatabaseError`. */
  declare readonly code: string
  /** Whether the server may have done the work. */
  readonly executed: Executed
  /** Whether the same call may succeed later without a change to it. */
  readonly retryable: boolean
  /**
   * With `executed: 'yes'` and `local`: the work is committed on the primary alone, because its
   * wait for the synchronous standbys was cancelled, and a failover may lose it. Absent otherwise.
   */
  declare readonly durability?: Durability
  /** Name of the pool of the node that the call failed on. Absent where it was sent to none. */
  declare readonly node?: string
  /**
   * Text of the statement that the call failed on, never its values; of an error about another one,
   * that of its `cause`. Absent where there was none. Strings inside the text are shown as `'…'` if
   * it may hold a secret, and always with `errorDetail: 'drop'`.
   */
  declare readonly statement?: string
  /**
   * Which statement of `transaction([…])` failed, by its place in the array, from 0. Absent where
   * the error belongs to none of them, such as that of COMMIT, and for other calls.
   */
  declare readonly statementIndex?: number

  /**
   * Makes an error; subclasses choose the defaults of `code`, `executed` and `retryable`. The code
   * is put at the end of the message, unless it is a SQLSTATE.
   */
  constructor(message: string, options: PoolhouseErrorOptions = {}) {
    super(
      endWithCode(message, options.code ?? (new.target.prototype as PoolhouseError).code),
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    if (options.code !== undefined) {
      Object.defineProperty(this, 'code', { value: options.code, enumerable: true })
    }
    this.executed = options.executed ?? 'no'
    this.retryable = options.retryable ?? false
    if (options.durability !== undefined) {
      Object.defineProperty(this, 'durability', { value: options.durability, enumerable: true })
    }
    const { cause } = options
    if (cause instanceof PoolhouseError && cause.statement !== undefined) {
      // Not enumerable: what prints the error prints its cause.
      Object.defineProperty(this, 'statement', { value: cause.statement, configurable: true })
    }
  }

  /** True for an instance of this class or of a subclass, made by any copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A class derived outside this package has no brand of its own: plain prototype identity is
    // right for it.
    if (!Object.hasOwn(this.prototype, BRAND))
      return Function.prototype[Symbol.hasInstance].call(this, value)
    const names = (value as Record<symbol, unknown> | null | undefined)?.[BRAND]
    return Array.isArray(names) && names.includes(this.prototype.name)
  }
}
brand(PoolhouseError, 'PoolhouseError', 'POOLHOUSE_ERROR')

/**
 * Makes an error of another library count as one of ours: `isPoolhouseError` and `instanceof` say
 * of it what they say of `ours`, whose `executed`, `retryable`, `durability`, `node` and
 * `statement` it gets. For facades, whose callers expect the error classes of that library. Returns
 * `error`.
 */
export function brandLike<E extends Error>(error: E, ours: PoolhouseError): E {
  Object.defineProperty(error, BRAND, { value: (ours as { [BRAND]?: unknown })[BRAND] })
  for (const name of ['executed', 'retryable', 'durability', 'node', 'statement'] as const) {
    if (ours[name] === undefined) continue
    const enumerable = Object.prototype.propertyIsEnumerable.call(ours, name)
    Object.defineProperty(error, name, { value: ours[name], enumerable, configurable: true })
  }
  return error
}

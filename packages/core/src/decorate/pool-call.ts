import type { CopyResult } from '../api/driver.js'
import type { Lease } from '../api/lease.js'
import type { AcquireOptions, Pool, ReadyOptions } from '../api/pool.js'
import type { Intent, QueryOptions, QueryResult, Statement } from '../api/statement.js'
import type {
  CopyOptions,
  CopySource,
  CopyToOptions,
  StreamIterator,
  StreamOptions,
} from '../api/streaming.js'
import type { ListenOptions, NotifyListener, Subscription } from '../api/subscription.js'
import type { Transaction, TransactionOptions } from '../api/transaction.js'

/**
 * What a call may be run with in place of what its caller said. What is undefined stays as the
 * caller said it.
 */
export interface CallChanges {
  /** What is left of the call's limit, in milliseconds. A stream has none and ignores it. */
  readonly timeoutMs?: number | undefined
  /** Ends the call. It must fire when the signal of the call does. */
  readonly signal?: AbortSignal | undefined
  /**
   * What the call was found to be. A transaction is made read-only, or not; `copyFrom` and `listen`
   * ignore it.
   */
  readonly intent?: Intent | undefined
}

/** Where a `query` may be made: any pool, and whatever has this one method. */
export interface QueryTarget {
  /** As `Queryable.query`. */
  query<Row>(statement: Statement, options?: QueryOptions): Promise<QueryResult<Row>>
}

/** Where a `stream` may be opened: any pool, and whatever has this one method. */
export interface StreamTarget {
  /** As `Streamable.stream`. */
  stream<Row>(statement: Statement, options?: StreamOptions): StreamIterator<Row>
}

/** Where a `transaction` may be run: any pool, and whatever has this one method. */
export interface TransactionTarget {
  /**
   * As `Pool.transaction`. An array of statements comes as a callback that runs them: a pool that
   * wraps it says so with `standsFor`.
   */
  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R>
}

/**
 * One call of one kind, as its caller made it: with checked arguments, and with values and options
 * as they were at the call.
 */
export interface CallOf<Kind extends keyof Pool, Options, R, Target = Pick<Pool, Kind>> {
  /** The method that was called. */
  readonly kind: Kind
  /**
   * What to run; of a copy the text alone. Undefined for work on a connection, and for `listen`.
   */
  readonly statement: Statement | undefined
  /** A copy of what the caller gave, with the symbols that pools over pools attach. */
  readonly options: Readonly<Options> | undefined
  /**
   * What the call was said to be; that of a transaction is its `readOnly`. Undefined where the
   * caller said nothing.
   */
  readonly intent: Intent | undefined
  /** Whether the caller said that it only reads. */
  readonly isRead: boolean
  /**
   * Oldest data that the call accepts, in milliseconds. Undefined where the caller said nothing.
   */
  readonly maxStalenessMs: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Undefined where the
   * caller said nothing.
   */
  readonly maxStalenessBytes: number | undefined
  /**
   * Longest time for the call in milliseconds. Undefined where the caller said nothing, and for a
   * stream.
   */
  readonly timeoutMs: number | undefined
  /**
   * Fires when the call is no longer wanted: by the caller's signal and, of a stream, also by its
   * `return()`. A `send` that waits must watch it.
   */
  readonly signal: AbortSignal | undefined
  /**
   * Makes the whole call on `pool`, or on anything that has the one method that was called: a
   * builder who does more than to choose a pool gives an object with that method. Of a stream it
   * opens one there and asks for its first element; later elements come straight from that stream.
   * It may be called again when the first time has failed: whether that is safe says the error's
   * `executed`, and the data of a `copyFrom` can be read once only.
   */
  run(pool: Target, changes?: CallChanges): Promise<R>
}

/**
 * A call on its way through a pool over pools. `kind` tells what it is, and with it the type of its
 * `options`; what it resolves with is its caller's business.
 */
export type PoolCall<R> =
  | CallOf<'query', QueryOptions, R, QueryTarget>
  | CallOf<'acquire', AcquireOptions, R>
  | CallOf<'use', AcquireOptions, R>
  | CallOf<'transaction', TransactionOptions, R, TransactionTarget>
  | CallOf<'stream', StreamOptions, R, StreamTarget>
  | CallOf<'copyTo', CopyToOptions, R>
  | CallOf<'copyFrom', CopyOptions, R>
  | CallOf<'listen', ListenOptions, R>
  | CallOf<'ready', ReadyOptions, R>

interface AnyOptions {
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
  intent?: Intent | undefined
  maxStalenessMs?: number | undefined
  maxStalenessBytes?: number | undefined
}

/** What all calls have in common. Getters, so that a call on its way costs one small object. */
export abstract class AnyCall<
  Kind extends keyof Pool,
  Options extends AnyOptions,
  R,
  Target = Pick<Pool, Kind>,
> implements CallOf<Kind, Options, R, Target>
{
  /** See `CallOf`. */
  abstract readonly kind: Kind
  /** See `CallOf`. */
  readonly statement: Statement | undefined
  /** See `CallOf`. */
  readonly options: Readonly<Options> | undefined

  /** Takes checked arguments that are the call's own. */
  constructor(statement: Statement | undefined, options: Readonly<Options> | undefined) {
    this.statement = statement
    this.options = options
  }

  /** See `CallOf`. */
  get intent(): Intent | undefined {
    return this.options?.intent
  }

  /** See `CallOf`. */
  get isRead(): boolean {
    return this.intent === 'read'
  }

  /** See `CallOf`. */
  get maxStalenessMs(): number | undefined {
    return this.options?.maxStalenessMs
  }

  /** See `CallOf`. */
  get maxStalenessBytes(): number | undefined {
    return this.options?.maxStalenessBytes
  }

  /** See `CallOf`. */
  get timeoutMs(): number | undefined {
    return this.options?.timeoutMs
  }

  /** See `CallOf`. */
  get signal(): AbortSignal | undefined {
    return this.options?.signal
  }

  /** See `CallOf`. */
  abstract run(pool: Target, changes?: CallChanges): Promise<R>
}

/** `query`. */
export class QueryCall<Row> extends AnyCall<'query', QueryOptions, QueryResult<Row>, QueryTarget> {
  readonly kind = 'query'
  declare readonly statement: Statement

  run(pool: QueryTarget, changes?: CallChanges): Promise<QueryResult<Row>> {
    return pool.query<Row>(this.statement, changed(this.options, changes))
  }
}

/** `acquire`. */
export class AcquireCall extends AnyCall<'acquire', AcquireOptions, Lease> {
  readonly kind = 'acquire'

  run(pool: Pick<Pool, 'acquire'>, changes?: CallChanges): Promise<Lease> {
    return pool.acquire(changed(this.options, changes))
  }
}

/** `use`. */
export class UseCall<R> extends AnyCall<'use', AcquireOptions, R> {
  readonly kind = 'use'
  readonly #work: (lease: Lease) => Promise<R>

  /** Takes checked arguments that are the call's own. */
  constructor(work: (lease: Lease) => Promise<R>, options: AcquireOptions | undefined) {
    super(undefined, options)
    this.#work = work
  }

  run(pool: Pick<Pool, 'use'>, changes?: CallChanges): Promise<R> {
    return pool.use(this.#work, changed(this.options, changes))
  }
}

/** `transaction`. */
export class TransactionCall<R> extends AnyCall<
  'transaction',
  TransactionOptions,
  R,
  TransactionTarget
> {
  readonly kind = 'transaction'
  readonly #work: (tx: Transaction) => Promise<R>

  /** Takes checked arguments that are the call's own. */
  constructor(work: (tx: Transaction) => Promise<R>, options: TransactionOptions | undefined) {
    super(undefined, options)
    this.#work = work
  }

  override get intent(): Intent | undefined {
    const readOnly = this.options?.readOnly
    return readOnly === undefined ? undefined : readOnly ? 'read' : 'write'
  }

  run(pool: TransactionTarget, changes?: CallChanges): Promise<R> {
    if (changes === undefined) return pool.transaction(this.#work, this.options)
    const { intent, ...limits } = changes
    const options = changed(this.options, limits)
    return pool.transaction(
      this.#work,
      intent === undefined ? options : { ...options, readOnly: intent === 'read' },
    )
  }
}

/** `copyFrom`. */
export class CopyFromCall extends AnyCall<'copyFrom', CopyOptions, CopyResult> {
  readonly kind = 'copyFrom'
  declare readonly statement: Statement
  readonly #source: CopySource

  /** Takes checked arguments that are the call's own. */
  constructor(sql: string, source: CopySource, options: CopyOptions | undefined) {
    super({ text: sql }, options)
    this.#source = source
  }

  run(pool: Pick<Pool, 'copyFrom'>, changes?: CallChanges): Promise<CopyResult> {
    return pool.copyFrom(this.statement.text, this.#source, limited(this.options, changes))
  }
}

/** `listen`. */
export class ListenCall extends AnyCall<'listen', ListenOptions, Subscription> {
  readonly kind = 'listen'
  readonly #channel: string
  readonly #onNotify: NotifyListener

  /** Takes checked arguments that are the call's own. */
  constructor(channel: string, onNotify: NotifyListener, options: ListenOptions | undefined) {
    super(undefined, options)
    this.#channel = channel
    this.#onNotify = onNotify
  }

  run(pool: Pick<Pool, 'listen'>, changes?: CallChanges): Promise<Subscription> {
    return pool.listen(this.#channel, this.#onNotify, limited(this.options, changes))
  }
}

/** `ready`: it waits for the pool below, and sends nothing. */
export class ReadyCall extends AnyCall<'ready', ReadyOptions, void> {
  readonly kind = 'ready'

  run(pool: Pick<Pool, 'ready'>, changes?: CallChanges): Promise<void> {
    return pool.ready(limited(this.options, changes))
  }
}

/** Options with what the changes say about them. */
export function changed<Options extends AnyOptions>(
  options: Readonly<Options> | undefined,
  changes: CallChanges | undefined,
): Options | undefined {
  if (changes === undefined) return options
  const { timeoutMs, signal, intent } = changes
  const result: AnyOptions = { ...options }
  if (timeoutMs !== undefined) result.timeoutMs = timeoutMs
  if (signal !== undefined) result.signal = signal
  if (intent !== undefined) result.intent = intent
  return result as Options
}

/** As `changed`, for options that know no intent. */
function limited<Options extends AnyOptions>(
  options: Readonly<Options> | undefined,
  changes: CallChanges | undefined,
): Options | undefined {
  if (changes === undefined) return options
  const { timeoutMs, signal } = changes
  return changed(options, { timeoutMs, signal })
}

import { describeValue } from '../base/option-check.js'
import type { Durability } from '../outcome/outcome.js'
import {
  encodeValues,
  encodeWithBytes,
  type WireValue,
  withoutBytes,
} from '../types/encode-values.js'

/**
 * One SQL statement with its bound values. What `sql-template-tag` and `pg` produce fits: `text`
 * uses `$1`, `$2`, …
 *
 * @example
 * const statement: Statement = {
 *   text: 'select name from users where id = $1',
 *   values: [42],
 *   name: 'user_name', // a prepared statement
 *   rowMode: 'array', // [['Ada']] in place of [{ name: 'Ada' }]
 * }
 * await pool.query(statement)
 */
export interface Statement {
  /** SQL text with `$n` placeholders. */
  readonly text: string
  /** Values for the placeholders; never spliced into the text, never logged. Default: none. */
  readonly values?: readonly unknown[] | undefined
  /** Name of a prepared statement; the same name must always carry the same text. Default: none. */
  readonly name?: string | undefined
  /** Shape of the rows: objects by column name, or arrays in column order. Default `object`. */
  readonly rowMode?: 'object' | 'array' | undefined
  /**
   * True leaves the values of the result as the server sent them: each row is an array of texts and
   * nulls in column order, whatever `rowMode` and the pool's `types` say. Bound bytes go out in
   * binary format, if the driver can. For facades that read values with the parsers of another
   * library. Default: values are made by the pool's `types`.
   *
   * @example
   * await pool.query({ text: 'select now()', undecoded: true }) // rows: [['2026-11-30 …']]
   */
  readonly undecoded?: true | undefined
}

/**
 * What a statement is for. `read` may be served by a replica; unannotated work counts as `write`.
 */
export type Intent = 'read' | 'write'

/**
 * Options of one call.
 *
 * @example
 * await pool.query('select count(*) from orders', [], {
 *   timeoutMs: 2_000,
 *   signal: AbortSignal.timeout(1_500),
 *   intent: 'read',
 *   maxStalenessMs: 1_000,
 *   maxStalenessBytes: 1_048_576,
 * })
 */
export interface QueryOptions {
  /**
   * Aborts the call: a running statement is cancelled on the server. Rejects with `AbortError`.
   * Default: none.
   */
  signal?: AbortSignal | undefined
  /**
   * Longest time for the whole call in milliseconds: hold, queue, connect, execution and retry
   * share this one absolute deadline. Default: the pool's `acquireTimeoutMs` for the wait and
   * `statementTimeoutMs` for the execution.
   */
  timeoutMs?: number | undefined
  /** `read` lets a routing pool use a replica. Default `write`. */
  intent?: Intent | undefined
  /**
   * Oldest data this read accepts, in milliseconds. Only routing pools look at it. Default: that of
   * the pool.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Only routing pools look
   * at it. Default: that of the pool.
   */
  maxStalenessBytes?: number | undefined
}

/**
 * Options of `batch`.
 *
 * @example
 * await lease.batch(['select 1', 'select 2'], {
 *   timeoutMs: 5_000,
 *   signal: AbortSignal.timeout(4_000),
 * })
 */
export interface BatchOptions {
  /**
   * Ends the batch: what is not sent yet is not sent, and what is not answered yet is cancelled.
   * What became of each statement is in its outcome. A batch of which nothing was sent rejects with
   * `AbortError`. Default: none.
   */
  signal?: AbortSignal | undefined
  /**
   * Longest time for the whole batch in milliseconds; it then ends as with `signal`, with
   * `StatementTimeoutError`. Default: the pool's `statementTimeoutMs` for each statement, counted
   * from the answer to the one before it.
   */
  timeoutMs?: number | undefined
}

/** Something that runs several statements in one round trip. */
export interface Batchable {
  /**
   * Sends several statements in one round trip and runs them in their order, each by itself:
   * outside a transaction each is committed alone, and one that fails does not stop the others.
   * Inside a transaction the server refuses with 25P02 what follows a failed one. Resolves when all
   * are answered, with one outcome for each, in their order; the `executed` of an error says what
   * is known of its statement. If the connection is lost, outcomes that were answered are kept, the
   * others are `unknown`, or `no` where they were not sent.
   *
   * Rejects only if nothing was sent: with `TypeError` or `RangeError` for wrong arguments, which
   * names the index of the statement, and with what `query` rejects with before it sends anything.
   * No statement of a batch with a wrong one is sent. Takes its turn among the calls of its
   * connection as one call.
   *
   * There is no limit to the number of statements. At most 1,000 of them, or 1 MiB of texts and
   * values, are on their way at a time: more than that takes another round trip for each such
   * piece. All results are held in memory until the last has come.
   *
   * @example
   * const outcomes = await lease.batch([
   *   { text: 'insert into hints(id) values ($1)', values: [7] },
   *   'select count(*) from hints',
   * ])
   * for (const outcome of outcomes) {
   *   if (outcome.status === 'rejected') log.error(outcome.reason)
   * }
   */
  batch(
    statements: readonly (Statement | string)[],
    options?: BatchOptions,
  ): Promise<PromiseSettledResult<QueryResult>[]>
}

/** One column of a result, as the server described it. */
export interface FieldInfo {
  /** Column name. */
  readonly name: string
  /** OID of the column's type. */
  readonly dataTypeID: number
  /** Length of the type in bytes; negative for types of variable length. */
  readonly dataTypeSize: number
  /** OID of the table the column comes from, 0 if it is computed. */
  readonly tableID: number
  /** Attribute number of the column in its table, 0 if it is computed. */
  readonly columnID: number
  /** Type modifier, -1 if there is none. */
  readonly dataTypeModifier: number
  /** How the server sends the values of the column: always as text. */
  readonly format: 'text'
}

/** What a statement returned. */
export interface QueryResult<Row = Record<string, unknown>> {
  /** The rows, in order; empty for statements that return none. */
  rows: Row[]
  /** Rows affected or returned; `null` where the command has no count. */
  rowCount: number | null
  /** The command tag without its count: `SELECT`, `INSERT`, `BEGIN`, … */
  command: string
  /** The columns of the result. Frozen, because results of one prepared statement share them. */
  fields: FieldInfo[]
  /** Name of the pool of the node that served the call. */
  node?: string
  /**
   * How safe what the statement did is, once it is over for good: `configured` as the server's
   * settings ask for, `local` on the primary alone, because the server gave up its wait for the
   * synchronous standbys. Absent inside a transaction, whose COMMIT decides.
   */
  durability?: Durability
  /**
   * How old the data may have been when the call was sent, in milliseconds: an upper bound, 0 on
   * the primary. Told by routing pools for reads, where it is known.
   */
  stalenessMs?: number
}

/** Something that runs single statements. */
export interface Queryable {
  /**
   * Runs one statement. Rejects with a `DatabaseError` if the server refuses it, and otherwise with
   * the error that says why it did not finish.
   *
   * @example
   * const { rows } = await pool.query<{ name: string }>('select name from users where id = 42')
   */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>
  /**
   * Runs one statement given as an object.
   *
   * @example
   * await pool.query({ text: 'select name from users where id = $1', values: [42] })
   */
  query<Row = Record<string, unknown>>(
    statement: Statement,
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>
}

/** The arguments of a `query` call in one shape. */
export interface QueryArguments<Options = QueryOptions> {
  /** What to run. */
  statement: Statement
  /** How to run it. */
  options: Options | undefined
}

/** The caller's statement as it was at the call: see `readQueryArguments`. */
class TakenStatement implements Statement {
  readonly text: string
  readonly values: readonly WireValue[] | undefined
  readonly name: string | undefined
  readonly rowMode: 'object' | 'array' | undefined
  readonly undecoded: true | undefined
  // A brand that no copy has: it may have got other values, and to encode encoded ones changes
  // nothing.
  readonly #taken = true

  constructor(
    text: string,
    values: readonly unknown[] | undefined,
    name: string | undefined,
    rowMode: 'object' | 'array' | undefined,
    undecoded: true | undefined,
  ) {
    this.text = text
    this.values =
      values === undefined
        ? undefined
        : undecoded === true
          ? encodeWithBytes(values)
          : encodeValues(values)
    this.name = name
    this.rowMode = rowMode
    this.undecoded = undecoded
  }

  static is(statement: Statement): statement is TakenStatement {
    return #taken in statement
  }
}

/**
 * The values of a statement as they go over the wire, for drivers; undefined for none. Those of a
 * statement that came through `readQueryArguments` were encoded there. Throws as `encodeValues`.
 */
export function valuesOf(statement: Statement): readonly (string | null)[] | undefined {
  if (!TakenStatement.is(statement)) return encodeValues(statement.values)
  const { values, undecoded } = statement
  return undecoded === true ? withoutBytes(values) : (values as readonly (string | null)[])
}

/**
 * As `valuesOf`, for drivers that can send bytes in binary format: those of a statement with
 * `undecoded` stay bytes.
 */
export function wireValuesOf(statement: Statement): readonly WireValue[] | undefined {
  if (TakenStatement.is(statement)) return statement.values
  return statement.undecoded === true
    ? encodeWithBytes(statement.values)
    : encodeValues(statement.values)
}

/**
 * Brings both call forms of `query` into one shape, and takes what was given as it is now: the
 * statement is a copy with encoded values, and the options are a copy. Whatever the call then waits
 * for, and however often it is sent, it is this that is sent, and code of the values (`toPostgres`,
 * `toJSON`) runs once. A statement that was taken before comes back as it is.
 *
 * Throws `TypeError` for anything else, and as `encodeValues`; `call` is the name in its message.
 */
export function readQueryArguments<Options extends object = QueryOptions>(
  first: string | Statement,
  second?: readonly unknown[] | Options,
  third?: Options,
  call = 'query',
): QueryArguments<Options> {
  if (typeof first === 'string') {
    if (second !== undefined && !Array.isArray(second)) {
      throw new TypeError(
        `${call}(text, values, options): values must be an array; pass undefined as values to give options only`,
      )
    }
    const values = second as readonly unknown[] | undefined
    return {
      statement: new TakenStatement(first, values, undefined, undefined, undefined),
      options: copied(third, call),
    }
  }
  if (first === null || typeof first !== 'object' || typeof first.text !== 'string') {
    throw new TypeError(
      `${call}(statement): expected SQL text or an object with a \`text\` property of type string`,
    )
  }
  if (Array.isArray(second)) {
    throw new TypeError(
      `${call}(statement, options): put the values into statement.values, not beside the statement`,
    )
  }
  return {
    statement: takeStatement(first, call),
    options: copied(second as Options | undefined, call),
  }
}

function takeStatement(given: Statement, call: string): Statement {
  if (TakenStatement.is(given)) return given
  const { text, values, name, rowMode, undecoded } = given
  if (values !== undefined && !Array.isArray(values)) {
    throw new TypeError(`${call}(statement): statement.values must be an array`)
  }
  const taken = new TakenStatement(text, values, name, rowMode, undecoded)
  // What pools over pools have attached to it.
  for (const key of Object.getOwnPropertySymbols(given)) {
    Reflect.set(taken, key, Reflect.get(given, key))
  }
  return taken
}

function copied<Options extends object>(
  options: Options | undefined,
  call: string,
): Options | undefined {
  if (options === undefined) return undefined
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${call}: options must be an object, got ${describeValue(options)}`)
  }
  return { ...options }
}

/**
 * Key of the statement that is piggybacked on another one: see `Piggyback`. A symbol, so that no
 * statement object has one by accident. For pools that are built on pools; a driver that does not
 * support it sends the statement alone.
 */
export const PIGGYBACK: unique symbol = Symbol('poolhouse.piggyback')

/**
 * A second statement that is sent in one piece with a first one, so that its answer costs no round
 * trip. It runs in the same session after the first one, outside its transaction. Its failure
 * changes nothing about the first one.
 */
export interface Piggyback {
  /** What to send. */
  readonly statement: Statement
  /**
   * Called just before the caller of the first statement gets its result: with the result of this
   * one, or with undefined if it failed. Not called when the first one failed, nor by a driver that
   * sent the first one alone.
   */
  answered(result: QueryResult<unknown> | undefined): void
}

/** A statement that may carry a piggybacked one. */
export interface WithPiggyback {
  /** What is sent in one piece with it. */
  readonly [PIGGYBACK]?: Piggyback | undefined
}

/**
 * Key of what a facade tells its own driver about a statement, such as the types of its values. A
 * pool carries it along and looks at nothing of it; another driver ignores it.
 */
export const FOR_DRIVER: unique symbol = Symbol('poolhouse.forDriver')

/** A statement that may carry something for its driver. */
export interface WithForDriver {
  /** What only the driver understands. */
  readonly [FOR_DRIVER]?: unknown
}

/** The piggybacked statement of a statement, if it has one. */
export function piggybackOf(statement: Statement): Piggyback | undefined {
  return (statement as WithPiggyback)[PIGGYBACK]
}

/** The statement of a submission. */
export interface StatementToSend {
  /** SQL. */
  readonly text: string
  /** Values in their wire form; undefined for the simple protocol. */
  readonly values: readonly (string | null)[] | undefined
  /** Name of the prepared statement on the server, or empty. */
  readonly name: string
  /** Whether the server has prepared it, so that only Bind and Execute are sent. */
  readonly known: boolean
  /** OID of the type of each value; undefined leaves all to the server. */
  readonly types?: readonly number[] | undefined
  /** Only asks the server for the types of parameters and columns. Ends with Flush. */
  readonly describe?: boolean | undefined
  /** Fetches so many rows and ends with Flush; undefined for all rows and Sync. */
  readonly rows?: number | undefined
}

/** Receives the progress of a submission. */
export interface SubmissionOwner {
  /** postgres.js has serialised the messages into its buffer. */
  built(): void
  /**
   * ReadyForQuery has come, or the instance gave up. `error` is the one that postgres.js has made;
   * undefined without one.
   */
  answered(error: unknown): void
}

const NO_TYPES: readonly unknown[] = []
const NO_VALUES: (string | null)[] = []

/**
 * What a one-connection instance of postgres.js runs: an object of the shape of its `Query`. The
 * class `Query` itself is a promise that starts a tick later, asks the server for the parameter
 * types before it sends the values (a second round trip), keeps every text for ever, and is
 * silently sent again when the server has lost the prepared statement (`retryRoutines`), even if it
 * was executed in part. This class sets the properties that decide these things.
 */
export class Submission {
  // Properties that postgres.js sets are declared, for a stable hidden class.
  readonly tagged: boolean = false
  readonly strings: readonly string[]
  // Empty, with `parameters` ready: so postgres.js neither infers types nor describes first.
  readonly args: readonly unknown[] = []
  readonly options: { readonly simple: boolean; readonly prepare: boolean }
  readonly origin: string = ''
  parameters: (string | null)[]
  cancelled: null = null
  active = false
  state: unknown = undefined
  prepare = false
  signature: unknown = ''
  onlyDescribe = false
  describeFirst: unknown = false
  cursorFn: (() => void) | undefined
  readonly cursorRows: number | undefined
  /** Called by postgres.js at ReadyForQuery. */
  readonly resolve: () => void
  /** Called by postgres.js at ReadyForQuery after an error, or when it is over. */
  readonly reject: (error: unknown) => void
  readonly #owner: SubmissionOwner
  readonly #statement: { string: string; types: readonly unknown[]; name: string; columns: unknown }
  #known: boolean

  /** Sends nothing: pass it to the handler of the instance. */
  constructor(owner: SubmissionOwner, statement: StatementToSend) {
    const { text, values, name, known, rows, types, describe = false } = statement
    this.#owner = owner
    this.strings = [text]
    this.options = { simple: values === undefined, prepare: name !== '' }
    // postgres.js writes into the array.
    this.parameters = values === undefined ? NO_VALUES : [...values]
    this.cursorRows = rows
    this.cursorFn = rows === undefined ? undefined : noop
    this.#statement = { string: text, types: types?.map(declared) ?? NO_TYPES, name, columns: null }
    this.#known = known
    this.onlyDescribe = describe
    this.resolve = () => owner.answered(undefined)
    this.reject = (error) => {
      // Emptied, because the error may hold this array, and must not show the values.
      this.parameters.length = 0
      owner.answered(error)
    }
  }

  /** Whether the session has prepared it. postgres.js sets what its own list says, in vain. */
  get prepared(): boolean {
    return this.#known
  }

  set prepared(_found: unknown) {}

  /** postgres.js stores the text here for its errors, which must not show it. */
  get string(): string {
    return ''
  }

  set string(_text: string) {}

  get statement(): unknown {
    return this.#statement
  }

  set statement(_made: unknown) {
    this.#owner.built()
  }

  /**
   * Marks the messages as sent: from now on postgres.js must neither repeat the statement nor send
   * Sync for a cursor, and its errors must not show the values.
   */
  written(): void {
    this.#known = false
    this.cursorFn = undefined
    this.onlyDescribe = false
    this.describeFirst = false
    this.parameters = NO_VALUES
  }
}

/**
 * A type that is sent as a number. As the key of a serialiser it is one that has none, because the
 * values are texts already.
 */
class DeclaredType {
  readonly #oid: number

  constructor(oid: number) {
    this.#oid = oid
  }

  valueOf(): number {
    return this.#oid
  }

  toString(): string {
    return 'declared'
  }
}

function declared(oid: number): DeclaredType {
  return new DeclaredType(oid)
}

function noop(): void {}

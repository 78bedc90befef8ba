/** What postgres.js reads of a statement when it writes it down. */
export interface StatementToSend {
  /** SQL. */
  readonly text: string
  /** Values in their wire form; undefined for the simple protocol. */
  readonly values: readonly (string | null)[] | undefined
  /** Name of the prepared statement on the server, or empty. */
  readonly name: string
  /** Whether the server has a statement of that name, so that it is bound and executed only. */
  readonly known: boolean
  /** Ends the message with Flush and asks for so many rows; undefined for all rows and Sync. */
  readonly rows?: number | undefined
}

/** Hears what becomes of a submission. */
export interface SubmissionOwner {
  /** postgres.js has written the messages into its buffer. */
  built(): void
  /**
   * ReadyForQuery has come, or the instance gave up; the error is the one postgres.js made of what
   * the server said.
   */
  answered(error: unknown): void
}

const NO_TYPES: readonly number[] = []
const NO_VALUES: (string | null)[] = []

/**
 * What a one-connection instance of postgres.js is given to run: an object of the shape of its
 * `Query`, which is what its handler takes. Its own class is a promise that starts a tick later,
 * asks the server for the parameter types before it sends the values (a second round trip),
 * remembers every text for ever, and is sent again behind our back when the server has lost it
 * (`retryRoutines`), also when it had executed in part. Here the properties it decides this by are
 * ours.
 */
export class Submission {
  // The properties that postgres.js sets are declared for a stable hidden class.
  readonly tagged: boolean = false
  readonly strings: readonly string[]
  // No arguments but ready-made parameters: postgres.js then neither infers types nor describes
  // first.
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
  readonly #statement: { string: string; types: readonly number[]; name: string; columns: unknown }
  #known: boolean

  /** Writes nothing yet; that is for the handler of the instance. */
  constructor(owner: SubmissionOwner, { text, values, name, known, rows }: StatementToSend) {
    this.#owner = owner
    this.strings = [text]
    this.options = { simple: values === undefined, prepare: name !== '' }
    // postgres.js writes into the array.
    this.parameters = values === undefined ? NO_VALUES : [...values]
    this.cursorRows = rows
    this.cursorFn = rows === undefined ? undefined : noop
    this.#statement = { string: text, types: NO_TYPES, name, columns: null }
    this.#known = known
    this.resolve = () => owner.answered(undefined)
    this.reject = (error) => {
      // The error has this very array, if nothing was sent.
      this.parameters.length = 0
      owner.answered(error)
    }
  }

  /**
   * What postgres.js found in its list of statements does not count; the list of the session does.
   */
  get prepared(): boolean {
    return this.#known
  }

  set prepared(_found: unknown) {}

  /** What postgres.js keeps for its errors alone, which must not show the text. */
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
   * The messages are on their way to the server: from here on postgres.js must neither repeat the
   * statement nor end the series of messages of a cursor by itself, and its errors must not show
   * the values.
   */
  written(): void {
    this.#known = false
    this.cursorFn = undefined
    this.parameters = NO_VALUES
  }
}

function noop(): void {}

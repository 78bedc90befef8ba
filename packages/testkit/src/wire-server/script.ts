/** An error as the server words it. */
export interface WireError {
  /** SQLSTATE. */
  readonly code: string
  /** Text of the error. */
  readonly message: string
  /**
   * Default `ERROR`; during start-up `FATAL`. After `FATAL` and `PANIC` the server closes the
   * connection.
   */
  readonly severity?: 'ERROR' | 'FATAL' | 'PANIC'
  /** More about it. */
  readonly detail?: string
  /** What to do about it. */
  readonly hint?: string
  /** Position in the statement, in characters from 1. */
  readonly position?: number
  /** Call stack inside the server. */
  readonly where?: string
  /** Schema it is about. */
  readonly schema?: string
  /** Table it is about. */
  readonly table?: string
  /** Column it is about. */
  readonly column?: string
  /** Data type it is about. */
  readonly dataType?: string
  /** Constraint that was violated. */
  readonly constraint?: string
  /** Function of the server that raised it. */
  readonly routine?: string
}

/** A notice as the server words it. */
export interface WireNotice {
  /** Text of the notice. */
  readonly message: string
  /** SQLSTATE. Default `00000`. */
  readonly code?: string
  /** Default `NOTICE`. */
  readonly severity?: 'DEBUG' | 'LOG' | 'INFO' | 'NOTICE' | 'WARNING'
  /** More about it. */
  readonly detail?: string
  /** What to do about it. */
  readonly hint?: string
}

/** A value of a result. Objects are sent as `jsonb`, dates as `timestamptz`, buffers as `bytea`. */
export type WireValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | { readonly [key: string]: unknown }
  | readonly unknown[]

/** A row by column name, or in the order of the columns. */
export type WireRow = { readonly [column: string]: WireValue } | readonly WireValue[]

/**
 * A column by name, with a type such as `int4` or its OID. Without a type it follows from the first
 * value.
 */
export type WireColumn =
  | string
  | {
      /** Name of the column. */
      readonly name: string
      /** Type name or OID. */
      readonly type?: string | number
    }

/** A parameter of a statement: text, or bytes when the client sent it in binary. */
export type WireParameter = string | Buffer | null

/** What the server does with a statement or a new connection. */
export type Reaction =
  | {
      /**
       * The rows, or how they follow from the parameters. A function is the way to answer
       * postgres.js by parameter: it asks for the columns before it sends parameters, so
       * `onStatement` is called without them.
       */
      readonly rows:
        | readonly WireRow[]
        | ((parameters: readonly WireParameter[]) => readonly WireRow[])
      /**
       * Default: the keys of the first row. Needed when there may be no row, or rows are arrays or
       * a function.
       */
      readonly columns?: readonly WireColumn[]
      /** Default `SELECT n`. */
      readonly tag?: string
    }
  | {
      /** Done, without rows. `BEGIN`, `COMMIT` and `ROLLBACK` change the transaction status. */
      readonly tag: string
    }
  | {
      /** The server refuses. */
      readonly error: WireError
    }
  | {
      /** The session never answers again; a cancel request does not help. */
      readonly hang: true
    }
  | {
      /** The session ends with a FIN and without a message. */
      readonly close: true
    }
  | {
      /** The session ends with an RST. */
      readonly reset: true
    }
  | {
      /** Later, in milliseconds. A cancel request ends the wait with 57014. */
      readonly delayMs: number
      /** What comes after the wait. Default: the usual answer. */
      readonly then?: Reaction
    }
  | {
      /** A notice first. */
      readonly notice: WireNotice
      /** What comes after the notice. Default: the usual answer. */
      readonly then?: Reaction
    }

/** A session as scripts see it. */
export interface WireSession {
  /** Counted from 1 in the order in which connections were accepted. */
  readonly id: number
  /** What the client uses to cancel. */
  readonly pid: number
  /** What the client sent at start-up: `user`, `database`, `application_name`, … */
  readonly startup: ReadonlyMap<string, string>
  /** `I` idle, `T` in a transaction, `E` in a failed one. */
  readonly transactionStatus: 'I' | 'T' | 'E'
  /**
   * Sends a notification, at once.
   *
   * @example
   * await startWireServer({
   *   onConnect: (session) => void setTimeout(() => session.notify('orders', '7'), 100),
   * })
   */
  notify(channel: string, payload?: string): void
  /**
   * Ends this session as `pg_terminate_backend` does. Default code `57P01`.
   *
   * @example
   * await startWireServer({ onConnect: (session) => void setTimeout(() => session.kick(), 100) })
   */
  kick(code?: string): void
  /**
   * Resets this session's connection.
   *
   * @example
   * await startWireServer({ onConnect: (session) => void setTimeout(() => session.reset(), 100) })
   */
  reset(): void
}

/** How clients prove themselves. */
export type WireAuthentication =
  | 'trust'
  | 'cleartext'
  | 'md5'
  | 'scram-sha-256'
  | {
      /** The error every client gets instead of an authentication. */
      readonly reject: WireError
    }

/** Called for each statement; `undefined` leaves it to the server. Called once for each run. */
export type OnStatement = (
  text: string,
  session: WireSession,
  parameters: readonly WireParameter[],
) => Reaction | undefined

/**
 * Called when a client has sent its start-up message; `rows` and `tag` mean the same as
 * `undefined`: go on.
 */
export type OnConnect = (session: WireSession) => Reaction | undefined

/** A cancel request as it arrived. */
export interface WireCancel {
  /** Process id that is to be cancelled. */
  readonly pid: number
  /** Secret of that process. */
  readonly secret: number
}

/**
 * Called for each cancel request; only `hang`, `close`, `reset` and `delayMs` have a meaning.
 * `undefined` cancels.
 */
export type OnCancel = (cancel: WireCancel) => Reaction | undefined

/**
 * How a wire server plays its part.
 *
 * @example
 * await startWireServer({
 *   auth: 'scram-sha-256',
 *   password: 'secret',
 *   scram: { iterations: 4096, proof: 'wrong' },
 *   tls: { cert: '-----BEGIN …', key: '-----BEGIN …' },
 *   onConnect: () => undefined,
 *   onStatement: (text) => (text === 'slow' ? { delayMs: 500 } : undefined),
 *   onCancel: () => ({ hang: true }),
 * })
 */
export interface WireScript {
  /** How clients prove themselves. Default `trust`. */
  readonly auth?: WireAuthentication
  /** Required for the methods that check one. Any user name is accepted. Default: none. */
  readonly password?: string
  /** How the SCRAM exchange is played. Default: as PostgreSQL does. */
  readonly scram?: {
    /** Default 4096, as PostgreSQL. */
    readonly iterations?: number
    /**
     * Whether the server proves that it knows the password: `send` (default), `skip` or `wrong`.
     */
    readonly proof?: 'send' | 'skip' | 'wrong'
  }
  /**
   * A certificate and key in PEM: the server then agrees to encrypt. Default: it answers `N` to
   * SSLRequest.
   */
  readonly tls?: {
    /** Certificate. */
    readonly cert: string
    /** Its key. */
    readonly key: string
  }
  /** Scripts connections. Default: all go on. */
  readonly onConnect?: OnConnect
  /** Scripts statements. Default: the server's own answers. */
  readonly onStatement?: OnStatement
  /** Scripts cancel requests. Default: what is asked for is cancelled. */
  readonly onCancel?: OnCancel
}

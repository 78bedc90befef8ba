import type { Intent } from '@poolhouse/core'
import {
  checkBoolean,
  checkNumber,
  describeValue,
  MAX_MS,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { ReplicaPool, ReplicaSession } from '../api/replica-pool.js'
import { type RunWithOptions, runWith } from '../api/run-with.js'
import { HandedTokens, SHARED } from './handed-tokens.js'

/** Options of the middleware for all frameworks. */
export interface RequestOptions<Request> {
  /**
   * What a request is for, and with it every call on the pool that does not say so itself. Default:
   * `read` for GET, HEAD and OPTIONS, and `write` for all other methods. Undefined from the
   * function means the default, so that it need name the exceptions only.
   */
  intent?: ((request: Request) => Intent | undefined) | undefined
  /**
   * Name of the cookie that carries the token, or `false` for none. Default `db_token`. Sent
   * HttpOnly, SameSite=Lax, Path=/.
   */
  cookie?: string | false | undefined
  /** Adds Secure to the cookie. Default false. */
  secure?: boolean | undefined
  /**
   * How long the browser keeps the token, in seconds. Default 600: longer than any replica may be
   * behind.
   */
  maxAgeSeconds?: number | undefined
  /**
   * Name of the header that carries the token, in requests and responses, or `false` for none.
   * Default `x-db-token`. A request may have both: what either names is shown.
   */
  header?: string | false | undefined
  /**
   * Whether a response carries a token also after reads, so that no later request sees older data
   * than an earlier one did. Default false: only after work that was no read. It costs a question
   * to a replica at the end of each request, and every response sets a cookie.
   */
  monotonicReads?: boolean | undefined
  /**
   * Oldest data that reads of requests accept, in milliseconds. Default: the pool's
   * `maxStalenessMs`.
   */
  maxStalenessMs?: number | undefined
}

/** One request, as every framework knows it. */
interface Incoming {
  readonly method: string | undefined
  header(name: string): string | undefined
}

/** The headers to add to a response. */
export type TokenHeaders = readonly (readonly [name: string, value: string])[]

const WHERE = 'replica middleware'
const KNOWN: ReadonlySet<string> = new Set([
  'intent',
  'cookie',
  'secure',
  'maxAgeSeconds',
  'header',
  'monotonicReads',
  'maxStalenessMs',
])
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
// A token of RFC 9110, which is also what a cookie may be called.
const NAME = /^[\w!#$%&'*+.^`|~-]+$/
const NOTHING: TokenHeaders = []

/**
 * What the middleware of one framework is made from: checks its options once and begins a session
 * for each request.
 */
export class RequestSessions<Request> {
  readonly #db: ReplicaPool
  readonly #intent: ((request: Request) => Intent | undefined) | undefined
  readonly #cookie: string | undefined
  readonly #cookieEnd: string
  readonly #header: string | undefined
  readonly #monotonicReads: boolean
  readonly #maxStalenessMs: number | undefined
  readonly #handed = new HandedTokens()

  /** Throws `TypeError` or `RangeError` for wrong options. */
  constructor(db: ReplicaPool, options: RequestOptions<Request> = {}) {
    if (typeof db?.session !== 'function') {
      throw new TypeError(
        `${WHERE}: expected a pool made by withReplicas(), got ${describeValue(db)}`,
      )
    }
    refuseUnknownOptions(WHERE, options, KNOWN)
    const { intent, secure = false, maxAgeSeconds = 600, monotonicReads = false } = options
    if (intent !== undefined && typeof intent !== 'function') {
      throw new TypeError(`${WHERE}: intent must be a function, got ${describeValue(intent)}`)
    }
    const age = checkNumber(WHERE, 'maxAgeSeconds', maxAgeSeconds, {
      min: 1,
      max: MAX_MS,
      integer: true,
    })
    const end = `; Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax`
    this.#cookieEnd = checkBoolean(WHERE, 'secure', secure) ? `${end}; Secure` : end
    this.#db = db
    this.#intent = intent
    this.#cookie = readName('cookie', options.cookie ?? 'db_token')
    this.#header = readName('header', options.header ?? 'x-db-token')?.toLowerCase()
    this.#monotonicReads = checkBoolean(WHERE, 'monotonicReads', monotonicReads)
    this.#maxStalenessMs = options.maxStalenessMs
  }

  /** Begins the session of a request. */
  begin(request: Request, incoming: Incoming): RequestSession {
    const given = this.#tokensOf(incoming)
    const session = this.#db.session(given[0], { maxStalenessMs: this.#maxStalenessMs })
    for (const other of given.slice(1)) session.see(other)
    const usual = READING.has(incoming.method?.toUpperCase() ?? '') ? 'read' : 'write'
    const intent = this.#intent?.(request) ?? usual
    return new RequestSession({ intent, session }, given, this.#monotonicReads, {
      handed: this.#handed,
      headersFor: (text) => this.#headersFor(text),
    })
  }

  /**
   * The tokens of the header and of the cookie. Either may be the older one: clients keep them
   * apart.
   */
  #tokensOf(incoming: Incoming): readonly string[] {
    const header = this.#header === undefined ? undefined : incoming.header(this.#header)
    const cookie =
      this.#cookie === undefined ? undefined : cookieOf(incoming.header('cookie'), this.#cookie)
    const given = [header, cookie].filter((text) => text !== undefined && text !== '')
    return [...new Set(given as string[])]
  }

  #headersFor(token: string): TokenHeaders {
    const headers: [string, string][] = []
    if (this.#header !== undefined) headers.push([this.#header, token])
    if (this.#cookie !== undefined) {
      headers.push(['set-cookie', `${this.#cookie}=${token}${this.#cookieEnd}`])
    }
    return headers
  }
}

/** What the session of a request needs of the middleware. */
interface RequestParts {
  readonly handed: HandedTokens
  headersFor(token: string): TokenHeaders
}

/** The session of one request. */
export class RequestSession {
  readonly #scope: RunWithOptions & { readonly session: ReplicaSession }
  readonly #given: readonly string[]
  readonly #monotonicReads: boolean
  readonly #parts: RequestParts
  readonly #begunAt: number
  // Whether it is strong for the sake of a request beside this one.
  #inherits = false
  #hasKept = false

  /** Made by `RequestSessions`, from the tokens that the request came with. */
  constructor(
    scope: RunWithOptions & { readonly session: ReplicaSession },
    given: readonly string[],
    monotonicReads: boolean,
    parts: RequestParts,
  ) {
    this.#scope = scope
    this.#given = given
    this.#monotonicReads = monotonicReads
    this.#parts = parts
    this.#begunAt = parts.handed.count
  }

  /** Runs what handles the request. */
  run<R>(fn: () => R): R {
    return runWith(this.#scope, fn)
  }

  /** Whether the token of the response has to be asked for. */
  get asks(): boolean {
    return this.#monotonicReads
  }

  /** The headers that the response needs, as far as they are known now. */
  headers(): TokenHeaders {
    const { session } = this.#scope
    if (!session.hasWritten && !this.#monotonicReads) return NOTHING
    const { handed, headersFor } = this.#parts
    // Who comes for the first time has none.
    const given = this.#given.length === 0 ? [''] : this.#given
    // The response of a request beside this one may have come first, with a later position than
    // ours.
    const own = session.token
    for (const token of given) session.see(handed.after(token, this.#begunAt) ?? '')
    const { token } = session
    if (session.hasWritten && token === SHARED && given.includes(SHARED) && !this.#hasKept) {
      this.#hasKept = true
      handed.keepStrong()
    }
    if (token === '' || given.every((before) => before === token)) return NOTHING
    this.#inherits ||= own !== token
    for (const before of given) handed.handOut(before, token, this.#inherits)
    return headersFor(token)
  }

  /** The headers that the response needs. Never rejects: a response is not lost for them. */
  async freshHeaders(): Promise<TokenHeaders> {
    if (this.#monotonicReads) await this.#scope.session.freshToken().catch(() => '')
    return this.headers()
  }
}

function readName(option: string, name: string | false): string | undefined {
  if (name === false) return undefined
  if (typeof name === 'string' && NAME.test(name)) return name
  throw new TypeError(
    `${WHERE}: ${option} must be a name without spaces or separators, or false, got ${describeValue(name)}`,
  )
}

/** The value of a cookie, from a header that a stranger may have made up. */
function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim() || undefined
  }
  return undefined
}

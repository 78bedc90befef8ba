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

/**
 * Options of the middleware, the same for all frameworks.
 *
 * @example
 * app.register(
 *   fastifyReplicas(db, {
 *     cookie: 'shop_token',
 *     secure: true,
 *     maxAgeSeconds: 300,
 *     header: false,
 *     monotonicReads: true,
 *     maxStalenessMs: 2_000,
 *   }),
 * )
 */
export interface RequestOptions<Request> {
  /**
   * The intent of a request, and of every call on the pool that declares none. Default: `read` for
   * GET, HEAD and OPTIONS, and `write` for all other methods. The function may return undefined for
   * the default, so that it needs to name only the exceptions.
   *
   * @example
   * const isSearch = (path: string) => path === '/search' // a POST that only reads
   * expressApp.use(
   *   expressReplicas(db, { intent: (req) => (isSearch(req.path) ? 'read' : undefined) }),
   * )
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
   * How long the browser keeps the token, in seconds. Default 600, which is longer than any replica
   * may be behind.
   */
  maxAgeSeconds?: number | undefined
  /**
   * Name of the header that carries the token, in requests and responses, or `false` for none.
   * Default `x-db-token`. If a request has both a cookie and the header, its reads see what either
   * names.
   */
  header?: string | false | undefined
  /**
   * Whether a response carries a token after reads too, so that no later request sees older data
   * than an earlier one did. Default false: only after work that was no read. With it, each request
   * ends with a question to a replica, and every response sets a cookie.
   */
  monotonicReads?: boolean | undefined
  /**
   * Oldest data that reads of requests accept, in milliseconds. Default: the pool's
   * `maxStalenessMs`.
   */
  maxStalenessMs?: number | undefined
}

/** What the middleware needs of a request, whatever the framework. */
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
// A token of RFC 9110, which is also the form of a cookie's name.
const NAME = /^[\w!#$%&'*+.^`|~-]+$/
const NOTHING: TokenHeaders = []

/** Begins a session for each request. The middleware of each framework is made of it. */
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
   * The tokens of the header and of the cookie. Clients store them separately, so either may be
   * older.
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
  // Whether its token was taken over from a concurrent request.
  #inherits = false
  #hasKept = false

  /** Made by `RequestSessions`, from the tokens that the request carries. */
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

  /** Runs the handler of the request in the session. */
  run<R>(fn: () => R): R {
    return runWith(this.#scope, fn)
  }

  /** Whether a server must be asked for the token of the response. */
  get asks(): boolean {
    return this.#monotonicReads
  }

  /** The headers to add to the response, as far as they are known now. */
  headers(): TokenHeaders {
    const { session } = this.#scope
    if (!session.hasWritten && !this.#monotonicReads) return NOTHING
    const { handed, headersFor } = this.#parts
    // A new client sends no token.
    const given = this.#given.length === 0 ? [''] : this.#given
    // A concurrent request may have been answered first, with a later position than ours.
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

  /** The headers to add to the response. Never rejects: no response fails because of them. */
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

/** The value of a cookie. The header may hold anything, because any client can send it. */
function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim() || undefined
  }
  return undefined
}

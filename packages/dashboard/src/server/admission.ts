import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Whether a request may see the dashboard. */
export type Verdict =
  | {
      readonly admitted: true
      /** The cookie to set, for a browser that has shown the token in the address. */
      readonly cookie?: string
    }
  | {
      readonly admitted: false
      /** 401 for a token that is missing or wrong, 403 where none could help. */
      readonly status: 401 | 403
      /** Why, for the person in front of the browser. */
      readonly reason: string
    }

const ADMITTED: Verdict = { admitted: true }

/** What a proxy adds: the caller is then not where the socket says. */
const PROXY_HEADERS = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']

/** What every answer that asks for a token tells. */
const HOW_TO_SHOW = 'open the page with ?token=… once, or send the header "authorization: Bearer …"'

/**
 * Decides which requests are answered. Without a token those from this machine alone: the address
 * of the socket and the name in `Host` must both be loopback, since a page of another site can make
 * its own name lead to 127.0.0.1, and no proxy may have passed the request on. With a token every
 * request must show it, from wherever it comes.
 */
export class Admission {
  readonly #token: Buffer | undefined
  readonly #cookieName: string
  readonly #cookieValue: string

  /** Without a token only requests from this machine are admitted. */
  constructor(token: string | undefined) {
    this.#token = token === undefined ? undefined : digest(token)
    // Browsers send the cookies of a host to all its ports: each token has a cookie of its own.
    const derive = (what: string): string =>
      createHmac('sha256', token ?? '')
        .update(what)
        .digest('base64url')
    this.#cookieName = `poolhouse-${derive('name').slice(0, 8)}`
    this.#cookieValue = derive('value')
  }

  /** Judges one request; `query` is what its address has behind the question mark. */
  judge(request: IncomingMessage, query: URLSearchParams): Verdict {
    if (this.#token === undefined) return judgePlace(request)
    const shown = query.get('token')
    if (shown !== null) {
      // In an address a plus reads as a blank, and tokens of base64 are pasted there as they are.
      const isRight = this.#isToken(shown) || this.#isToken(shown.replaceAll(' ', '+'))
      return isRight ? { admitted: true, cookie: this.#cookie(request) } : wrongToken()
    }
    const bearer = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (bearer !== undefined) return this.#isToken(bearer) ? ADMITTED : wrongToken()
    const cookie = cookieOf(request, this.#cookieName)
    if (cookie !== undefined && isEqual(digest(cookie), digest(this.#cookieValue))) return ADMITTED
    return refused(401, `this dashboard needs its token: ${HOW_TO_SHOW}`)
  }

  #isToken(shown: string): boolean {
    return this.#token !== undefined && isEqual(digest(shown), this.#token)
  }

  /** Without `Path`: the browser sends it to the folder of the page and nowhere else. */
  #cookie({ socket, headers }: IncomingMessage): string {
    const isSecure = 'encrypted' in socket || headers['x-forwarded-proto'] === 'https'
    const secure = isSecure ? '; Secure' : ''
    return `${this.#cookieName}=${this.#cookieValue}; HttpOnly; SameSite=Strict${secure}`
  }
}

function judgePlace({ socket, headers }: IncomingMessage): Verdict {
  if (!isLoopbackAddress(socket.remoteAddress)) {
    return refused(403, 'without a token this dashboard answers requests from its own machine only')
  }
  const passedOn = PROXY_HEADERS.find((name) => headers[name] !== undefined)
  if (passedOn !== undefined) {
    return refused(403, `the request came through a proxy (header "${passedOn}")`)
  }
  const host = headers.host ?? String(headers[':authority'] ?? '')
  if (!isLoopbackHost(host)) {
    return refused(403, 'without a token the page must be opened as localhost or 127.0.0.1')
  }
  return ADMITTED
}

function refused(status: 401 | 403, reason: string): Verdict {
  const wayOut = status === 403 ? '; give createDashboard a token to open it elsewhere' : ''
  return { admitted: false, status, reason: `${reason}${wayOut}` }
}

function wrongToken(): Verdict {
  return refused(401, `this is not the token of this dashboard: ${HOW_TO_SHOW}`)
}

function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(?:::ffff:)?127\./.test(address))
}

/** `localhost`, its subdomains (RFC 6761), and the addresses, each with or without a port. */
function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return (
    name === '[::1]' || /^(?:.+\.)?localhost\.?$/.test(name) || /^127(?:\.\d{1,3}){3}$/.test(name)
  )
}

function cookieOf({ headers }: IncomingMessage, name: string): string | undefined {
  for (const pair of (headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}

/** Of equal length for every text, so that a comparison takes equally long for all. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function isEqual(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(one, other)
}

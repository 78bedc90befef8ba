import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf } from '@poolhouse/core/kit'
import type { Admission, Verdict } from './admission.js'
import { pageDocument } from './document.js'
import type { EventStreams } from './event-streams.js'

/** What the server answers with. */
export interface Answers {
  /** The open pages. */
  readonly streams: EventStreams
  /** What a page that opens is told first. */
  past(): unknown
  /** The pools as they are now. */
  state(): unknown
}

/** Why a request is not served. */
interface Refusal {
  readonly status: number
  readonly reason: string
  readonly header?: readonly [name: string, value: string]
}

/** Sent with every answer. `no-transform` keeps middleware from holding events back to compress. */
const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store, no-transform',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/**
 * Answers the requests of a dashboard. It does not know where it is mounted, and goes by the end of
 * the path: a slash is the page, `events` its stream, `state.json` the same numbers once.
 */
export class DashboardServer {
  readonly #admission: Admission
  readonly #answers: Answers
  #isClosed = false

  /** Answers those that the admission lets in. */
  constructor(admission: Admission, answers: Answers) {
    this.#admission = admission
    this.#answers = answers
  }

  /** Answers one request; never throws. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    // A framework that was not told to leave the answer to us has sent one of its own.
    if (response.headersSent) return
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    const [path = '', search = ''] = (request.url ?? '/').split('?', 2)
    const verdict = this.#admission.judge(request, new URLSearchParams(search))
    const refusal = this.#refuse(request, verdict)
    if (refusal !== undefined) {
      refuse(request, response, refusal)
      return
    }
    if (verdict.admitted && verdict.cookie !== undefined) {
      response.setHeader('set-cookie', verdict.cookie)
    }
    this.#serve(path.slice(path.lastIndexOf('/') + 1), request, response)
  }

  /** Ends the streams; later requests get 503. */
  close(): void {
    this.#isClosed = true
    this.#answers.streams.close()
  }

  #refuse({ method }: IncomingMessage, verdict: Verdict): Refusal | undefined {
    if (!verdict.admitted) {
      const { status, reason } = verdict
      return { status, reason, ...(status === 401 && { header: ['www-authenticate', 'Bearer'] }) }
    }
    if (method !== 'GET' && method !== 'HEAD') {
      const reason = 'this dashboard only shows: GET and HEAD'
      return { status: 405, reason, header: ['allow', 'GET, HEAD'] }
    }
    return this.#isClosed ? { status: 503, reason: 'this dashboard was closed' } : undefined
  }

  #serve(last: string, request: IncomingMessage, response: ServerResponse): void {
    switch (last) {
      case '':
        void this.#sendPage(request, response)
        break
      case 'events':
        this.#openStream(request, response)
        break
      case 'state.json':
        send(request, response, 'application/json', JSON.stringify(this.#answers.state()))
        break
      default: {
        const reason = 'nothing is here; the address of the page ends with a slash'
        refuse(request, response, { status: 404, reason })
      }
    }
  }

  async #sendPage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { html, policy } = await pageDocument()
      // As in `answer`, meanwhile.
      if (response.headersSent) return
      response.setHeader('content-security-policy', policy)
      send(request, response, 'text/html; charset=utf-8', html)
    } catch (error) {
      if (response.headersSent) return
      const reason = `the page could not be built: ${messageOf(error)}`
      refuse(request, response, { status: 500, reason })
    }
  }

  #openStream(request: IncomingMessage, response: ServerResponse): void {
    const { streams } = this.#answers
    if (streams.isFull) {
      refuse(request, response, { status: 503, reason: `${streams.size} pages are open already` })
      return
    }
    response.setHeader('content-type', 'text/event-stream')
    // nginx would hold the events back.
    response.setHeader('x-accel-buffering', 'no')
    response.statusCode = 200
    if (request.method === 'HEAD') response.end()
    else streams.add(response, this.#answers.past())
  }
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, reason, header }: Refusal,
): void {
  response.statusCode = status
  if (header !== undefined) response.setHeader(...header)
  send(request, response, 'text/plain; charset=utf-8', `${reason}\n`)
}

function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  type: string,
  body: string | Buffer,
): void {
  response.setHeader('content-type', type)
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(method === 'HEAD' ? undefined : body)
}

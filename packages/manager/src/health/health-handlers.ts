import { checkBoolean, refuseUnknownOptions } from '@poolhouse/core/kit'
import type { ManagerHealth } from './health.js'

/** What the handlers ask. */
export interface HealthSource {
  /** As `manager.health()`. */
  health(): ManagerHealth
  /** As `manager.ready()`. */
  ready(options?: { timeoutMs?: number | undefined }): Promise<void>
}

/** Options of `createHealthHandlers`. */
export interface HealthHandlerOptions {
  /**
   * Longest time that a request for readiness waits for databases which are not known to be ready,
   * in milliseconds. Default 1 000.
   */
  timeoutMs?: number | undefined
  /**
   * Whether answers say why. The reasons name servers, databases and users: only where nobody else
   * can ask. Default false.
   */
  details?: boolean | undefined
}

/** An answer, for frameworks that take a status and a body. */
export interface HealthAnswer {
  /** 200 or 503. */
  readonly status: 200 | 503
  /** For `JSON.stringify`. */
  readonly body: {
    /**
     * `ok`; `degraded` while something is wrong that requests need not notice; `unavailable` with
     * 503.
     */
    readonly status: 'ok' | 'degraded' | 'unavailable'
    /** What is wrong, if anything is and details are wanted. */
    readonly reasons?: readonly string[]
  }
}

/** A response of `node:http`, which Express' is as well. */
export interface NodeResponse {
  /** Status of the answer. */
  statusCode: number
  /** Sets a header of the answer. */
  setHeader(name: string, value: string): unknown
  /** Sends the body, and ends the answer. */
  end(body: string): unknown
}

/** A reply of Fastify. */
export interface FastifyLikeReply {
  /** Sets the status of the answer. */
  code(status: number): unknown
  /** Sends the body. */
  send(body: unknown): unknown
}

/** A context of Hono. */
export interface HonoLikeContext<Response> {
  /** Makes the answer. */
  json(body: HealthAnswer['body'], status: 200 | 503): Response
}

/** One check in the forms that servers take. */
export interface HealthHandler {
  /** The answer itself, for everything else. */
  answer(): Promise<HealthAnswer>
  /** For `node:http` and Express: `app.get('/readyz', readyz.node)`. */
  node(request: unknown, response: NodeResponse): Promise<void>
  /** For Fastify: `app.get('/readyz', readyz.fastify)`. */
  fastify(request: unknown, reply: FastifyLikeReply): Promise<unknown>
  /** For Hono: `app.get('/readyz', readyz.hono)`. */
  hono<Response>(context: HonoLikeContext<Response>): Promise<Response>
}

/** What `createHealthHandlers` gives. */
export interface HealthHandlers {
  /** Whether the process works; asks no database, so that an outage of one restarts nobody. */
  readonly livez: HealthHandler
  /**
   * Whether requests should come: 200 also while degraded, 503 while a database serves nothing and
   * from the begin of a shutdown.
   */
  readonly readyz: HealthHandler
}

const WHERE = 'createHealthHandlers'
const KNOWN: ReadonlySet<string> = new Set(['timeoutMs', 'details'])

/**
 * Makes the handlers of `/livez` and `/readyz`. What a database does becomes an answer, which tells
 * nothing but the status unless `details` are asked for. Throws `TypeError` for options that are
 * none.
 */
export function createHealthHandlers(
  manager: HealthSource,
  options: HealthHandlerOptions = {},
): HealthHandlers {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { timeoutMs = 1_000, details = false } = options
  // The text of a variable would be true, whatever it says.
  checkBoolean(WHERE, 'details', details)
  let asking: Promise<void> | undefined
  const asked = (): Promise<void> => {
    // However many probes come at once, the databases are asked once.
    asking ??= manager
      .ready({ timeoutMs })
      .catch(() => {})
      .finally(() => {
        asking = undefined
      })
    return asking
  }
  const livez = async (): Promise<HealthAnswer> =>
    answerOf(manager.health().live, false, [], details)
  const readyz = async (): Promise<HealthAnswer> => {
    // Nobody may have tried since it failed, because we said so.
    if (!manager.health().ready) await asked()
    const { ready, degraded, reasons } = manager.health()
    return answerOf(ready, degraded, reasons, details)
  }
  return { livez: handlerOf(livez), readyz: handlerOf(readyz) }
}

function answerOf(
  ok: boolean,
  degraded: boolean,
  reasons: readonly string[],
  details: boolean,
): HealthAnswer {
  const status = ok ? (degraded ? 'degraded' : 'ok') : 'unavailable'
  const body = details && reasons.length > 0 ? { status, reasons } : { status }
  return { status: ok ? 200 : 503, body } as HealthAnswer
}

function handlerOf(answer: () => Promise<HealthAnswer>): HealthHandler {
  return {
    answer,
    node: async (_request, response) => {
      const { status, body } = await answer()
      response.statusCode = status
      response.setHeader('content-type', 'application/json')
      response.setHeader('cache-control', 'no-store')
      response.end(JSON.stringify(body))
    },
    fastify: async (_request, reply) => {
      const { status, body } = await answer()
      reply.code(status)
      return reply.send(body)
    },
    hono: async (context) => {
      const { status, body } = await answer()
      return context.json(body, status)
    },
  }
}

import { checkBoolean, refuseUnknownOptions } from '@poolhouse/core/kit'
import type { ManagerHealth } from './health.js'

/** What the handlers ask: a manager. */
export interface HealthSource {
  /**
   * As `manager.health()`.
   *
   * @example
   * const { ready, reasons } = manager.health()
   */
  health(): ManagerHealth
  /**
   * As `manager.ready()`.
   *
   * @example
   * await manager.ready({ timeoutMs: 1_000 })
   */
  ready(options?: { timeoutMs?: number | undefined }): Promise<void>
}

/**
 * Options of `createHealthHandlers`.
 *
 * @example
 * const { livez, readyz } = createHealthHandlers(manager, { timeoutMs: 500, details: true })
 */
export interface HealthHandlerOptions {
  /**
   * Longest wait of a readiness request for databases that are not known to be ready, in
   * milliseconds. Default 1 000.
   */
  timeoutMs?: number | undefined
  /**
   * Whether answers contain the reasons. They name servers, databases and users: do not publish
   * them. Default false.
   */
  details?: boolean | undefined
}

/** An answer, for frameworks that take a status and a body. */
export interface HealthAnswer {
  /** 200 or 503. */
  readonly status: 200 | 503
  /** The body, as an object. */
  readonly body: {
    /** `degraded` while requests work although something is wrong; `unavailable` with 503. */
    readonly status: 'ok' | 'degraded' | 'unavailable'
    /** What is wrong. Only with `details`. */
    readonly reasons?: readonly string[]
  }
}

/** The part of a `node:http` or Express response that is used. */
export interface NodeResponse {
  /** Status of the answer. */
  statusCode: number
  /** Sets a header of the answer. */
  setHeader(name: string, value: string): unknown
  /** Sends the body, and ends the answer. */
  end(body: string): unknown
}

/** The part of a Fastify reply that is used. */
export interface FastifyLikeReply {
  /** Sets the status of the answer. */
  code(status: number): unknown
  /** Sends the body. */
  send(body: unknown): unknown
}

/** The part of a Hono context that is used. */
export interface HonoLikeContext<Response> {
  /** Makes the answer. */
  json(body: HealthAnswer['body'], status: 200 | 503): Response
}

/** One check, as a handler for several frameworks. */
export interface HealthHandler {
  /**
   * Returns the answer itself, for other frameworks.
   *
   * @example
   * const { status, body } = await createHealthHandlers(manager).readyz.answer()
   */
  answer(): Promise<HealthAnswer>
  /**
   * For `node:http` and Express.
   *
   * @example
   * expressApp.get('/readyz', createHealthHandlers(manager).readyz.node)
   */
  node(request: unknown, response: NodeResponse): Promise<void>
  /**
   * For Fastify.
   *
   * @example
   * app.get('/readyz', createHealthHandlers(manager).readyz.fastify)
   */
  fastify(request: unknown, reply: FastifyLikeReply): Promise<unknown>
  /**
   * For Hono.
   *
   * @example
   * import { Hono } from 'hono'
   *
   * new Hono().get('/readyz', createHealthHandlers(manager).readyz.hono)
   */
  hono<Response>(context: HonoLikeContext<Response>): Promise<Response>
}

/** What `createHealthHandlers` returns. */
export interface HealthHandlers {
  /** 200 while the process runs. Asks no database, so that an outage restarts no process. */
  readonly livez: HealthHandler
  /**
   * Whether the process should get requests: 200, also while degraded; 503 while a database serves
   * nothing and once a shutdown has started.
   */
  readonly readyz: HealthHandler
}

const WHERE = 'createHealthHandlers'
const KNOWN: ReadonlySet<string> = new Set(['timeoutMs', 'details'])

/**
 * Makes the handlers of `/livez` and `/readyz`. Failures of databases become answers and are never
 * thrown. The answers hold only the status unless `details` is set. Throws `TypeError` for unknown
 * options.
 *
 * @example
 * const { livez, readyz } = createHealthHandlers(manager)
 * app.get('/livez', livez.fastify)
 * app.get('/readyz', readyz.fastify)
 */
export function createHealthHandlers(
  manager: HealthSource,
  options: HealthHandlerOptions = {},
): HealthHandlers {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { timeoutMs = 1_000, details = false } = options
  // A text, such as an environment variable, would count as true.
  checkBoolean(WHERE, 'details', details)
  let asking: Promise<void> | undefined
  const asked = (): Promise<void> => {
    // Concurrent probes share one question.
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
    // Ask: while this answers 503, no request tries whether the database is back.
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

import type { Pool } from '@poolhouse/core'
import {
  checkBoolean,
  describeValue,
  type Observable,
  observe,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { Registry } from 'prom-client'
import { EventCounts } from './event-counts.js'
import { registerMetric } from './exposition.js'
import { PROMETHEUS_METRICS } from './prometheus-table.js'
import { look, type View } from './view.js'

/**
 * Options of `metricsHandler`.
 *
 * @example
 * metricsHandler(manager, { tenants: true, labels: { service: 'orders' } })
 */
export interface MetricsHandlerOptions {
  /**
   * Whether the pools of tenants are shown one by one, at most the 100 with the most connections:
   * each adds a label. Default false.
   */
  tenants?: boolean | undefined
  /** Labels of every metric, such as `{ service: 'orders' }`. Default: none. */
  labels?: Readonly<Record<string, string>> | undefined
}

/** The part of a `node:http` request that is used. */
export interface MetricsRequest {
  /** Its method; a request without one counts as GET. */
  readonly method?: string | undefined
}

/** The part of a `node:http` or Express response that is used. */
export interface MetricsResponse {
  /** Status of the answer. */
  statusCode: number
  /** Sets a header of the answer. */
  setHeader(name: string, value: string): unknown
  /** Sends the body, if there is one, and ends the answer. */
  end(body?: string): unknown
}

/**
 * Answers scrapes of Prometheus. A listener for `node:http` and Express; with Fastify pass
 * `request.raw` and `reply.raw` (after `reply.hijack()`), with Hono on Node.js `env.incoming` and
 * `env.outgoing`.
 */
export interface MetricsHandler {
  /** Answers GET with the metrics, HEAD with their headers, and anything else with 405. */
  (request: MetricsRequest, response: MetricsResponse): Promise<void>
  /**
   * Returns the metrics as text, for other frameworks and for files.
   *
   * @example
   * const text = await metricsHandler(pool).metrics()
   */
  metrics(): Promise<string>
  /** Media type of that text. */
  readonly contentType: string
  /**
   * Counts events no more. Idempotent.
   *
   * @example
   * const metrics = metricsHandler(pool)
   * metrics.stop()
   */
  stop(): void
}

const OPTIONS = new Set(['tenants', 'labels'])
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Makes a handler that shows the metrics of a pool, or of all pools of a manager, to Prometheus,
 * over prom-client, which is loaded at the first scrape. It reads the statistics when it is scraped
 * and has a registry of its own, so that it meets no metric of the application. Counts failovers,
 * holds and other events from now on. Throws `TypeError` for what is no pool or manager, and for
 * wrong options.
 *
 * @example
 * expressApp.get('/metrics', metricsHandler(manager))
 */
export function metricsHandler(
  target: Pool | Observable,
  options: MetricsHandlerOptions = {},
): MetricsHandler {
  refuseUnknownOptions('metricsHandler', options, OPTIONS)
  const { tenants = false, labels = {} } = options
  checkBoolean('metricsHandler', 'tenants', tenants)
  checkLabels(labels)
  const observable = observe(target)
  const counts = new EventCounts(observable, tenants)
  let view: View
  let registry: Promise<Registry> | undefined
  const make = async (): Promise<Registry> => {
    const { Registry } = await import('prom-client')
    const made = new Registry()
    made.setDefaultLabels(labels)
    for (const metric of PROMETHEUS_METRICS) registerMetric(made, metric, () => view)
    return made
  }
  const metrics = async (): Promise<string> => {
    registry ??= make()
    const made = await registry
    // All metrics read the same view: prom-client asks each of them within this call.
    view = look(observable, counts, tenants)
    return await made.metrics()
  }
  const handler = async (request: MetricsRequest, response: MetricsResponse): Promise<void> => {
    const { method = 'GET' } = request
    if (method !== 'GET' && method !== 'HEAD') {
      response.statusCode = 405
      response.setHeader('allow', 'GET, HEAD')
      response.end()
      return
    }
    try {
      const text = await metrics()
      response.statusCode = 200
      response.setHeader('content-type', CONTENT_TYPE)
      response.setHeader('cache-control', 'no-store')
      response.end(method === 'HEAD' ? undefined : text)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
      response.statusCode = 500
      response.end()
    }
  }
  return Object.assign(handler, { metrics, contentType: CONTENT_TYPE, stop: () => counts.stop() })
}

function checkLabels(labels: unknown): void {
  if (typeof labels !== 'object' || labels === null) {
    throw new TypeError(`metricsHandler: labels must be an object, got ${describeValue(labels)}`)
  }
  for (const [name, value] of Object.entries(labels)) {
    if (LABEL.test(name) && typeof value === 'string') continue
    throw new TypeError(
      `metricsHandler: labels must map names of letters, digits and _ to strings, got ${describeValue(value)} for "${name}"`,
    )
  }
}

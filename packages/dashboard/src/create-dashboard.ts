import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Pool } from '@poolhouse/core'
import {
  checkNumber,
  checkShownText,
  type Observable,
  observe,
  refuseUnknownOptions,
  systemClock,
} from '@poolhouse/core/kit'
import { Admission } from './server/admission.js'
import { DashboardServer } from './server/dashboard-server.js'
import { EventStreams } from './server/event-streams.js'
import { Collector } from './watch/collector.js'
import { EventLog } from './watch/event-log.js'
import { StateReader } from './watch/state-reader.js'

/** A listener of `node:http`: what `createServer` and Express take. */
export type DashboardHandler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Options of `createDashboard`.
 *
 * @example
 * createDashboard(manager, { token: process.env.DASHBOARD_TOKEN, intervalMs: 1_000 })
 */
export interface DashboardOptions {
  /**
   * What a request must show to be answered: `?token=…` in the address of the page, which becomes a
   * cookie, or the header `authorization: Bearer …`. Default: none, and then only requests from
   * this machine are answered, and only under the names `localhost` and `127.0.0.1`.
   */
  token?: string | undefined
  /**
   * Time between two pictures of the pools while a page is open, in milliseconds, from 100 to
   * 60 000. A change of the topology is shown at once. Default 500.
   */
  intervalMs?: number | undefined
  /**
   * Source of time. Default: the system's monotonic clock.
   *
   * @example
   * createDashboard(pool, { clock: virtualClock() }) // of @poolhouse/core/testing
   */
  clock?: Clock | undefined
}

/**
 * A page that shows pools as they work. It is itself a listener of `node:http`, and answers at
 * whatever path it is mounted.
 */
export interface Dashboard extends DashboardHandler {
  /** The same listener, for frameworks that take one by name. */
  readonly handler: DashboardHandler
  /**
   * Ends the streams of the open pages and stops listening to the pools. Later requests get 503.
   * Closes no pool. Idempotent.
   *
   * @example
   * const dashboard = createDashboard(manager)
   * process.once('SIGTERM', () => dashboard.close())
   */
  close(): void
}

const WHERE = 'createDashboard'
const KNOWN: ReadonlySet<string> = new Set(['token', 'intervalMs', 'clock'])
const INTERVAL_MS = 500

/**
 * Makes a page that shows a pool, or all pools of a manager, as they work. It only reads: it
 * answers GET and HEAD, and sends nothing to a database. While no page is open it only listens to
 * events that are rare.
 *
 * Throws `TypeError` or `RangeError` for what is neither a pool nor a manager, and for options that
 * are unknown or out of range.
 *
 * @example
 * const dashboard = createDashboard(manager, { token: process.env.DASHBOARD_TOKEN })
 * expressApp.use('/pools', dashboard)
 */
export function createDashboard(
  source: Pool | Observable,
  options: DashboardOptions = {},
): Dashboard {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { token, intervalMs = INTERVAL_MS, clock = systemClock } = options
  if (token !== undefined) checkShownText(WHERE, 'token', token)
  checkNumber(WHERE, 'intervalMs', intervalMs, { min: 100, max: 60_000 })
  const observed = observe(source, WHERE)
  const log = new EventLog(observed, clock, () => collector.hurry())
  const streams = new EventStreams({ start: () => collector.start(), stop: () => collector.stop() })
  const collector = new Collector({
    reader: new StateReader(observed, log, clock),
    log,
    tell: (message) => streams.send('now', message),
    intervalMs,
    clock,
  })
  const server = new DashboardServer(new Admission(token), {
    streams,
    past: () => collector.past(),
    state: () => collector.state(),
  })
  const handler: DashboardHandler = (request, response) => server.answer(request, response)
  const close = (): void => {
    log.close()
    server.close()
  }
  // A function of its own, which carries the other one by name.
  return Object.assign(handler.bind(undefined), { handler, close })
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Pool } from '@poolhouse/core'
import { createDashboard, type Dashboard } from '@poolhouse/dashboard'
import { type MetricsHandler, metricsHandler } from '@poolhouse/otel'

/** The dashboard and the metrics for Prometheus, on one free port of this machine. */
export class Pages {
  readonly #dashboard: Dashboard
  readonly #metrics: MetricsHandler
  readonly #server: Server

  private constructor(pool: Pool) {
    this.#dashboard = createDashboard(pool)
    this.#metrics = metricsHandler(pool)
    this.#server = createServer((request, response) => {
      if (request.url === '/metrics') void this.#metrics(request, response)
      else this.#dashboard(request, response)
    })
  }

  /** Serves the pages of a pool. Resolves when they can be opened. */
  static async open(pool: Pool): Promise<Pages> {
    const pages = new Pages(pool)
    await new Promise<void>((resolve, reject) => {
      pages.#server.once('error', reject).listen(0, '127.0.0.1', resolve)
    })
    return pages
  }

  /** Where they are. */
  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends them, also in browsers that have them open. */
  close(): void {
    this.#dashboard.close()
    this.#metrics.stop()
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

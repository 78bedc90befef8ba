import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Pool } from '@poolhouse/core'
import { createDashboard, type Dashboard } from '@poolhouse/dashboard'

/** The dashboard of a round, on a free port of this machine. */
export class LivePage {
  readonly #dashboard: Dashboard
  readonly #server: Server

  private constructor(pool: Pool) {
    this.#dashboard = createDashboard(pool)
    this.#server = createServer(this.#dashboard)
  }

  /** Serves the page of a pool. Resolves when it can be opened. */
  static async open(pool: Pool): Promise<LivePage> {
    const page = new LivePage(pool)
    await new Promise<void>((resolve, reject) => {
      page.#server.once('error', reject).listen(0, '127.0.0.1', resolve)
    })
    return page
  }

  /** Where it is. */
  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  /** Ends it, also in browsers that have it open. */
  close(): void {
    this.#dashboard.close()
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

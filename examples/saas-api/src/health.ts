import type { Topology } from '@poolhouse/core'
import { Hono } from 'hono'

/** Whether to restart this process (`/livez`) and whether to send it requests (`/readyz`). */
export class Health {
  /** From now on no new requests are wanted. */
  leaving = false
  readonly routes: Hono
  readonly #topology: Topology

  constructor(topology: Topology) {
    this.#topology = topology
    this.routes = new Hono()
      // A database that is away is no reason to restart this process: nothing here would be better afterwards.
      .get('/livez', (c) => c.text('live'))
      .get('/readyz', (c) => {
        const state = this.#state()
        const ready = state !== 'leaving' && state !== 'no database'
        return c.text(state, ready ? 200 : 503)
      })
  }

  #state(): string {
    if (this.leaving) return 'leaving'
    const { primary, replicas } = this.#topology.current
    if (primary !== undefined) return 'ready'
    return replicas.length > 0 ? 'degraded: reads only' : 'no database'
  }
}

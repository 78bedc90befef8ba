import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import pg from 'pg'

/** One call with this statement. */
export type Call = (text: string, values: readonly unknown[]) => Promise<unknown>

/** A quiet and a noisy tenant on one server. */
export interface Tenants {
  readonly quiet: Call
  readonly noisy: Call
  /** Connections that the quiet one has opened, where that can be told. */
  opened(): number
}

// The noisy tenant may use every connection there is, so that there is something to defend.
const CONNECTIONS = 10

/** What is compared: how the two come to their connections. */
export const tenantVariants: Readonly<Record<string, (url: string) => Tenants>> = {
  poolhouse: (url) => managed(url),
  // The same without the noise: what the quiet tenant is used to.
  alone: (url) => managed(url),
  'one pg.Pool': (url) => {
    const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
    const call: Call = (text, values) => pool.query(text, [...values])
    return { quiet: call, noisy: call, opened: () => 0 }
  },
}

function managed(url: string): Tenants {
  const manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: url },
    budget: { perServer: CONNECTIONS },
    tenants: {
      resolve: () => ({ schema: 'public' }),
      limits: { max: CONNECTIONS, maxPending: 20_000 },
    },
  })
  const [quiet, noisy] = ['quiet', 'noisy'].map((id) => manager.tenant(id))
  return {
    quiet: (text, values) => quiet!.query(text, values, { timeoutMs: 60_000 }),
    noisy: (text, values) => noisy!.query(text, values, { timeoutMs: 60_000 }),
    opened: () => quiet!.stats().counters.created,
  }
}

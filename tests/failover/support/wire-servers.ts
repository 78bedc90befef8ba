import { createPool, type Driver } from '@poolhouse/core'
import { type FailoverOptions, type FailoverPool, withFailover } from '@poolhouse/failover'
import { startWireServer, type WireServer } from '@poolhouse/testkit'

interface Servers extends AsyncDisposable {
  readonly a: WireServer
  readonly b: WireServer
}

/** Two wire servers of one cluster: `a` primary, `b` replica. */
export async function startServers(): Promise<Servers> {
  const [a, b] = await Promise.all([startWireServer(), startWireServer()])
  b.setRole('replica')
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await Promise.all([a.close(), b.close()])
    },
  }
}

/** Makes a failover pool over these URLs, which are keyed by the names of the nodes. */
export function failoverOver(
  driver: Driver,
  urls: Record<string, string>,
  options: FailoverOptions = {},
): FailoverPool {
  const pools = Object.entries(urls).map(([name, connection]) =>
    createPool({ driver, connection, name, max: 4 }),
  )
  return withFailover(pools, { probe: { intervalMs: 250 }, ...options })
}

/** Promotes the server to the next timeline, as PostgreSQL does. */
export function promote(server: WireServer): void {
  server.setRole('primary')
  server.state.timeline = 2
}

/** The INSERT statements that have reached the server. */
export function inserts(server: WireServer): string[] {
  return server.statements.map(({ text }) => text).filter((text) => text.startsWith('insert'))
}

import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterNode, startCluster } from '@poolhouse/testkit'

/**
 * A server on which the tenants `tenant_1` to `tenant_<count>` have a schema each, with a table of
 * invoices.
 */
export async function startServer(
  count: number,
): Promise<AsyncDisposable & { readonly server: ClusterNode }> {
  const cluster = await startCluster({ replicas: 0 })
  await cluster.primary.sql(`do $$
    declare tenant text;
    begin
      for number in 1..${count} loop
        tenant := 'tenant_' || number;
        execute format('create schema %I authorization app', tenant);
        execute format('create table %I.invoices (tenant text, total int)', tenant);
        execute format('alter table %I.invoices owner to app', tenant);
        execute format('insert into %I.invoices select %L, n from generate_series(1, 10) as n', tenant, tenant);
      end loop;
    end $$`)
  return { server: cluster.primary, [Symbol.asyncDispose]: () => cluster.stop() }
}

/** Asks the server itself, over a connection of its own, how many sessions the application has. */
export async function sessionsOn(server: ClusterNode): Promise<number> {
  const [row] = await server.sql<{ sessions: number }>(
    "select count(*)::int as sessions from pg_stat_activity where usename = 'app'",
  )
  return row?.sessions ?? 0
}

/** The most sessions that the server had while `work` was under way. */
export async function mostSessionsDuring(
  server: ClusterNode,
  work: () => Promise<void>,
): Promise<number> {
  let most = 0
  let done = false
  const watching = (async () => {
    while (!done) {
      most = Math.max(most, await sessionsOn(server))
      await sleep(5)
    }
  })()
  try {
    await work()
  } finally {
    done = true
    await watching
  }
  return most
}

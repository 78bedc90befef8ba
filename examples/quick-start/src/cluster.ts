import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '@poolhouse/testkit'

const cluster = await startCluster({ replicas: 2 })

/** Three servers, by name. Nothing here says which of them is the primary. */
export const servers: readonly { readonly name: string; readonly url: string }[] = cluster.nodes

/** Ends the servers and removes their data. */
export async function stopServers(): Promise<void> {
  await cluster.stop()
}

// An application's own tables have long been on every replica.
await cluster.primary.sql('create table orders (id int primary key)')
await cluster.primary.sql('grant all on orders to app')
const known = "select from pg_class where relname = 'orders'"
for (const node of cluster.nodes) {
  while ((await node.sql(known)).length === 0) await sleep(10)
}

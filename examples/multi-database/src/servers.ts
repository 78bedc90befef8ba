import { startCluster } from '@poolhouse/testkit'

/** A cluster of a primary and a replica for the shop, and one server for analytics. */
export async function startServers(): Promise<
  AsyncDisposable & { shop: readonly string[]; analytics: string }
> {
  const [shop, analytics] = await Promise.all([
    startCluster({ replicas: 1, database: 'shop' }),
    startCluster({ replicas: 0, database: 'analytics' }),
  ])
  const orders = 'create table orders (id int primary key, total int not null)'
  for (const { primary } of [shop, analytics]) {
    await primary.sql(orders)
    await primary.sql('grant all on orders to app')
  }
  return {
    shop: shop.nodes.map(({ url }) => url),
    analytics: analytics.primary.url,
    async [Symbol.asyncDispose]() {
      await Promise.all([shop.stop(), analytics.stop()])
    },
  }
}

import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { startServers } from './servers.js'

await main()
console.log('Everything is closed.')

async function main(): Promise<void> {
  await using servers = await startServers()
  await using manager = createManager({
    drivers: { pg: nodePostgres(), js: postgresJs() },
    databases: {
      // The primary is found and followed; the other server serves reads.
      shop: { driver: 'pg', nodes: servers.shop },
      analytics: { driver: 'js', primary: servers.analytics, pool: { max: 4 } },
    },
    budget: { perServer: 10 },
  })
  await manager.ready()

  // Names are checked by the compiler: `manager.database('shopp')` is an error there, and a
  // RangeError in JavaScript.
  const shop = manager.database('shop')
  const analytics = manager.database('analytics')

  for (const [name, database] of Object.entries({ shop, analytics })) {
    await database.use(async (lease) => {
      const { rows } = await lease.query<{ database: string }>(
        'select current_database() as database',
      )
      console.log(`${name}: connected to "${rows[0]?.database}" with ${describe(lease.raw)}`)
    })
  }

  await shop.query('insert into orders select id, id * 10 from generate_series(1, 10000) as id')
  const total = await shop.reader().query('select count(*)::int as orders from orders')
  console.log(`shop: ${total.rows[0]?.['orders']} orders, counted on ${total.node}`)

  // From one database to the other, through two drivers, and never more than a few kilobytes in
  // between.
  const copied = await analytics.copyFrom(
    'copy orders from stdin',
    shop.copyTo('copy orders to stdout'),
  )
  console.log(`analytics: ${copied.rowCount} orders copied over from the shop`)

  for (const { path, value, origin } of manager.explainConfig()) {
    console.log(`config: ${path} = ${value} (${origin})`)
  }
  for (const [server, budget] of Object.entries(manager.stats().servers)) {
    console.log(`budget: ${server} ${JSON.stringify(budget)}`)
  }
}

/** `lease.raw` is the driver's own object, for what a pool does not do. */
function describe(raw: unknown): string {
  return typeof raw === 'function' ? 'an Sql of postgres.js' : 'a Client of pg'
}

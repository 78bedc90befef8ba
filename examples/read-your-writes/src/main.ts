import { startCluster } from '@poolhouse/testkit'
import { AppProcess } from './app-process.js'

const ORDERS = 100
const DELAY_MS = 300

console.log('starting a primary (a) and two replicas (b, c) …')
await using cluster = await startCluster({ replicas: 2 })
await cluster.primary.sql('create table orders(id int primary key)')
await cluster.primary.sql('grant all on orders to public')
await cluster.nodes[2]!.setApplyDelay(DELAY_MS)
console.log(
  `c replays every commit ${DELAY_MS} ms late, as a replica does that is busy or far away`,
)

const urls = cluster.nodes.map(({ url }) => url)
await using shop = new AppProcess(urls)
await using backOffice = new AppProcess(urls)
for (const app of [shop, backOffice]) await app.ask<'ready'>({ kind: 'ready' })
console.log(`process ${shop.pid} takes orders, process ${backOffice.pid} looks them up\n`)

/** Takes orders in one process and looks each of them up in the other, at once. */
async function lookUp(firstId: number, withToken: boolean): Promise<number> {
  let missing = 0
  const nodes = new Map<string, number>()
  for (let id = firstId; id < firstId + ORDERS; id++) {
    const { token } = await shop.ask<'ordered'>({ kind: 'order', id })
    const sent = withToken ? token : undefined
    const { found, node } = await backOffice.ask<'looked'>({ kind: 'look', id, token: sent })
    if (!found) missing++
    nodes.set(node, (nodes.get(node) ?? 0) + 1)
  }
  const how = withToken ? 'with the token   ' : 'without the token'
  const served = [...nodes].sort().map(([node, count]) => `${node} ${count}`)
  console.log(`${how}: ${missing} of ${ORDERS} orders not found; served by ${served.join(', ')}`)
  return missing
}

const without = await lookUp(1, false)
const withToken = await lookUp(1 + ORDERS, true)
const asExpected = without > 0 && withToken === 0
console.log(asExpected ? '\nas expected' : '\nNOT as expected: see README.md')
process.exitCode = asExpected ? 0 : 1

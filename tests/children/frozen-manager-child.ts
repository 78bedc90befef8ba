// Run as a process of its own, to be frozen while the primary of its cluster moves and every
// session of its own is ended. The timer fires first after the thaw, before the event loop has read
// what happened to the sockets, and asks for everything at once.
import { createManager } from '@poolhouse/manager'
import { driverNamed } from '../support/drivers.js'
import { outcomeOf } from '../support/outcome-of.js'
import { say } from './say.js'

const [driver, ...nodes] = process.argv.slice(2)
const manager = createManager({
  drivers: { only: driverNamed(driver) },
  databases: { app: { nodes } },
  budget: { perServer: 10 },
  tenants: { resolve: () => ({ schema: 'public' }), limits: { max: 2 } },
})
const views = [manager.database('app'), manager.tenant('one'), manager.tenant('two')]
await Promise.all(views.map((view) => view.query('select 1')))

let opened = 0
for (const view of views) view.on('connect', () => opened++)
let last = performance.now()
const timer = setInterval(() => {
  const now = performance.now()
  const frozen = now - last > 3_000
  last = now
  if (!frozen) return
  clearInterval(timer)
  const calls = views.flatMap((view) => [1, 2, 3].map(() => outcomeOf(view.query('select 1'))))
  void report(calls)
}, 20)
say('ready')

async function report(calls: Promise<string>[]): Promise<void> {
  const after = await Promise.all(calls)
  const used = Object.values(manager.stats().servers).map((server) => server.used)
  const primary = manager.database('app').topology.current.primary?.id
  say(JSON.stringify({ after, opened, used, primary, ready: manager.health().ready }))
  await manager.close()
}

/**
 * Takes the pictures of the documentation, `docs/images/dashboard-*.png`, of a real cluster under
 * load that fails over: `pnpm docs:screenshots`.
 */
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { launchChromium } from './chromium.js'
import { startFollowedCluster } from './followed-cluster.js'
import { openPage } from './opened-page.js'

const FOLDER = join(import.meta.dirname, '../../docs/images')
/** Until the charts have something to show. */
const CALM_MS = 25_000
/** As long as Patroni takes to decide, about. */
const HELD_MS = 1_500

await using browser = await launchChromium()
await using followed = await startFollowedCluster()
await mkdir(FOLDER, { recursive: true })
const { address, cluster } = followed
const load = followed.load()
await using light = await openPage(browser, address)
await using dark = await openPage(browser, address, { scheme: 'dark' })
await using narrow = await openPage(browser, address, { width: 400 })
await sleep(CALM_MS)
await take('light', light)

const [first] = cluster.nodes
await first!.kill()
await dark.page.waitForSelector('.topology.headless')
await sleep(HELD_MS)
await take('failover', light)
const promoted = await cluster.failover()
await dark.page.waitForSelector('.topology:not(.headless)')
await sleep(5_000)
await first!.rejoinAs(promoted)
await sleep(5_000)
await take('dark', dark)
await take('400px', narrow)
await load.stop()

async function take(name: string, { page }: { page: typeof light.page }): Promise<void> {
  await page.bringToFront()
  const path = join(FOLDER, `dashboard-${name}.png`) as `${string}.png`
  await page.screenshot({ path })
  const { size } = await stat(path)
  process.stdout.write(`${path}: ${Math.round(size / 1_024)} KiB\n`)
}

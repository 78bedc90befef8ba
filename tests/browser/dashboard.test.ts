import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, type PoolStats } from '@poolhouse/core'
import { createDashboard } from '@poolhouse/dashboard'
import { nodePostgres } from '@poolhouse/node-postgres'
import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.js'
import { launchChromium } from './chromium.js'
import { type FollowedCluster, listen, startFollowedCluster } from './followed-cluster.js'
import { type OpenedPage, openPage } from './opened-page.js'

let browser: Browser
let followed: FollowedCluster

beforeAll(async () => {
  ;[browser, followed] = await Promise.all([launchChromium(), startFollowedCluster()])
  const load = followed.load()
  await until(() => followed.db.stats().counters.acquired > 200)
  await load.stop()
})

afterAll(async () => {
  await browser?.close()
  await followed?.[Symbol.asyncDispose]()
})

/** What the page shows of a pool, by the names of `stats()`. */
async function numbersOf({ text }: OpenedPage, pool: string): Promise<Record<string, number>> {
  const names = ['used', 'idle', 'waiting', 'max', 'acquired', 'created', 'timeouts', 'errors']
  const values = await Promise.all(
    names.map((name) => text(`.pool[data-pool="${pool}"] [data-value="${name}"]`)),
  )
  return Object.fromEntries(
    names.map((name, at) => [name, Number(values[at]?.replaceAll(',', ''))]),
  )
}

function expected({ leased, idle, pending, max, counters }: PoolStats): Record<string, number> {
  const { acquired, created, timeouts, errors } = counters
  return { used: leased, idle, waiting: pending, max, acquired, created, timeouts, errors }
}

test('the numbers on the page are those of stats(), of the pool, its nodes and its routes', async () => {
  const { db, primary, address } = followed
  await using opened = await openPage(browser, address)
  await until(async () => {
    const [page, stats] = [await numbersOf(opened, 'app'), expected(db.stats())]
    return JSON.stringify(page) === JSON.stringify(stats)
  }, 'the numbers of the pool')
  for (const { id, state, pool } of primary.topology.current.nodes) {
    const node = `.node[data-node="${id}"]`
    expect(await opened.text(`${node} [data-value="state"]`)).toBe(state)
    expect(await opened.text(`${node} [data-value="used"]`)).toBe(String(pool.stats().leased))
    expect(await opened.text(`${node} [data-value="idle"]`)).toBe(String(pool.stats().idle))
  }
  const { write, replica } = db.stats().routing ?? {}
  for (const [reason, count] of Object.entries({ write, replica })) {
    const text = await opened.text(`[data-route="${reason}"]`)
    expect(Number(text?.replaceAll(',', ''))).toBe(count)
  }
  expect(await opened.text('[data-value="timeline"]')).toBe('1')
  expect(opened.faults).toEqual([])
})

test('leases that are out show as used, callers that wait as waiting, and their holders by text', async () => {
  const { url } = followed.cluster.primary
  await using pool = createPool({ driver: nodePostgres(), connection: url, name: 'small', max: 2 })
  const server = createServer(createDashboard(pool))
  try {
    const leases = [await pool.acquire(), await pool.acquire()]
    await leases[0]!.query("select 'a secret' as held, $1::int as value", [4_711])
    const waiting = [pool.query('select 1'), pool.query('select 2'), pool.query('select 3')]
    await using opened = await openPage(browser, await listen(server))
    expect(await numbersOf(opened, 'small')).toMatchObject(expected(pool.stats()))
    expect(pool.stats()).toMatchObject({ leased: 2, pending: 3 })
    const holders = await opened.text('section[aria-labelledby="holders"]')
    expect(holders).toContain('small, process')
    expect(holders).not.toContain('4711')
    for (const lease of leases) lease.release()
    await Promise.all(waiting)
    await opened.untilText('.pool[data-pool="small"] [data-value="used"]', '0')
    expect(opened.faults).toEqual([])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

describe('however it is looked at', () => {
  test.each([
    { width: 1_280, scheme: 'light' },
    { width: 1_280, scheme: 'dark' },
    { width: 400, scheme: 'light' },
    { width: 320, scheme: 'dark' },
  ] as const)(
    '$width pixels, $scheme: nothing to scroll sideways, and no barrier that axe-core finds',
    async (options) => {
      await using opened = await openPage(browser, followed.address, options)
      expect(await opened.overflow()).toBe(0)
      expect(await opened.barriers()).toEqual([])
      expect(opened.faults).toEqual([])
    },
  )

  test('the keyboard reaches every control, and the page stands still while it is paused', async () => {
    await using opened = await openPage(browser, followed.address)
    const { page } = opened
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent.trim()')).toBe('Pause')
    await page.keyboard.press('Enter')
    expect(await page.evaluate("document.activeElement.getAttribute('aria-pressed')")).toBe('true')
    const before = await numbersOf(opened, 'app')
    await followed.db.query('select 1')
    await sleep(1_200)
    expect(await numbersOf(opened, 'app')).toEqual(before)
    await page.keyboard.press('Enter')
    const { acquired } = followed.db.stats().counters
    await opened.untilText('.pool [data-value="acquired"]', acquired.toLocaleString('en'))
  })

  test('nothing moves for those who want no motion', async () => {
    await using opened = await openPage(browser, followed.address)
    const motion = "getComputedStyle(document.querySelector('.dot')).animationName"
    expect(await opened.page.evaluate(motion)).toBe('breathe')
    await opened.page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }])
    expect(await opened.page.evaluate(motion)).toBe('none')
  })
})

test('asks nothing of any other place, and goes on when the server is there again', async () => {
  const dashboard = createDashboard(followed.db)
  const first = createServer(dashboard)
  const address = await listen(first)
  await using opened = await openPage(browser, address)
  await opened.untilText('.connection', 'live')
  first.closeAllConnections()
  first.close()
  await opened.untilText('.connection', 'not connected')
  const second = createServer(dashboard)
  await listen(second, Number(new URL(address).port))
  await opened.untilText('.connection', 'live')
  expect(opened.asked.filter((url) => !url.startsWith(address) && !/^data:/.test(url))).toEqual([])
  dashboard.close()
  second.closeAllConnections()
  second.close()
})

test('a token in the address opens the page once and for all, and is gone from the address', async () => {
  const dashboard = createDashboard(followed.db, { token: 'open sesame' })
  const server = createServer(dashboard)
  const address = await listen(server)
  await using opened = await openPage(browser, `${address}?token=open+sesame`)
  await opened.untilText('.connection', 'live')
  expect(opened.page.url()).toBe(address)
  await opened.page.reload()
  await opened.untilText('.connection', 'live')
  expect(await opened.page.evaluate('document.cookie')).toBe('')
  expect(opened.faults).toEqual([])
  dashboard.close()
  server.closeAllConnections()
  server.close()
})

test('a failover is seen as it happens: the loss, the hold, and within a second the new primary', async () => {
  const { cluster, address } = followed
  await using opened = await openPage(browser, address)
  const load = followed.load()
  const [old] = cluster.nodes
  const [headless, led] = ['.topology.headless', '.topology:not(.headless)']

  await old!.kill()
  await opened.page.waitForSelector(headless)
  expect(await opened.text(`.node[data-node="${old!.name}"] [data-value="state"]`)).toBe(
    'unreachable',
  )
  expect(await opened.text('[data-value="verdict"]')).toBe(
    'no primary: calls that may write are held',
  )
  await until(async () => Number(await opened.text('.pool [data-value="waiting"]')) > 10)
  expect(await opened.overflow()).toBe(0)
  expect(await opened.barriers()).toEqual([])

  // The page notes the time itself: to ask it would take time that is not its own.
  const shown = opened.page.evaluate(`new Promise((resolve) => {
    new MutationObserver((_changes, observer) => {
      if (document.querySelector('${led}') === null) return
      observer.disconnect()
      resolve(Date.now())
    }).observe(document.body, { attributes: true, subtree: true })
  })`) as Promise<number>
  const { name, promotedAt = Number.NaN } = await cluster.failover()
  expect((await shown) - performance.timeOrigin - promotedAt).toBeLessThan(1_000)
  expect(await opened.text(`.node[data-node="${name}"] [data-value="state"]`)).toBe('primary')
  await opened.untilText('[data-value="timeline"]', '2')

  await load.stop()
  const told = await opened.text('.events')
  expect(told).toContain('timeline 1 → 2')
  expect(told).toContain('calls are held')
  expect(told).toMatch(/\d+ held calls? sent/)
  const lane = `.lane[aria-label^="${old!.name}: "]`
  expect(await opened.page.$eval(lane, (svg) => svg.getAttribute('aria-label'))).toMatch(
    /primary from .*, unreachable from /,
  )
  expect(opened.faults).toEqual([])

  // A page that is opened only now has seen nothing, and shows it all the same.
  await using later = await openPage(browser, address, { width: 400 })
  expect(await later.text('.events')).toContain('timeline 1 → 2')
  expect(await later.overflow()).toBe(0)
})

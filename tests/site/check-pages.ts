import { readdir } from 'node:fs/promises'
import type { Page } from 'puppeteer-core'
import { launchChromium } from '../browser/chromium.js'
import { type Look, lookAt } from './look-at-page.js'
import { serveSite } from './serve-site.js'

const WIDTHS = [1_280, 400] as const
const PAGES_AT_ONCE = 2

/**
 * Serves a built site below `base` and looks at each of its pages in Chromium, at the width of a
 * screen and of a phone. Returns how many there are, and what is wrong with them.
 */
export async function checkPages(
  folder: string,
  base: string,
): Promise<{ readonly pages: number; readonly faults: readonly string[] }> {
  await using site = await serveSite(folder, base)
  await using browser = await launchChromium()
  const home = `${site.origin}${base}`
  const paths = (await readdir(folder, { recursive: true }))
    .filter((file) => file.endsWith('.html') && file !== '404.html')
    .sort()
  const looks = new Map<string, Look>()
  const faults: string[] = []
  const left = paths.flatMap((path) => WIDTHS.map((width) => ({ path, width })))
  await Promise.all(
    Array.from({ length: PAGES_AT_ONCE }, async () => {
      const page = await browser.newPage()
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { path, width } = next
        const look = await lookAt(page, `${home}${path}`, width)
        looks.set(path, look)
        faults.push(...look.faults.map((fault) => `${path} at ${width}: ${fault}`))
      }
    }),
  )
  faults.push(...deadLinks(looks, home), ...(await searchFaults(await browser.newPage(), home)))
  return { pages: paths.length, faults }
}

/** Links within the site that lead to no page, or to no place of that page. */
function deadLinks(looks: ReadonlyMap<string, Look>, home: string): string[] {
  const dead = new Set<string>()
  for (const [path, { links }] of looks) {
    for (const link of links) {
      const url = new URL(link)
      if (url.origin !== new URL(home).origin) continue
      const anchor = decodeURIComponent(url.hash.slice(1))
      url.hash = ''
      if (url.pathname.endsWith('/')) url.pathname += 'index.html'
      const look = url.href.startsWith(home) ? looks.get(url.href.slice(home.length)) : undefined
      if (look === undefined || (anchor !== '' && !look.anchors.includes(anchor))) {
        dead.add(`${path}: dead link ${link}`)
      }
    }
  }
  return [...dead]
}

/** Whether the search finds a page, and leads to it below the base. */
async function searchFaults(page: Page, home: string): Promise<string[]> {
  await page.goto(home, { waitUntil: 'load' })
  await page.waitForSelector('.VPNavBarSearch button')
  await page.click('.VPNavBarSearch button')
  await page.waitForSelector('.VPLocalSearchBox input')
  await page.type('.VPLocalSearchBox input', 'POOLHOUSE_NO_PRIMARY')
  await page.waitForSelector('.VPLocalSearchBox .result')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.vp-doc h1')
  const found = page.url()
  const isPage = found.startsWith(home) && (await page.$('.NotFound')) === null
  return isPage ? [] : [`the search leads to ${found}`]
}

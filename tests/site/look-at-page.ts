import type { Page } from 'puppeteer-core'

/** What a page of the site says about itself. */
export interface Look {
  /** What is wrong with it: errors, failed requests, sideways scrolling, headings. */
  readonly faults: readonly string[]
  /** Targets of its links, as whole addresses. */
  readonly links: readonly string[]
  /** What its links may lead to. */
  readonly anchors: readonly string[]
}

// A program of the page is a text here: the tests know no types of a browser.
const LOOK = `(() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth
  const widest = () => [...document.querySelectorAll('.vp-doc *, .VPHome *')]
    .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter((e) => !e.closest('table, pre, .vp-code-group, [class*=language-]'))
    .slice(0, 3)
    .map((e) => e.tagName + ' "' + e.textContent.trim().slice(0, 40) + '"')
  return {
    wide,
    widest: wide > 0 ? widest() : [],
    titles: document.querySelectorAll('h1').length,
    broken: [...document.images].filter((i) => !(i.complete && i.naturalWidth > 0)).map((i) => i.src),
    links: [...document.querySelectorAll('.vp-doc a[href], .VPHome a[href], .VPSidebar a[href], .VPNav a[href], .VPDocFooter a[href]')].map((a) => a.href),
    anchors: [...document.querySelectorAll('[id]')].map((e) => e.id),
  }
})()`

interface Seen {
  readonly wide: number
  readonly widest: readonly string[]
  readonly titles: number
  readonly broken: readonly string[]
  readonly links: readonly string[]
  readonly anchors: readonly string[]
}

/** Opens an address in the page, in a window of this width, and looks at it. */
export async function lookAt(page: Page, address: string, width: number): Promise<Look> {
  const faults: string[] = []
  const heard = new AbortController()
  const on = (event: 'console' | 'pageerror' | 'requestfailed' | 'response', listener: unknown) => {
    page.on(event as never, listener as never)
    heard.signal.addEventListener('abort', () => page.off(event as never, listener as never))
  }
  on('console', (message: { type(): string; text(): string }) => {
    if (['error', 'warn'].includes(message.type())) faults.push(message.text())
  })
  on('pageerror', (error: unknown) => faults.push(String(error)))
  on('requestfailed', (request: { url(): string }) => faults.push(`${request.url()} failed`))
  on('response', (response: { url(): string; status(): number }) => {
    if (response.status() >= 400) faults.push(`${response.url()}: ${response.status()}`)
  })
  try {
    await page.setViewport({ width, height: 900 })
    await page.goto(address, { waitUntil: 'load' })
    // A page in the background draws no frames, and by default a condition is looked at with each.
    await page.waitForFunction("document.querySelector('#app').__vue_app__ !== undefined", {
      polling: 20,
    })
    const seen = (await page.evaluate(LOOK)) as Seen
    if (seen.titles !== 1) faults.push(`${seen.titles} headings of the first level`)
    if (seen.wide > 0)
      faults.push(`${seen.wide} pixels wider than its window: ${seen.widest.join(', ')}`)
    for (const image of seen.broken) faults.push(`${image} does not show`)
    return { faults, links: seen.links, anchors: seen.anchors }
  } finally {
    heard.abort()
  }
}

import type { AxeResults } from 'axe-core'
import axe from 'axe-core'
import type { Browser, Page } from 'puppeteer-core'

/** A page, and everything that it should not do. */
export interface OpenedPage extends AsyncDisposable {
  readonly page: Page
  /** Errors, warnings of the browser (such as a policy that was broken), failed requests. */
  readonly faults: readonly string[]
  /** Addresses that it asked for, without their query. */
  readonly asked: readonly string[]
  /** The text of the first element that matches; undefined if none does. */
  text(selector: string): Promise<string | undefined>
  /** Resolves when an element matches and has this text; rejects after 15 s. */
  untilText(selector: string, text: string): Promise<void>
  /** How many pixels the content is wider than the window. */
  overflow(): Promise<number>
  /** What axe-core calls serious or critical, as `rule: element`. */
  barriers(): Promise<string[]>
}

/** How a page is opened. */
export interface OpenOptions {
  readonly width?: number
  readonly scheme?: 'light' | 'dark'
}

/** Opens the dashboard and waits for its first numbers. */
export async function openPage(
  browser: Browser,
  address: string,
  { width = 1_280, scheme = 'light' }: OpenOptions = {},
): Promise<OpenedPage> {
  const page = await browser.newPage()
  const faults: string[] = []
  const asked: string[] = []
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('requestfailed', (request) => faults.push(`${request.url()} failed`))
  page.on('request', (request) => asked.push(request.url().replace(/\?.*/, '')))
  await page.setViewport({ width, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  await page.goto(address, { waitUntil: 'domcontentloaded' })
  await page.waitForSelector('.pool')
  return {
    page,
    faults,
    asked,
    text: async (selector) => (await page.evaluate(textOf(selector))) as string | undefined,
    async untilText(selector, text) {
      const isThere = `${textOf(selector)} === ${JSON.stringify(text)}`
      await page.waitForFunction(isThere, { timeout: 15_000, polling: 'mutation' })
    },
    overflow: async () =>
      (await page.evaluate('document.documentElement.scrollWidth - innerWidth')) as number,
    async barriers() {
      await page.evaluate(axe.source)
      const { violations } = (await page.evaluate('axe.run()')) as AxeResults
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
    },
    [Symbol.asyncDispose]: () => page.close(),
  }
}

/** Programs of the page are texts here: the tests know no types of a browser. */
function textOf(selector: string): string {
  return `document.querySelector(${JSON.stringify(selector)})?.textContent.trim()`
}

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import puppeteer, { type Browser } from 'puppeteer-core'

/** Starts Chromium without a window. Closing it removes its profile and ends all its processes. */
export async function launchChromium(): Promise<Browser & AsyncDisposable> {
  const isRoot = process.getuid?.() === 0
  const browser = await puppeteer.launch({
    executablePath: findChromium(),
    // As root Chromium refuses to start with its sandbox; the tests show it our own page alone.
    args: ['--disable-gpu', '--force-color-profile=srgb', ...(isRoot ? ['--no-sandbox'] : [])],
  })
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() })
}

/** The Chromium that POOLHOUSE_CHROMIUM names, else `chromium` in PATH. Throws without either. */
function findChromium(): string {
  const { POOLHOUSE_CHROMIUM: named, PATH = '' } = process.env
  const places =
    named === undefined ? PATH.split(delimiter).map((dir) => join(dir, 'chromium')) : [named]
  const found = places.find(isExecutable)
  if (found !== undefined) return found
  throw new Error(
    named === undefined
      ? 'the browser tests need Chromium: no "chromium" is in PATH. Install it (Debian: apt-get install chromium fonts-dejavu-core), or set POOLHOUSE_CHROMIUM to the path of a Chromium or Chrome'
      : `the browser tests need Chromium: POOLHOUSE_CHROMIUM names "${named}", which cannot be executed`,
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

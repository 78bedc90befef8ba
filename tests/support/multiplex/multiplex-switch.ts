/** The file of core that says what `multiplex` is in a pool that does not give it. */
export const DEFAULT_FILE = '/packages/core/src/options/multiplex-options.ts'

// As TypeScript, and as tsx makes it.
const DEFAULT = /\b(MULTIPLEX_DEFAULT(?::[^=]+)?\s*=\s*)(?:false|!1|'auto'|"auto")/g
const SOURCE = { on: "'auto'", off: 'false' } as const

/**
 * Which default the pools of this run have: the environment variable POOLHOUSE_TEST_MULTIPLEX, `on`
 * for `auto` and `off` for `false`. Undefined leaves that of core. Throws `TypeError` for any other
 * text.
 */
export function readMultiplexSwitch(
  text: string | undefined = process.env['POOLHOUSE_TEST_MULTIPLEX'],
): keyof typeof SOURCE | undefined {
  if (text === undefined || text === '') return undefined
  if (text === 'on' || text === 'off') return text
  throw new TypeError(`POOLHOUSE_TEST_MULTIPLEX must be on or off, got ${JSON.stringify(text)}`)
}

/** The text of that file with another default. Throws if it does not hold exactly one. */
export function switchDefault(code: string, to: keyof typeof SOURCE): string {
  const found = code.match(DEFAULT)?.length ?? 0
  if (found !== 1) {
    throw new Error(
      `${DEFAULT_FILE} must hold one MULTIPLEX_DEFAULT to be switched, found ${found}`,
    )
  }
  return code.replace(DEFAULT, (_all, before: string) => `${before}${SOURCE[to]}`)
}

/** A plugin of vite by which every pool of a test's process has the default of this run. */
export function multiplexPlugin(): {
  name: string
  enforce: 'pre'
  transform(code: string, id: string): string | undefined
} {
  const to = readMultiplexSwitch()
  return {
    name: 'multiplex-switch',
    enforce: 'pre',
    transform: (code, id) =>
      to !== undefined && id.endsWith(DEFAULT_FILE) ? switchDefault(code, to) : undefined,
  }
}

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createPool } from '@poolhouse/core'
import { expect, it } from 'vitest'
import { CHILD_FLAGS } from '../support/multiplex/child-flags.js'
import { readMultiplexSwitch, switchDefault } from '../support/multiplex/multiplex-switch.js'

const BY_SWITCH = { on: 'auto', off: false } as const
const SOURCES = new URL('../../packages/core/src/', import.meta.url)

it('POOLHOUSE_TEST_MULTIPLEX is the default multiplex of the pools in the process of a test', async () => {
  const to = readMultiplexSwitch()
  const options: unknown = await import(new URL('options/multiplex-options.ts', SOURCES).href)
  const { MULTIPLEX_DEFAULT } = options as { MULTIPLEX_DEFAULT: unknown }
  const core: unknown = await import(new URL('index.ts', SOURCES).href)
  expect(MULTIPLEX_DEFAULT).toBe(to === undefined ? MULTIPLEX_DEFAULT : BY_SWITCH[to])
  // Every package makes its pools by this one.
  expect(createPool).toBe((core as { createPool: unknown }).createPool)
})

it.each(['on', 'off'] as const)('%s holds in a process that a test starts', async (to) => {
  const file = new URL('../../packages/core/src/options/multiplex-options.ts', import.meta.url)
  const program = `
    import { MULTIPLEX_DEFAULT } from ${JSON.stringify(file.href)}
    process.stdout.write(JSON.stringify(MULTIPLEX_DEFAULT))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...CHILD_FLAGS, '--input-type=module', '--eval', program],
    {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      env: { ...process.env, POOLHOUSE_TEST_MULTIPLEX: to },
    },
  )
  expect(JSON.parse(stdout)).toBe(BY_SWITCH[to])
})

it('another word is refused, and so is a file in which there is nothing to switch', () => {
  expect(readMultiplexSwitch('on')).toBe('on')
  expect(readMultiplexSwitch('')).toBeUndefined()
  expect(() => readMultiplexSwitch('auto')).toThrow(
    'POOLHOUSE_TEST_MULTIPLEX must be on or off, got "auto"',
  )
  const source = "export const MULTIPLEX_DEFAULT: 'auto' | false = 'auto'\nuse(MULTIPLEX_DEFAULT)"
  expect(switchDefault(source, 'off')).toBe(source.replace("= 'auto'", '= false'))
  expect(switchDefault('const MULTIPLEX_DEFAULT=!1;use()', 'on')).toContain("DEFAULT='auto';use()")
  expect(() => switchDefault('export const OTHER = false', 'on')).toThrow('found 0')
})

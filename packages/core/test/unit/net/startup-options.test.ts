import { describe, expect, it } from 'vitest'
import { startupOptions } from '../../../src/net/startup-options.js'

describe('startupOptions', () => {
  it('escapes white space and backslashes as the command line of the server takes them', () => {
    expect(startupOptions({ search_path: 'a, "b c"', note: 'x\\y\tz' })).toBe(
      '-c search_path=a,\\ "b\\ c" -c note=x\\\\y\\\tz',
    )
  })

  it('leaves out application_name, which has a place of its own, and is undefined when nothing is left', () => {
    expect(startupOptions({ application_name: 'a' })).toBeUndefined()
    expect(startupOptions({})).toBeUndefined()
  })
})

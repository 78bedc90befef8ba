import { describe, expect, it } from 'vitest'
import { startupOptions } from '../../../../src/net/frames/startup-options.js'

const write = (parameters: Record<string, string>, routing?: string): string | undefined =>
  startupOptions({ parameters, routing })

describe('startupOptions', () => {
  it('escapes white space and backslashes as the command line of the server takes them', () => {
    expect(write({ search_path: 'a, "b c"', note: 'x\\y\tz' })).toBe(
      '-c search_path=a,\\ "b\\ c" -c note=x\\\\y\\\tz',
    )
  })

  it('leaves out application_name, which has a place of its own, and is undefined when nothing is left', () => {
    expect(write({ application_name: 'a' })).toBeUndefined()
    expect(write({})).toBeUndefined()
  })

  it('T34: puts the words for a vendor\u2019s proxy first, as they stand', () => {
    expect(write({}, 'endpoint=ep-1')).toBe('endpoint=ep-1')
    expect(write({ a: 'b' }, 'reference=x project=y')).toBe('reference=x project=y -c a=b')
  })
})

import { describe, expect, it } from 'vitest'
import { SentSeries } from '../../../../src/net/frames/sent-series.js'

// Messages without a body.
function messages(kinds: string): Buffer {
  return Buffer.concat([...kinds].map((kind) => Buffer.from([kind.charCodeAt(0), 0, 0, 0, 4])))
}

function quietAfter(...steps: (string | 'Z')[]): boolean {
  const series = new SentSeries()
  for (const step of steps) {
    if (step === 'Z') series.answered()
    else series.sent(messages(step))
  }
  return series.quiet
}

describe('SentSeries', () => {
  it('is quiet until messages are sent, and after all were answered', () => {
    expect(quietAfter()).toBe(true)
    expect(quietAfter('Q')).toBe(false)
    expect(quietAfter('Q', 'Z')).toBe(true)
    expect(quietAfter('PDBES', 'Z')).toBe(true)
    expect(quietAfter('QQ', 'Z')).toBe(false)
    expect(quietAfter('QPBES', 'Z', 'Z')).toBe(true)
  })

  it('is not quiet while a series waits for its Sync', () => {
    expect(quietAfter('PDH')).toBe(false)
    expect(quietAfter('Q', 'PDH', 'Z')).toBe(false)
    expect(quietAfter('PDH', 'BES', 'Z')).toBe(true)
  })

  it('counts the data of a COPY as part of its query', () => {
    expect(quietAfter('Q', 'ddc', 'Z')).toBe(true)
    expect(quietAfter('Q', 'f', 'Z')).toBe(true)
    expect(quietAfter('Q', 'd')).toBe(false)
  })

  it('stays quiet after an unrequested ReadyForQuery', () => {
    expect(quietAfter('Z')).toBe(true)
    expect(quietAfter('Z', 'Q')).toBe(false)
  })
})

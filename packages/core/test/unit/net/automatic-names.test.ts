import { describe, expect, it } from 'vitest'
import { AutomaticNames } from '../../../src/net/automatic-names.js'

const names = (after: number, max: number): { names: AutomaticNames; dropped: string[] } => {
  const dropped: string[] = []
  return { names: new AutomaticNames({ after, max }, (name) => dropped.push(name)), dropped }
}

describe('automatic names', () => {
  it('names a text at the use that is asked for, and keeps the name', () => {
    const { names: automatic } = names(3, 10)
    expect(automatic.nameOf('select $1')).toBe('')
    expect(automatic.nameOf('select $1')).toBe('')
    expect(automatic.nameOf('select $1')).toBe('poolhouse_1')
    expect(automatic.nameOf('select $1')).toBe('poolhouse_1')
    expect(automatic.nameOf('select $2')).toBe('')
  })

  it('drops what has not been used for longest, never more than is allowed', () => {
    const { names: automatic, dropped } = names(1, 4)
    const hot = automatic.nameOf('hot')
    for (let index = 0; index < 20; index++) {
      automatic.nameOf(`text ${index}`)
      expect(automatic.nameOf('hot')).toBe(hot)
    }
    expect(dropped).not.toContain(hot)
    expect(new Set(dropped).size).toBe(dropped.length)
    // 21 names were given; at most four may be alive.
    expect(21 - dropped.length).toBeLessThanOrEqual(4)
  })

  it('gives a dropped text another name when it comes back', () => {
    const { names: automatic, dropped } = names(1, 2)
    const first = automatic.nameOf('a')
    automatic.nameOf('b')
    automatic.nameOf('c')
    expect(dropped).toEqual([first])
    expect(automatic.nameOf('a')).not.toBe(first)
  })

  it('never names a very long text', () => {
    const { names: automatic } = names(1, 2)
    expect(automatic.nameOf('x'.repeat(20_000))).toBe('')
  })
})

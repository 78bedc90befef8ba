import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AutomaticNames } from '../../../../src/net/statements/automatic-names.js'
import { automaticName } from '../../../../src/net/statements/statement-facts.js'

const names = (after: number, max: number) => {
  const dropped: string[] = []
  const automatic = new AutomaticNames({ after, max }, ({ name }) => dropped.push(name))
  return { use: (text: string) => automatic.use(text)?.name, dropped }
}
const text = (index: number): string => `select $1 + ${index}`

describe('automatic names', () => {
  it('are given to a text at the configured use, and kept', () => {
    const { use } = names(3, 10)
    expect(use('select $1')).toBeUndefined()
    expect(use('select $1')).toBeUndefined()
    expect(use('select $1')).toBe(automaticName('select $1'))
    expect(use('select $1')).toBe(automaticName('select $1'))
    expect(use('select $2')).toBeUndefined()
  })

  it('drop the least recently used, and never exceed the maximum', () => {
    const { use, dropped } = names(1, 4)
    const hot = use('select $1')
    for (let index = 0; index < 20; index++) {
      use(text(index))
      expect(use('select $1')).toBe(hot)
    }
    expect(dropped).not.toContain(hot)
    expect(new Set(dropped).size).toBe(dropped.length)
    // 21 names were given; at most four may be alive.
    expect(21 - dropped.length).toBeLessThanOrEqual(4)
  })

  it('are given only to statements with fixed columns, never to a very long text or one that changes settings', () => {
    const { use } = names(1, 10)
    expect(use('call p($1)')).toBeUndefined()
    expect(use(`select set_config('search_path', $1, true)`)).toBeUndefined()
    expect(use(`select $1 /* ${'x'.repeat(20_000)} */`)).toBeUndefined()
    expect(use('insert into t values ($1)')).toBeDefined()
    expect(use('with a as (select $1) select * from a')).toBeDefined()
  })
})

describe('the name of a text', () => {
  it('T01: is never that of another text', () => {
    const seen = new Map<string, string>()
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (any) => {
        const name = automaticName(any)
        expect(name).toMatch(/^poolhouse_[\w-]{22}$/)
        expect(seen.get(name) ?? any).toBe(any)
        seen.set(name, any)
      }),
      { numRuns: 2_000 },
    )
    for (const [one, other] of [
      ['select 1', 'select 1 '],
      ['select $1', 'SELECT $1'],
      ['select é', 'select e\u0301'],
    ] as const) {
      expect(automaticName(one)).not.toBe(automaticName(other))
    }
  })

  it('is the same in every session and process', () => {
    expect(automaticName('select $1::int as n')).toBe(automaticName('select $1::int as n'))
  })
})

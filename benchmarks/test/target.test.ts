import { describe, expect, test } from 'vitest'
import type { Medians } from '../src/interleave.js'
import { atBase, type Target, verdictOf } from '../src/target.js'

function medians(values: Readonly<Record<string, number>>): Medians {
  return new Map(
    Object.entries(values).map(([variant, value]) => [variant, new Map([['rows/s', value]])]),
  )
}

const target: Target = { task: 'rows', metric: 'rows/s', peer: 'pg.Pool', atLeast: 1.7 }

describe('verdictOf', () => {
  test('divides ours by the peer', () => {
    const verdict = verdictOf(target, medians({ poolhouse: 340, 'pg.Pool': 200 }))
    expect(verdict).toMatchObject({ value: 1.7, met: true })
  })

  test('is content with a share of the limit where that is less', () => {
    const limited: Target = { ...target, orShareOf: [0.8, 'limit'] }
    const numbers = { poolhouse: 250, 'pg.Pool': 200 }
    expect(verdictOf(limited, medians({ ...numbers, limit: 250 }))).toMatchObject({
      atLeast: 1,
      met: true,
    })
    expect(verdictOf(limited, medians({ ...numbers, limit: 900 }))).toMatchObject({
      atLeast: 1.7,
      met: false,
    })
  })

  test('compares with the base, and says nothing without one', () => {
    const { peer: _, ...own } = target
    const against: Target = { ...own, withBase: true, atLeast: 1 }
    const numbers = medians({ poolhouse: 90, [atBase('poolhouse', 'abc1234')]: 100 })
    expect(verdictOf(against, numbers, 'abc1234')).toMatchObject({ value: 0.9, met: false })
    expect(verdictOf(against, numbers).value).toBeNaN()
  })

  test('is not met where the peer was not measured', () => {
    expect(verdictOf(target, medians({ poolhouse: 340 }))).toMatchObject({
      value: Number.NaN,
      met: false,
    })
  })
})

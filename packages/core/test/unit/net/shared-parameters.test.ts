import { describe, expect, it } from 'vitest'
import { sharedParameters } from '../../../src/net/shared-parameters.js'

describe('the parameters of a session', () => {
  it('are one map for sessions that begin alike', () => {
    const first = sharedParameters(new Map([['server_version', 'alike']]))
    const second = sharedParameters(new Map([['server_version', 'alike']]))
    expect(second).toBe(first)
  })

  it('are a map of their own when a value differs, one is missing or one is more', () => {
    const given = [
      [['a', '1']],
      [['a', '2']],
      [['b', '1']],
      [
        ['a', '1'],
        ['b', '1'],
      ],
    ].map((entries) => new Map(entries as [string, string][]))
    const shared = given.map(sharedParameters)
    expect(new Set(shared).size).toBe(given.length)
    expect(shared).toEqual(given)
  })

  it('are not remembered for ever', () => {
    const first = new Map([['kept', 'no']])
    sharedParameters(first)
    for (let index = 0; index < 100; index++) sharedParameters(new Map([['kept', `${index}`]]))
    expect(sharedParameters(new Map(first))).not.toBe(first)
  })
})

import { describe, expect, it } from 'vitest'
import { sharedParameters } from '../../../../src/net/frames/shared-parameters.js'
import { parameter } from '../scripted-server.js'

const frames = (...entries: readonly [string, string][]): Buffer =>
  Buffer.concat(entries.map(([name, value]) => parameter(name, value)))

describe('the parameters of a session', () => {
  it('are one map for sessions that begin with the same values', () => {
    const first = sharedParameters(frames(['server_version', 'alike'], ['a', '']))
    expect(first).toEqual(new Map(Object.entries({ server_version: 'alike', a: '' })))
    expect(sharedParameters(frames(['server_version', 'alike'], ['a', '']))).toBe(first)
  })

  it('are a map of their own when a value differs, is missing or is added', () => {
    const given: [string, string][][] = [
      [['a', '1']],
      [['a', '2']],
      [['b', '1']],
      [
        ['a', '1'],
        ['b', '1'],
      ],
      [],
    ]
    const shared = given.map((entries) => sharedParameters(frames(...entries)))
    expect(new Set(shared).size).toBe(given.length)
    expect(shared).toEqual(given.map((entries) => new Map(entries)))
  })

  it('keep nothing of the buffer that they came in, and are forgotten after a hundred others', () => {
    const chunk = frames(['kept', 'no'])
    const first = sharedParameters(chunk)
    chunk.fill(0)
    expect(sharedParameters(frames(['kept', 'no']))).toBe(first)
    for (let index = 0; index < 100; index++) sharedParameters(frames(['kept', `${index}`]))
    expect(sharedParameters(frames(['kept', 'no']))).not.toBe(first)
  })
})

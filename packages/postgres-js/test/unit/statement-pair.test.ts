import type { QueryResult, Statement } from '@poolhouse/core'
import { expect, test, vi } from 'vitest'
import type { WorkHost } from '../../src/session-work.js'
import { StatementPair } from '../../src/statement-pair.js'

const statement = (text: string): Statement => ({ text, values: [1] })

test.each([
  ['both are answered', 'settle'],
  ['the session is lost before the second answer', 'lose'],
] as const)(
  'the caller of a pair has his result whatever is thrown where the companion is told, when %s',
  (_, end) => {
    const thrown = new Error('thrown where it is told')
    const later: (() => void)[] = []
    const nextTick = vi.spyOn(process, 'nextTick').mockImplementation((call) => {
      later.push(call as () => void)
    })
    const told: unknown[] = []
    const results: [Error | null, QueryResult<unknown> | undefined][] = []
    const behind = {
      statement: statement('second'),
      answered: (result: unknown): void => {
        told.push(result)
        throw thrown
      },
    }
    try {
      const pair = new StatementPair(
        {} as WorkHost,
        { statement: statement('first'), values: ['1'], behind, behindValues: ['1'] },
        undefined,
        () => {},
        (error, result) => results.push([error, result]),
      )
      pair.first.settle()
      expect(results).toEqual([])
      pair.second[end](new Error('lost'))
    } finally {
      nextTick.mockRestore()
    }
    expect(told).toHaveLength(1)
    expect(told[0] === undefined).toBe(end === 'lose')
    expect(results).toHaveLength(1)
    expect(results[0]).toMatchObject([null, { rows: [] }])
    expect(() => later[0]!()).toThrow(thrown)
  },
)

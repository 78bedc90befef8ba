import { expect, test, vi } from 'vitest'
import { realTimers } from '../../../../src/base/real-timers.js'
import type { QueryResult } from '../../../../src/index.js'
import { PairOutcome } from '../../../../src/net/work/pair-outcome.js'

const RESULT: QueryResult<unknown> = { rows: [1], rowCount: 1, command: 'INSERT', fields: [] }
const POSITION: QueryResult<unknown> = { rows: [2], rowCount: 1, command: 'SELECT', fields: [] }

/** An outcome, and what its caller and its piggyback were told. */
function outcomeOf({ mayRepeat = true, answered = (_: unknown): void => {} } = {}) {
  const told: unknown[] = []
  const ends: [Error | null, unknown][] = []
  let repeats = 0
  const outcome = new PairOutcome({
    piggyback: {
      statement: { text: 'second' },
      answered: (result) => {
        told.push(result)
        answered(result)
      },
    },
    prepared: { mayRepeat },
    again: () => repeats++,
    done: (error, result) => ends.push([error, result]),
  })
  return { outcome, told, ends, repeats: () => repeats }
}

test('settles the caller with the first answer, after the second one', () => {
  const { outcome, told, ends } = outcomeOf()
  outcome.first(null, RESULT)
  expect(ends).toEqual([])
  outcome.second(null, POSITION)
  expect(told).toEqual([POSITION])
  expect(ends).toEqual([[null, RESULT]])
})

test('reports that the piggybacked statement failed while the first one succeeded', () => {
  const { outcome, told, ends } = outcomeOf()
  outcome.first(null, RESULT)
  outcome.second(new Error('lost'))
  expect(told).toEqual([undefined])
  expect(ends).toEqual([[null, RESULT]])
})

test('does not report on the piggyback of a statement that failed', () => {
  const { outcome, told, ends } = outcomeOf()
  const error = new Error('no')
  outcome.first(error)
  outcome.second(null, POSITION)
  expect(told).toEqual([])
  expect(ends).toEqual([[error, undefined]])
})

test('does not settle the caller if the statement is repeated', () => {
  const { outcome, told, ends, repeats } = outcomeOf()
  outcome.wantsRepeat = true
  outcome.second(null, POSITION)
  expect([told, ends, repeats()]).toEqual([[], [], 1])
})

test('does not repeat a statement whose cancellation was asked for', () => {
  const { outcome, ends, repeats } = outcomeOf({ mayRepeat: false })
  const error = new Error('stale')
  outcome.wantsRepeat = true
  outcome.first(error)
  outcome.second(null, POSITION)
  expect([ends, repeats()]).toEqual([[[error, undefined]], 0])
})

test('settles the caller whatever `answered` throws', () => {
  const thrown = new Error('thrown where it is told')
  const later: (() => void)[] = []
  const nextTick = vi.spyOn(realTimers, 'nextTick').mockImplementation((call) => {
    later.push(call as () => void)
  })
  const { outcome, ends } = outcomeOf({
    answered: () => {
      throw thrown
    },
  })
  try {
    outcome.first(null, RESULT)
    outcome.second(null, POSITION)
  } finally {
    nextTick.mockRestore()
  }
  expect(ends).toEqual([[null, RESULT]])
  expect(() => later[0]!()).toThrow(thrown)
})

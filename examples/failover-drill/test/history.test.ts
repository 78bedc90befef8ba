import { ConnectionLostError, DatabaseError, InDoubtError, NoPrimaryError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import {
  acknowledged,
  type Call,
  longestGap,
  type Outcome,
  outcomeOf,
  verify,
} from '../src/history.js'

const ACKNOWLEDGED: Outcome = { kind: 'acknowledged', node: 'a' }
const IN_DOUBT: Outcome = { kind: 'in-doubt', error: 'InDoubtError' }
const NOT_EXECUTED: Outcome = { kind: 'failed', error: 'NoPrimaryError', executed: 'no' }
const ROLLED_BACK: Outcome = { kind: 'failed', error: 'DatabaseError', executed: 'rolled-back' }
const DONE: Outcome = { kind: 'failed', error: 'AbortError', executed: 'yes' }

function call(id: string, outcome: Outcome, endedAt = 1): Call {
  return { id, startedAt: 0, endedAt, outcome }
}

function once(...ids: string[]): { id: string; copies: number }[] {
  return ids.map((id) => ({ id, copies: 1 }))
}

describe('verify', () => {
  test('finds nothing wrong when the table has exactly what was acknowledged', () => {
    const verification = verify(
      [call('1', ACKNOWLEDGED), call('2', ACKNOWLEDGED), call('3', NOT_EXECUTED)],
      once('1', '2'),
    )
    expect(verification).toEqual({
      acknowledged: 2,
      missing: [],
      duplicated: [],
      phantom: [],
      wrongClaims: [],
      inDoubt: { happened: 0, notHappened: 0 },
      neverSettled: 0,
      failed: { NoPrimaryError: 1 },
    })
  })

  test('reports an acknowledged write without a row as missing', () => {
    const { acknowledged, missing } = verify(
      [call('1', ACKNOWLEDGED), call('2', ACKNOWLEDGED)],
      once('1'),
    )
    expect({ acknowledged, missing }).toEqual({ acknowledged: 2, missing: ['2'] })
  })

  test('reports an id with several rows as duplicated, whatever its caller was told', () => {
    const calls = [call('1', ACKNOWLEDGED), call('2', IN_DOUBT)]
    const stored = calls.map(({ id }) => ({ id, copies: 2 }))
    expect(verify(calls, stored).duplicated).toEqual(['1', '2'])
  })

  test('reports a row that no call asked for as phantom', () => {
    expect(verify([call('1', ACKNOWLEDGED)], once('1', '2')).phantom).toEqual(['2'])
  })

  test('reports an error that denies a row that is there, or claims one that is not', () => {
    const calls = [
      call('denied', NOT_EXECUTED),
      call('undone', ROLLED_BACK),
      call('truly undone', ROLLED_BACK),
      call('claimed', DONE),
      call('truly done', DONE),
    ]
    const { wrongClaims } = verify(calls, once('denied', 'undone', 'truly done'))
    expect(wrongClaims).toEqual(['denied', 'undone', 'claimed'])
  })

  test('splits calls in doubt by what the table holds, and counts them nowhere else', () => {
    const verification = verify([call('1', IN_DOUBT), call('2', IN_DOUBT)], once('1'))
    expect(verification.inDoubt).toEqual({ happened: 1, notHappened: 1 })
    expect(verification.wrongClaims).toEqual([])
    expect(verification.missing).toEqual([])
    expect(verification.failed).toEqual({})
  })

  test('counts a call without an outcome as never settled, and its row is no phantom', () => {
    const { neverSettled, phantom } = verify([{ id: '1', startedAt: 0 }], once('1'))
    expect({ neverSettled, phantom }).toEqual({ neverSettled: 1, phantom: [] })
  })
})

describe('outcomeOf', () => {
  test('takes what a Poolhouse error says about its work', () => {
    expect(outcomeOf(new NoPrimaryError('none'))).toEqual(NOT_EXECUTED)
    const duplicate = new DatabaseError('no', { code: '23505', severity: 'ERROR' })
    expect(outcomeOf(duplicate)).toEqual({
      kind: 'failed',
      error: 'DatabaseError 23505',
      executed: 'rolled-back',
    })
  })

  test('takes an unknown outcome as in doubt', () => {
    expect(outcomeOf(new InDoubtError('?'))).toEqual(IN_DOUBT)
    expect(outcomeOf(new ConnectionLostError('?', { executed: 'unknown' })).kind).toBe('in-doubt')
  })

  test('takes an error that is not ours, and says nothing, as in doubt', () => {
    expect(outcomeOf(new Error('socket'))).toEqual({ kind: 'in-doubt', error: 'Error' })
    expect(outcomeOf('thrown text')).toEqual({ kind: 'in-doubt', error: 'string' })
  })
})

test('lists acknowledged calls by the time of their answer', () => {
  const calls = [
    call('late', ACKNOWLEDGED, 9),
    call('never', IN_DOUBT, 5),
    call('early', ACKNOWLEDGED, 2),
  ]
  expect(acknowledged(calls).map(({ id }) => id)).toEqual(['early', 'late'])
})

describe('longestGap', () => {
  test('is the longest time between two answers', () => {
    expect(longestGap([10, 20, 90, 95], 0, 100)).toEqual({ from: 20, to: 90, ms: 70 })
  })

  test('reaches to the end of the load when answers never come back', () => {
    expect(longestGap([10, 20], 0, 100)).toEqual({ from: 20, to: 100, ms: 80 })
  })

  test('leaves out answers that came after the end of the load', () => {
    expect(longestGap([10, 400], 0, 100)).toEqual({ from: 10, to: 100, ms: 90 })
  })

  test('is the whole load when nothing was answered', () => {
    expect(longestGap([], 5, 50)).toEqual({ from: 5, to: 50, ms: 45 })
  })
})

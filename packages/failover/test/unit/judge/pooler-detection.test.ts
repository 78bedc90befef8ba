import { expect, test } from 'vitest'
import type { ProbeFacts } from '../../../src/base/observation.js'
import { seenBehind, serverOf } from '../../../src/judge/pooler-detection.js'
import { primary } from '../support/views.js'

function facts(changes: Partial<ProbeFacts>): ProbeFacts {
  const finding = primary(1, changes)
  if (finding.kind !== 'answer') throw new Error('it is an answer')
  return finding.facts
}

const one = facts({ startedAt: '1', address: '10.0.0.1:5432' })
const two = facts({ startedAt: '2', address: '10.0.0.1:5432' })

test('a server is named by its address and its start, and not at all without the latter', () => {
  expect(serverOf(one)).toBe('10.0.0.1:5432, started 1')
  expect(serverOf(facts({ startedAt: '1' }))).toBe('socket, started 1')
  expect(serverOf(facts({ startedAt: undefined, address: '10.0.0.1:5432' }))).toBeUndefined()
})

test('a pooler shows by another process than the one that the session was given', () => {
  expect(seenBehind([], facts({ backendPid: 7, sessionPid: 8 }))).toMatch(/^a pooler: /)
  for (const pids of [
    { backendPid: 7, sessionPid: 7 },
    { backendPid: 7, sessionPid: undefined },
    { backendPid: undefined, sessionPid: 7 },
  ]) {
    expect(seenBehind([], facts(pids))).toBeUndefined()
  }
})

test('a proxy shows by a server that answers again after another one', () => {
  const [first, second] = [serverOf(one)!, serverOf(two)!]
  expect(seenBehind([first, second], one)).toBe('a proxy: several servers answer in turn')
  expect(seenBehind([first, second], two)).toBeUndefined()
  expect(seenBehind([first], one)).toBeUndefined()
  expect(seenBehind([first], two)).toBeUndefined()
})

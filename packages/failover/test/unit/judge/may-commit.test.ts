import { expect, test } from 'vitest'
import type { Finding } from '../../../src/base/observation.js'
import { judge } from '../../../src/judge/judgement.js'
import { mayCommit } from '../../../src/judge/may-commit.js'
import {
  busy,
  denied,
  failed,
  primary,
  refused,
  replica,
  see,
  starting,
  viewOf,
} from '../support/views.js'

const may = (view: ReturnType<typeof viewOf>): boolean => mayCommit(view, judge(view))

/** Node a is as found, the others are replicas. */
const withNode = (...findings: readonly Finding[]): boolean => {
  let view = viewOf([
    ['a', findings[0]!],
    ['b', replica()],
    ['c', replica()],
  ])
  for (const finding of findings.slice(1)) view = see(view, [['a', finding]])
  return may(view)
}

test('no server takes writes once each is a replica or certainly gone', () => {
  expect(withNode(replica())).toBe(false)
  expect(withNode(refused)).toBe(false)
  expect(withNode(primary(), refused, refused)).toBe(false)
})

test('a server may take writes while there is a primary, and while it is silent or starting up', () => {
  expect(withNode(primary())).toBe(true)
  expect(withNode(failed)).toBe(true)
  expect(withNode(primary(), failed, failed, failed)).toBe(true)
  expect(withNode(starting)).toBe(true)
  expect(withNode(denied)).toBe(true)
  expect(withNode(busy)).toBe(true)
})

test('a replica may have been promoted since it answered last', () => {
  expect(withNode(replica(), failed)).toBe(true)
  expect(withNode(replica(), failed, replica())).toBe(false)
})

test('a server of another cluster or a former history takes no writes of ours', () => {
  expect(withNode(primary(1, { systemId: 'theirs' }))).toBe(false)
  const before = viewOf([
    ['a', primary(1)],
    ['b', replica()],
    ['c', replica()],
  ])
  const promoted = see(before, [['b', primary(2)]])
  expect(may(see(promoted, [['b', refused]]))).toBe(false)
  expect(
    may(
      see(promoted, [
        ['b', failed],
        ['b', failed],
      ]),
    ),
  ).toBe(true)
})

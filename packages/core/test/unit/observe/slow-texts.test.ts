import { expect, test } from 'vitest'
import { SlowTexts } from '../../../src/observe/slow-texts.js'

const shown = (slow: SlowTexts, now: number) =>
  slow.snapshot(now, false).map(({ statement, ms, agoMs }) => [statement, ms, agoMs])

test('T123: keeps the slowest run of each text, the slowest first', () => {
  const slow = new SlowTexts()
  slow.took('select 1', 3, 10)
  slow.took('select 2', 9, 20)
  slow.took('select 1', 12, 30)
  slow.took('select 1', 2, 40)
  expect(shown(slow, 50)).toEqual([
    ['select 1', 12, 20],
    ['select 2', 9, 30],
  ])
})

test('T123: keeps 20 texts, and of more the slowest', () => {
  const slow = new SlowTexts()
  for (let ms = 1; ms <= 30; ms++) slow.took(`select ${ms}`, ms, 0)
  for (let ms = 1; ms <= 5; ms++) slow.took(`select ${ms}`, ms, 0)
  expect(shown(slow, 0).map(([, ms]) => ms)).toEqual(
    Array.from({ length: 20 }, (_, index) => 30 - index),
  )
})

test('T123: forgets after ten minutes, also where a full list kept quicker ones out', () => {
  const slow = new SlowTexts()
  for (let ms = 1; ms <= 20; ms++) slow.took(`select ${ms}`, ms, 0)
  slow.took('select 20', 5, 600_000)
  expect(shown(slow, 600_000)).toEqual([['select 20', 5, 0]])
  slow.took('select 1', 1, 600_001)
  expect(shown(slow, 600_001)).toHaveLength(2)
})

test('T123: keeps the beginning of a long text, without strings, and never shows a secret', () => {
  const slow = new SlowTexts()
  slow.took("alter role app password 'hunter2'", 2, 0)
  slow.took(`insert into t values ('a')${',(1)'.repeat(1_000)}`, 1, 0)
  const [secret, long] = slow.snapshot(0, false)
  expect(secret!.statement).toBe("alter role app password '…'")
  expect(long!.statement).toMatch(/^insert into t values \('…'\),\(1\)/)
  expect(long!.statement.length).toBeLessThanOrEqual(2_000)
})

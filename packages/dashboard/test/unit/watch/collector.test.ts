import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import type { NowMessage } from '../../../src/dashboard-state.js'
import { Collector } from '../../../src/watch/collector.js'
import { EventLog } from '../../../src/watch/event-log.js'
import { StateReader } from '../../../src/watch/state-reader.js'
import { type Observed, observed } from '../support/observed.js'

let clock: VirtualClock
let source: Observed
let told: NowMessage[]
let collector: Collector

beforeEach(() => {
  clock = virtualClock()
  source = observed([{}])
  told = []
  const log = new EventLog(source, clock, () => collector.hurry())
  collector = new Collector({
    reader: new StateReader(source, log, clock),
    log,
    tell: (message) => told.push(message),
    intervalMs: 500,
    clock,
  })
})

test('takes no picture before a page is open and none after the last has gone', async () => {
  source.tell('admitted', { pool: 'app', node: 'b', reason: 'a probe' })
  await clock.advance(5_000)
  expect(told).toEqual([])
  collector.start()
  await clock.advance(2_000)
  expect(told).toHaveLength(4)
  collector.stop()
  await clock.advance(5_000)
  source.tell('admitted', { pool: 'app', node: 'c', reason: 'a probe' })
  await clock.advance(5_000)
  expect(told).toHaveLength(4)
})

test('tells news within 20 ms, and what happens together in one message', async () => {
  collector.start()
  await clock.advance(600)
  told.length = 0
  source.tell('hold', { pool: 'app', reason: 'no primary' })
  source.tell('admitted', { pool: 'app', node: 'b', reason: 'a probe' })
  await clock.advance(20)
  expect(told.map(({ entries }) => entries.length)).toEqual([2])
})

test('takes a picture every 200 ms while calls are held', async () => {
  collector.start()
  source.tell('hold', { pool: 'app', reason: 'no primary' })
  await clock.advance(20)
  told.length = 0
  await clock.advance(1_000)
  expect(told).toHaveLength(5)
  source.tell('resume', { pool: 'app', held: 0, heldMs: 0, reason: 'a primary' })
  await clock.advance(20)
  told.length = 0
  await clock.advance(1_000)
  expect(told).toHaveLength(2)
})

test('tells each entry once, and a page that opens later all of them', async () => {
  source.tell('admitted', { pool: 'app', node: 'a', reason: 'a probe' })
  expect(collector.past().entries.map(({ text }) => text)).toEqual(['a is admitted: a probe'])
  collector.start()
  source.tell('admitted', { pool: 'app', node: 'b', reason: 'a probe' })
  await clock.advance(1_000)
  source.tell('admitted', { pool: 'app', node: 'c', reason: 'a probe' })
  const { entries, samples } = collector.past()
  expect(entries).toHaveLength(3)
  expect(samples.length).toBeGreaterThan(2)
  await clock.advance(1_000)
  const texts = told.flatMap(({ entries: news }) => news.map(({ text }) => text))
  expect(texts).toEqual(['a', 'b', 'c'].map((node) => `${node} is admitted: a probe`))
})

test('keeps the samples of two minutes', async () => {
  collector.start()
  await clock.advance(300_000)
  const { samples } = collector.past()
  expect(samples.at(-1)!.at - samples[0]!.at).toBeLessThanOrEqual(120_000)
  expect(samples.length).toBeGreaterThan(235)
})

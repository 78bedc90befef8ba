import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test, vi } from 'vitest'
import { EventLog } from '../../../src/watch/event-log.js'
import { observed, snapshot } from '../support/observed.js'

const APP = { kind: 'database', name: 'app' } as const
const DW = { kind: 'database', name: 'dw' } as const
let clock: VirtualClock

beforeEach(() => {
  clock = virtualClock()
})

test('tells a failover: the loss is bad news, the hold too, and the new primary good news', async () => {
  let now = snapshot({ a: 'primary', b: 'replica' })
  const source = observed([{ topology: () => now, stats: () => ({ pending: 2 }) }])
  const changed = vi.fn()
  const log = new EventLog(source, clock, changed)
  const become = (states: Record<string, string>, reason: string): void => {
    now = snapshot(states, 2)
    source.tell('topology', { pool: 'app', snapshot: now, reason })
  }
  source.tell('topology', { pool: 'app', snapshot: now, reason: 'a is primary' })
  await clock.advance(100)
  become({ a: 'unreachable', b: 'replica' }, 'a unreachable')
  source.tell('hold', { pool: 'app', reason: 'no primary' })
  expect(log.heldSince(APP)).toBe(clock.now())
  await clock.advance(250)
  become({ a: 'unreachable', b: 'primary' }, 'b promoted')
  source.tell('resume', { pool: 'app', held: 2, heldMs: 250.4, reason: 'b is primary' })
  expect(log.heldSince(APP)).toBeUndefined()

  expect(log.entries.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
    'relief: a is primary',
    'trouble: a unreachable',
    'trouble: calls are held: no primary',
    'relief: b promoted',
    'relief: 2 held calls sent, the first after 250 ms: b is primary',
  ])
  expect(log.marks.map(({ states, isHolding }) => [states['a'], states['b'], isHolding])).toEqual([
    ['primary', 'replica', false],
    ['unreachable', 'replica', false],
    ['unreachable', 'replica', true],
    ['unreachable', 'primary', true],
    ['unreachable', 'primary', false],
  ])
  expect(changed).toHaveBeenCalledTimes(5)
})

test('tells calls in doubt of one moment in one entry', async () => {
  const source = observed([{}])
  const log = new EventLog(source, clock, () => {})
  for (let call = 0; call < 3; call++) {
    source.tell('in-doubt', { pool: 'app', node: 'a', error: new Error('lost') as never })
  }
  expect(log.entries).toEqual([])
  await clock.advance(100)
  expect(log.entries.map(({ text }) => text)).toEqual(['3 calls to a in doubt'])
})

test('listens neither to errors nor to leaks: the pool warns the process of these itself', () => {
  const source = observed([{}])
  const on = vi.spyOn(source, 'on')
  const log = new EventLog(source, clock, () => {})
  const names = on.mock.calls.map(([name]) => name)
  expect(names).toContain('topology')
  for (const often of ['error', 'leak', 'connect', 'acquire', 'release', 'destroy']) {
    expect(names).not.toContain(often)
  }
  log.close()
  expect(source.listeners).toBe(0)
})

test('keeps the newest 200 entries', () => {
  const source = observed([{}])
  const log = new EventLog(source, clock, () => {})
  for (let index = 0; index < 250; index++) {
    source.tell('admitted', { pool: 'app', node: `n${index}`, reason: 'a probe' })
  }
  expect(log.entries).toHaveLength(200)
  expect(log.entries.at(-1)?.text).toBe('n249 is admitted: a probe')
})

test('of several pools each one holds for itself', () => {
  const source = observed([{ name: 'app' }, { name: 'dw' }])
  const log = new EventLog(source, clock, () => {})
  source.tell('hold', { pool: 'dw', reason: 'no primary' })
  expect([log.heldSince(APP), log.heldSince(DW)]).toEqual([undefined, clock.now()])
})

test('a tenant that has the name of a database has its own marks, and does not hold for it', () => {
  const topology = () => snapshot({ a: 'primary' })
  const source = observed([
    {
      name: 'app',
      topology: () => snapshot({ a: 'primary', b: 'replica' }),
      stats: () => ({ pending: 1 }),
    },
    { name: 'app', kind: 'tenant', topology },
  ])
  const log = new EventLog(source, clock, () => {})
  source.tell('hold', { pool: 'app', reason: 'no primary' })
  expect(log.heldSince({ kind: 'tenant', name: 'app' })).toBeUndefined()
  expect(log.marks.map(({ pool, states }) => [pool, Object.keys(states)])).toEqual([
    ['database app', ['a', 'b']],
    ['tenant app', ['a']],
    ['database app', ['a', 'b']],
  ])
})

test('a hold is over with a primary and no call that waits, where all have given up', () => {
  let now = snapshot({ a: 'unreachable' })
  let pending = 0
  const source = observed([
    { topology: () => now, stats: () => ({ pending }) },
    { name: 'dw', topology: () => now, stats: () => ({ pending }) },
  ])
  const log = new EventLog(source, clock, () => {})
  const held = () => [log.heldSince(APP), log.heldSince(DW)]
  source.tell('hold', { pool: 'app', reason: 'no primary' })
  source.tell('hold', { pool: 'dw', reason: 'no primary' })
  expect(held()).toEqual([clock.now(), clock.now()])
  now = snapshot({ a: 'primary' })
  pending = 1
  log.mark()
  expect(held()).toEqual([clock.now(), clock.now()])
  pending = 0
  log.mark()
  expect(held()).toEqual([undefined, undefined])
  expect(log.marks.at(-1)?.isHolding).toBe(false)
})

import type { NodeState, TopologySnapshot } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { Meter } from '../src/meter.js'
import { changes } from '../src/narrator.js'
import { cut, grouped, left, widthOf } from '../src/view/text.js'

const RED = '\u001b[31m'
const PLAIN = '\u001b[39m'

describe('text', () => {
  test('colours take no room', () => {
    expect(widthOf(`${RED}down${PLAIN}`)).toBe(4)
    expect(left(`${RED}down${PLAIN}`, 6)).toBe(`${RED}down${PLAIN}  `)
  })

  test('a line that is cut keeps its colours whole and says that it was cut', () => {
    expect(cut(`${RED}unreachable${PLAIN} now`, 6)).toBe(`${RED}unrea…${PLAIN}`)
    expect(cut('short', 5)).toBe('short')
  })

  test('thousands are set apart', () => {
    expect([0, 999, 1_000, 1_234_567.4].map(grouped)).toEqual(['0', '999', '1 000', '1 234 567'])
  })
})

describe('Meter', () => {
  test('counts the second that has passed, and not what is older', () => {
    const meter = new Meter()
    for (const at of [50, 950, 1_050, 1_950]) meter.add(at)
    expect(meter.perSecond(2_000)).toBe(2)
    expect(meter.perSecond(5_000)).toBe(0)
  })

  test('gives whole spans as rates, oldest first, and none from before the beginning', () => {
    const meter = new Meter()
    for (const at of [10, 20, 600]) meter.add(at)
    expect(meter.series(1_200, 40, 500)).toEqual([4, 2])
    expect(meter.series(1_200, 1, 500)).toEqual([2])
  })
})

describe('changes', () => {
  test('tells a promotion with both timelines', () => {
    const before = snapshot(1, { a: 'unreachable', b: 'replica' })
    const after = snapshot(2, { a: 'unreachable', b: 'primary' })
    expect(changes(before, after)).toEqual(['b:5433 is the primary now: timeline 1 → 2'])
  })

  test('tells why a node is lost, without the advice, and nothing of nodes that stay what they are', () => {
    const before = snapshot(1, { a: 'primary', b: 'replica' })
    const after = snapshot(1, { a: 'unreachable', b: 'replica' })
    expect(changes(before, after)).toEqual(['a:5432 is unreachable: connection refused'])
  })
})

function snapshot(timeline: number, states: Record<string, NodeState>): TopologySnapshot {
  const nodes = Object.entries(states).map(([id, state], index) => ({
    id,
    state,
    endpoint: { host: '127.0.0.1', port: 5432 + index, database: 'app' },
    reason: 'connection refused; is the server running?',
  }))
  return { timeline, nodes } as unknown as TopologySnapshot
}

import { describe, expect, it } from 'vitest'
import type { Finding } from '../../../src/base/observation.js'
import { judge } from '../../../src/judge/judgement.js'
import { withhold } from '../../../src/judge/transitions.js'
import { between, failed, primary, replica, see, states, viewOf } from '../support/views.js'

describe('several names of one server', () => {
  const here = (finding: Finding): Finding =>
    finding.kind === 'answer'
      ? { kind: 'answer', facts: { ...finding.facts, port: 5432 } }
      : finding

  it('T53: elect the one that was configured first, without a split brain', () => {
    const view = viewOf([
      ['b', here(primary(2))],
      ['a', here(primary(2))],
    ])
    expect(judge(view).primary).toBe('a')
    expect(states(view)).toMatchObject({ a: 'primary', b: 'draining' })
    expect(view.contest).toBeUndefined()
  })

  it("T53: go on under the primary's name, even when a name configured before it answers", () => {
    const view = see(viewOf([['b', here(primary())]]), [['a', here(primary())]])
    expect(judge(view).primary).toBe('b')
    expect(states(view)).toMatchObject({ a: 'draining', b: 'primary' })
  })

  it('T53: go on under another name when one falls silent', () => {
    const view = see(
      viewOf([
        ['a', here(primary())],
        ['b', here(primary())],
      ]),
      [
        ['a', failed],
        ['a', failed],
      ],
    )
    expect(judge(view).primary).toBe('b')
  })

  it('T53: serve reads under one of them', () => {
    const view = viewOf([
      ['a', primary()],
      ['b', here(replica())],
      ['c', here(replica())],
    ])
    expect(states(view)).toEqual({ a: 'primary', b: 'replica', c: 'draining' })
  })

  it('T53: go on under the listed name, and no connection under the other name is destroyed', () => {
    const before = viewOf([
      ['a', here(primary())],
      ['b', here(primary())],
    ])
    const after = withhold(before, new Map([['a', 'not listed']]), new Set(['a']))
    expect(states(after)).toMatchObject({ a: 'draining', b: 'primary' })
    expect(between(before, after).map(({ kind }) => kind)).not.toContain('destroy')
  })

  it('T53: count as one server in a split brain with another server', () => {
    const view = viewOf([
      ['a', here(primary())],
      ['b', here(primary())],
      ['c', primary()],
    ])
    expect(states(view)).toEqual({ a: 'fenced', b: 'fenced', c: 'fenced' })
    expect(judge(view).verdicts.get('a')!.reason).toBe(
      'split brain: "c" claims to be primary on timeline 1 too',
    )
  })

  it('T53: are fenced together when another server is on a higher timeline', () => {
    const view = viewOf([
      ['a', here(primary(1))],
      ['b', here(primary(1))],
      ['c', primary(2)],
    ])
    expect(states(view)).toEqual({ a: 'fenced', b: 'fenced', c: 'primary' })
  })

  it('T53: count as two servers if one was restarted after the other was probed', () => {
    const view = viewOf([
      ['a', here(replica())],
      ['b', here(replica({ startedAt: 'later' }))],
    ])
    expect(states(view)).toMatchObject({ a: 'replica', b: 'replica' })
  })
})

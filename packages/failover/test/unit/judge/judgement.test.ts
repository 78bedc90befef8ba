import { describe, expect, it } from 'vitest'
import type { Finding } from '../../../src/base/observation.js'
import { highestTimeline } from '../../../src/judge/cluster-view.js'
import { judge } from '../../../src/judge/judgement.js'
import { emptyView, endFirstRound, observe, withhold } from '../../../src/judge/transitions.js'
import {
  between,
  busy,
  denied,
  failed,
  OURS,
  of,
  primary,
  refused,
  replica,
  see,
  starting,
  stateOf,
  states,
  viewOf,
} from '../support/views.js'

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  )
}

describe('election', () => {
  it('elects no node before the first round is over', () => {
    const view = observe(emptyView(['a'], { fence: 'timeline', deadAfter: 2 }), 'a', {
      ...primary(),
      sentAt: 1,
    })
    expect(judge(view).primary).toBeUndefined()
    expect(judge(endFirstRound(view)).primary).toBe('a')
  })

  it.each<[string, Finding, Finding, Finding, string | undefined]>([
    ['the only primary', replica(), primary(), replica(), 'b'],
    ['no node among replicas', replica(), replica(), replica(), undefined],
    ['the higher timeline', primary(1), primary(2), replica(), 'b'],
    ['the highest of three', primary(3), primary(2), primary(1), 'a'],
    ['neither of two on the highest timeline', primary(2), primary(2), primary(1), undefined],
    ['the writable one on one timeline', primary(1, { readOnly: true }), primary(), replica(), 'b'],
    [
      'no node if the one on the highest timeline is read-only',
      primary(2, { readOnly: true }),
      primary(1),
      replica(),
      undefined,
    ],
    ['no node that does not report its timeline', primary(0), replica(), replica(), 'a'],
    ['the answering one', failed, primary(), refused, 'b'],
    ['no node that is starting up', starting, replica(), replica(), undefined],
    [
      'our system against a higher foreign timeline',
      primary(1),
      replica(),
      primary(9, { systemId: 'other' }),
      'a',
    ],
  ])('elects %s, whatever the order of the observations', (_title, a, b, c, expected) => {
    const findings = [
      ['a', a],
      ['b', b],
      ['c', c],
    ] as const
    const judgements = permutations(findings).map((order) => judge(viewOf(order)))
    for (const judgement of judgements) {
      expect(judgement.primary).toBe(expected)
      expect(judgement.verdicts).toEqual(judgements[0]!.verdicts)
    }
  })

  it('takes the system of most nodes as ours, and with equal numbers that of the first node', () => {
    const other = { systemId: 'other' }
    const majority = viewOf([
      ['a', primary(1, other)],
      ['b', primary(1)],
      ['c', replica()],
    ])
    expect(majority.systemId).toBe(OURS)
    expect(judge(majority).primary).toBe('b')
    const tie = viewOf([
      ['c', replica()],
      ['a', primary(1, other)],
    ])
    expect(tie.systemId).toBe('other')
  })

  it('keeps our system once it is known, even if only nodes of another one are left', () => {
    const view = see(viewOf([['a', primary()]]), [
      ['a', refused],
      ['b', primary(5, { systemId: 'other' })],
      ['c', replica({ systemId: 'other' })],
    ])
    expect(states(view)).toEqual({ a: 'unreachable', b: 'foreign', c: 'foreign' })
    expect(judge(view).primary).toBeUndefined()
  })
})

describe('fencing', () => {
  it('S65: fences a lower timeline for ever, also after the higher one is gone', () => {
    const view = see(
      viewOf([
        ['a', primary(1)],
        ['b', primary(2)],
      ]),
      [
        ['b', refused],
        ['a', primary(1)],
      ],
    )
    expect(states(view)).toMatchObject({ a: 'fenced', b: 'unreachable' })
    expect(judge(view).primary).toBeUndefined()
    expect(highestTimeline(view)).toBe(2)
  })

  it('accepts a fenced node again as a replica, and as a primary on a higher timeline', () => {
    let view = viewOf([
      ['a', primary(1)],
      ['b', primary(2)],
    ])
    view = see(view, [['a', replica()]])
    expect(stateOf(view, 'a')).toBe('replica')
    view = see(view, [
      ['b', refused],
      ['a', primary(3)],
    ])
    expect(judge(view).primary).toBe('a')
  })

  it('ignores the timeline of a standby', () => {
    const view = viewOf([
      ['a', primary(1)],
      ['b', replica({ timeline: 7 })],
    ])
    expect(judge(view).primary).toBe('a')
    expect(highestTimeline(view)).toBe(1)
  })

  it('fences a frozen node by its last answer, before it is proven dead', () => {
    const view = see(viewOf([['a', primary(1)]]), [['b', primary(2)]])
    expect(stateOf(view, 'a')).toBe('fenced')
  })

  it('accepts no primary below the configured minimum', () => {
    const view = viewOf([['a', primary(3)]], { minimumTimeline: 4 })
    expect(stateOf(view, 'a')).toBe('fenced')
    expect(highestTimeline(view)).toBe(4)
    expect(judge(see(view, [['a', primary(4)]])).primary).toBe('a')
  })

  it('ignores timelines with fence: off, but still refuses two primaries', () => {
    const unread = { systemId: undefined, timeline: undefined }
    const one = viewOf([['a', primary(1, unread)]], { fence: 'off' })
    expect(judge(one).primary).toBe('a')
    const two = see(one, [['b', primary(1, unread)]])
    expect(judge(two).primary).toBeUndefined()
    expect(judge(see(two, [['a', replica(unread)]])).primary).toBe('b')
  })
})

describe('time', () => {
  it('never lets an older observation overwrite a newer one', () => {
    const start = viewOf([])
    const newer = observe(start, 'a', { ...replica(), sentAt: 1_000 })
    const late = observe(newer, 'a', { ...primary(), sentAt: 999 })
    expect(late).toBe(newer)
  })

  it('ends with the same view whatever the order in which answers arrive', () => {
    const observations = [
      ['a', { ...primary(1), sentAt: 2_001 }],
      ['a', { ...replica(), sentAt: 2_003 }],
      ['b', { ...replica(), sentAt: 2_002 }],
      ['b', { ...primary(2), sentAt: 2_004 }],
      ['c', { ...replica(), sentAt: 2_005 }],
    ] as const
    const ends = permutations(observations).map((order) =>
      judge(
        order.reduce(
          (view, [id, seen]) => observe(view, id, { ...of(id, seen), sentAt: seen.sentAt }),
          viewOf([]),
        ),
      ),
    )
    for (const end of ends) {
      expect(end.primary).toBe('b')
      expect(end.verdicts).toEqual(ends[0]!.verdicts)
    }
  })
})

describe('death', () => {
  it('takes two failed probes in a row, or one refused', () => {
    const alive = viewOf([['a', primary()]])
    const once = see(alive, [['a', failed]])
    expect(judge(once).primary).toBe('a')
    expect(stateOf(see(once, [['a', failed]]), 'a')).toBe('unreachable')
    expect(stateOf(see(alive, [['a', refused]]), 'a')).toBe('unreachable')
  })

  it.each([
    ['an answer', primary()],
    ['a server without a free connection', busy],
  ])('counts failed probes from 0 again after %s', (_title, sign) => {
    const view = see(viewOf([['a', primary()]]), [
      ['a', failed],
      ['a', sign],
      ['a', failed],
    ])
    expect(judge(view).primary).toBe('a')
  })

  it('keeps a dead node dead until it shows a sign of life', () => {
    const view = see(viewOf([['a', primary()]]), [
      ['a', refused],
      ['a', failed],
    ])
    expect(stateOf(view, 'a')).toBe('unreachable')
    expect(stateOf(see(view, [['a', busy]]), 'a')).toBe('unknown')
  })

  it('T77: has one reason, that of the proof, however many probes fail after it and with what', () => {
    const noConnect: Finding = { kind: 'failed', detail: 'no connection in time' }
    let view = see(viewOf([['a', primary()]]), [
      ['a', failed],
      ['a', failed],
    ])
    const { reason } = judge(view).verdicts.get('a')!
    expect(reason).toBe('silence, 2 failed probes in a row')
    for (const again of [failed, noConnect, failed]) {
      view = see(view, [['a', again]])
      expect(judge(view).verdicts.get('a')).toEqual({ state: 'unreachable', reason })
    }
    // A refusal is another fact, and silence after it is none.
    view = see(view, [
      ['a', refused],
      ['a', failed],
    ])
    expect(judge(view).verdicts.get('a')!.reason).toBe('connection refused')
  })

  it('does not bring the former role back when a node starts up and then falls silent', () => {
    const view = see(viewOf([['a', primary()]]), [
      ['a', starting],
      ['a', failed],
    ])
    expect(stateOf(view, 'a')).toBe('starting')
    expect(judge(view).primary).toBeUndefined()
  })

  it('F24: keeps the role of a server that only has no connection free', () => {
    expect(judge(see(viewOf([['a', primary()]]), [['a', busy]])).primary).toBe('a')
  })
})

describe('a standby with another history', () => {
  const behind = { lsn: 5_000n, timelineExact: false }

  it('T50: is diverged once the primary, probed later, reports a lower position', () => {
    const view = viewOf([
      ['c', replica(behind)],
      ['a', primary(2, { lsn: 2_000n })],
    ])
    expect(states(view)).toMatchObject({ a: 'primary', c: 'diverged' })
    const passed = see(view, [
      ['a', primary(2, { lsn: 9_000n })],
      ['c', replica(behind)],
    ])
    expect(stateOf(passed, 'c')).toBe('diverged')
    const rewound = see(passed, [['c', replica({ ...behind, timeline: 2, startedAt: 'later' })]])
    expect(stateOf(rewound, 'c')).toBe('replica')
  })

  it('T50: is reported, and its connections are destroyed', () => {
    const before = viewOf([
      ['a', primary(2, { lsn: 2_000n })],
      ['c', replica({ ...behind, timeline: 2 })],
    ])
    const after = see(before, [['a', primary(2, { lsn: 2_000n })]])
    const found = between(before, after)
    expect(found.map(({ kind }) => kind)).toEqual(['destroy', 'diverged'])
    expect(found[1]).toMatchObject({ node: 'c', systemId: OURS, timeline: 2 })
  })
})

describe('split brain', () => {
  const both = [
    ['a', primary(2)],
    ['b', primary(2)],
  ] as const

  it('is not decided by one of the two falling silent', () => {
    const view = see(viewOf(both), [
      ['a', failed],
      ['a', failed],
    ])
    expect(states(view)).toMatchObject({ a: 'unreachable', b: 'fenced' })
    expect(judge(view).primary).toBeUndefined()
  })

  it.each([
    ['stops', refused],
    ['starts up', starting],
    ['becomes a replica', replica()],
  ])('is over when one of the two %s', (_title, finding) => {
    expect(judge(see(viewOf(both), [['a', finding]])).primary).toBe('b')
  })

  it('T69: is the same whether the second server claims before or after the first falls silent', () => {
    const silence = [
      ['a', failed],
      ['a', failed],
    ] as const
    const later = see(viewOf([['a', primary(2)]]), [...silence, ['b', primary(2)]])
    expect(states(later)).toMatchObject({ a: 'unreachable', b: 'fenced' })
    expect(later.contest?.nodes).toEqual(['a', 'b'])
    expect(states(see(viewOf(both), silence))).toEqual(states(later))
    for (const finding of [refused, replica()]) {
      expect(judge(see(later, [['a', finding]])).primary).toBe('b')
    }
    // The first claim was never heard, so there is no split brain.
    expect(judge(see(viewOf([['a', replica()]]), [...silence, ['b', primary(2)]])).primary).toBe(
      'b',
    )
  })

  it('T69: is decided by an operator who drains one of the two', () => {
    const silent = see(viewOf(both), [
      ['a', failed],
      ['a', failed],
    ])
    const decided = withhold(silent, new Map(), new Set(), new Set(['a']))
    expect(judge(decided).primary).toBe('b')
    const undone = withhold(decided, new Map(), new Set())
    expect(judge(undone).primary).toBeUndefined()
    expect(
      judge(withhold(silent, new Map(), new Set(), new Set(['a', 'b']))).primary,
    ).toBeUndefined()
  })

  it('is over when a third server claims a higher timeline', () => {
    const view = see(viewOf(both), [['c', primary(3)]])
    expect(judge(view).primary).toBe('c')
    expect(states(view)).toEqual({ a: 'fenced', b: 'fenced', c: 'primary' })
  })
})

describe('refused credentials', () => {
  it('S10: leave the state unknown and reach the callers', () => {
    const view = viewOf([['a', denied]])
    expect(stateOf(view, 'a')).toBe('unknown')
    expect(judge(view)).toMatchObject({ blocked: { message: 'wrong password' } })
  })

  it.each<[string, readonly (readonly [string, Finding])[], boolean]>([
    [
      'the last primary',
      [
        ['a', primary()],
        ['a', denied],
        ['b', replica()],
      ],
      true,
    ],
    [
      'the last primary after a restart that was seen',
      [
        ['a', primary()],
        ['a', starting],
        ['a', denied],
        ['b', replica()],
      ],
      true,
    ],
    [
      'what answers where the last primary was gone',
      [
        ['a', primary()],
        ['a', refused],
        ['b', replica()],
        ['a', denied],
        ['a', starting],
        ['a', denied],
      ],
      false,
    ],
    [
      'what answers where the last primary had fallen silent',
      [
        ['a', primary()],
        ['a', failed],
        ['a', failed],
        ['b', replica()],
        ['a', denied],
      ],
      false,
    ],
    [
      'the last primary that was gone, and answered again before',
      [
        ['a', primary()],
        ['a', refused],
        ['a', primary()],
        ['a', denied],
        ['b', replica()],
      ],
      true,
    ],
    [
      'a node while the last primary is gone',
      [
        ['a', primary()],
        ['a', refused],
        ['b', denied],
      ],
      false,
    ],
    [
      'every node',
      [
        ['a', primary()],
        ['a', denied],
        ['b', denied],
        ['c', denied],
      ],
      true,
    ],
    [
      'a node while another may start up as primary',
      [
        ['a', denied],
        ['b', starting],
      ],
      false,
    ],
    [
      'a node while there is a primary',
      [
        ['a', denied],
        ['b', primary()],
      ],
      false,
    ],
  ])('by %s', (_title, findings, expected) => {
    const [first, ...rest] = findings
    const view = see(viewOf([first!]), rest)
    expect(judge(view).blocked !== undefined).toBe(expected)
  })
})

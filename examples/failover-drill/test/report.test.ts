import { describe, expect, test } from 'vitest'
import { type Call, History } from '../src/history.js'
import { isKept, judge } from '../src/promises.js'
import { type RoundReport, reportOf } from '../src/report.js'
import { spread, statisticsOf } from '../src/statistics.js'
import { documentOf } from '../src/view/json.js'
import { renderSummary } from '../src/view/summary.js'
import { widthOf } from '../src/view/text.js'

const MARKS = {
  loadFrom: 0,
  killedAt: 1_000,
  decidedAt: 1_400,
  promotedAt: 1_500,
  rejoinedAt: 3_000,
  loadTo: 5_000,
}

function served(id: string, node: string, endedAt: number): Call {
  return { id, startedAt: endedAt - 1, endedAt, outcome: { kind: 'acknowledged', node } }
}

/**
 * A round in which each side answers every 100 ms, and no write is served from 1 000 to
 * `firstWriteAt`.
 */
function roundWith(firstWriteAt: number, readsStopAt = 5_000): RoundReport {
  const history = new History()
  for (let at = 100; at < 5_000; at += 100) {
    if (at <= 1_000) history.writes.push(served(`w${at}`, 'a', at))
    else if (at > firstWriteAt) history.writes.push(served(`w${at}`, 'b', at))
    if (at <= readsStopAt) history.reads.push(served(`r${at}`, at > 4_000 ? 'a' : 'c', at))
  }
  if (firstWriteAt < 5_000) history.writes.push(served('first', 'b', firstWriteAt))
  return reportOf({
    history,
    stored: history.writes.map(({ id }) => ({ id, copies: 1 })),
    marks: MARKS,
    holds: [
      { calls: 3, ms: 480 },
      { calls: 2, ms: 20 },
    ],
    oldPrimary: 'a',
    newPrimary: 'b',
  })
}

function verdictOn(name: string, report: RoundReport): string | undefined {
  return judge(report).find((promise) => promise.name === name)?.verdict
}

describe('reportOf', () => {
  test('measures from the promotion to the first write on the new primary', () => {
    const report = roundWith(1_620)
    expect(report.promotionToFirstWriteMs).toBe(120)
    expect(report.writeGapMs).toBe(620)
    expect(report.decisionMs).toBe(400)
    expect(report.promotionMs).toBe(100)
  })

  test('T87: the part of the write gap before the promotion is never more than the gap', () => {
    expect(roundWith(1_620).writeGapBeforePromotionMs).toBe(500)
    const early = roundWith(1_400)
    expect(early.writeGapBeforePromotionMs).toBe(early.writeGapMs)
  })

  test('does not go below zero when a write was served before the promotion was noticed', () => {
    expect(roundWith(1_498).promotionToFirstWriteMs).toBe(0)
  })

  test('counts reads served within the write gap and by the node that came back', () => {
    const { reads } = roundWith(1_620)
    expect(reads.servedDuringWriteGap).toBe(6)
    expect(reads.servedByRejoinedNode).toBe(9)
    expect(reads.byNode).toEqual({ a: 9, c: 40 })
  })

  test('adds up what was held', () => {
    expect(roundWith(1_620).held).toEqual({ calls: 5, longestMs: 480 })
  })
})

describe('judge', () => {
  test('keeps every promise of a good round', () => {
    const report = roundWith(1_620)
    expect(judge(report).map(({ verdict }) => verdict)).toEqual(Array(7).fill('kept'))
    expect(isKept(report)).toBe(true)
  })

  test('calls a slow first write a missed target, and a very slow one a broken promise', () => {
    expect(verdictOn('promotionToFirstWriteMs', roundWith(2_050))).toBe('missed')
    expect(isKept(roundWith(2_050))).toBe(true)
    expect(verdictOn('promotionToFirstWriteMs', roundWith(3_550))).toBe('broken')
    expect(isKept(roundWith(3_550))).toBe(false)
  })

  test('calls it broken when no write came through at all', () => {
    const report = roundWith(9_999)
    expect(report.promotionToFirstWriteMs).toBeUndefined()
    expect(verdictOn('promotionToFirstWriteMs', report)).toBe('broken')
  })

  test('calls it broken when reads stopped', () => {
    expect(verdictOn('longestReadGapMs', roundWith(1_620, 3_000))).toBe('broken')
  })

  test.each(['missing', 'duplicated', 'phantom', 'wrongClaims'] as const)(
    'calls one write among %s a broken promise',
    (name) => {
      const report = roundWith(1_620)
      const broken = { ...report, writes: { ...report.writes, [name]: ['w100'] } }
      expect(verdictOn(name, broken)).toBe('broken')
    },
  )
})

describe('over several rounds', () => {
  test('the median of an even number is the mean of the middle two', () => {
    expect(spread([4, 1, 3, 100])).toEqual({ median: 3.5, worst: 100 })
    expect(spread([7, 1, 3])).toEqual({ median: 3, worst: 7 })
  })

  test('one round without a write after the promotion leaves no median to boast of', () => {
    const reports = [roundWith(1_620), roundWith(9_999)]
    expect(statisticsOf(reports).promotionToFirstWriteMs).toBeUndefined()
    expect(documentOf(reports)).toMatchObject({
      ok: false,
      median: { promotionToFirstWriteMs: null },
    })
  })
})

test('the summary fits 80 columns and says in its last line whether the promises were kept', () => {
  for (const reports of [[roundWith(1_620)], [roundWith(1_620), roundWith(2_050)]]) {
    const lines = renderSummary(reports).split('\n')
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(80)
    expect(lines.at(-1)).toContain('promise was kept')
  }
  expect(renderSummary([roundWith(9_999)])).toContain('promise was broken')
})

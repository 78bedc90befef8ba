import { describe, expect, test } from 'vitest'
import {
  type ClusterHistory,
  type PrimarySample,
  presentAfter,
  sameHistory,
} from '../../../src/identity/cluster-history.js'
import { FIRST_TIMELINE } from '../../../src/identity/timeline-past.js'

const NAME: ClusterHistory = {
  systemId: '7',
  timeline: 3,
  begin: 100n,
  startedAt: '1700000000.000001',
  place: '10.0.0.1:5432',
}

describe('two names of histories', () => {
  test.each<[answer: string, why: string, change: Partial<ClusterHistory>]>([
    ['same', 'that agree in all', {}],
    ['other', 'of two systems', { systemId: '8' }],
    ['other', 'of two timelines', { timeline: 4 }],
    ['other', 'of a timeline that began at two places', { begin: 101n }],
    ['same', 'of which one does not say where its timeline began', { begin: undefined }],
    ['same', 'of one life whose server has two addresses', { place: '10.0.0.2:5432' }],
    ['other', 'of servers that started in one moment at two ports', { place: '10.0.0.1:5433' }],
    ['same', 'of one life that says nothing of its place', { place: undefined }],
    ['same', 'of a server that was restarted in place', { startedAt: '1700000001.5' }],
    ['same', 'of one place, one of which says nothing of its life', { startedAt: undefined }],
    ['other', 'of two lives at two places', { startedAt: '1700000001.5', place: '10.0.0.2:5432' }],
    ['unknown', 'of two lives without a place', { startedAt: '1700000001.5', place: undefined }],
    ['unknown', 'that tell too little', { startedAt: undefined, place: undefined }],
  ])('are %s: %s', (answer, _why, change) => {
    expect(sameHistory(NAME, { ...NAME, ...change })).toBe(answer)
    expect(sameHistory({ ...NAME, ...change }, NAME)).toBe(answer)
  })
})

describe('the present history', () => {
  const first: PrimarySample = { ...NAME, lsn: 500n, past: FIRST_TIMELINE, sentAt: 1_000 }
  const begun = presentAfter(undefined, first)

  test('begins with the first answer of a primary', () => {
    expect(begun).toEqual({
      ...first,
      epoch: 1,
      formerAt: Number.NEGATIVE_INFINITY,
      hasRival: false,
    })
  })

  test('goes on with what was read once, and with the newest position', () => {
    const later = { ...first, begin: undefined, past: undefined, lsn: 600n, sentAt: 2_000 }
    expect(presentAfter(begun, later)).toEqual({ ...begun, lsn: 600n, sentAt: 2_000 })
  })

  test('is not changed by an answer to an older question', () => {
    expect(presentAfter(begun, { ...first, lsn: 400n, sentAt: 999 })).toBe(begun)
    expect(presentAfter(begun, { ...first, timeline: 2, sentAt: 999 })).toBe(begun)
    expect(presentAfter(begun, { ...first, begin: 90n, sentAt: 999 })).toBe(begun)
    expect(presentAfter(begun, { ...first, timeline: undefined, begin: 90n, sentAt: 999 })).toBe(
      begun,
    )
    expect(presentAfter(begun, { ...first, lsn: 400n, sentAt: 1_000 }).lsn).toBe(400n)
  })

  test('becomes another one even by an older question if its timeline is later, or its system another', () => {
    for (const change of [{ timeline: 4 }, { systemId: '8' }]) {
      const next = presentAfter(begun, { ...first, ...change, sentAt: 999 })
      expect(next).toMatchObject({ ...change, epoch: 2, formerAt: 1_000, hasRival: false })
    }
  })

  test('has a rival when the history before it had the same timeline of the same system', () => {
    const rival = presentAfter(begun, { ...first, begin: 90n, sentAt: 1_500 })
    expect(rival).toMatchObject({ epoch: 2, formerAt: 1_000, hasRival: true, begin: 90n })
    const goesOn = presentAfter(rival, { ...first, begin: 90n, lsn: 700n, sentAt: 1_600 })
    expect(goesOn).toMatchObject({ epoch: 2, formerAt: 1_000, hasRival: true, lsn: 700n })
  })
})

import { describe, expect, test } from 'vitest'
import {
  type PresentHistory,
  type PrimarySample,
  presentAfter,
} from '../../../src/identity/cluster-history.js'
import {
  type Follower,
  type FollowerSample,
  followerAfter,
  followerBeside,
  standingOf,
} from '../../../src/identity/follower.js'
import { TimelinePast } from '../../../src/identity/timeline-past.js'

const primary = (sample: Partial<PrimarySample>): PrimarySample => ({
  systemId: '7',
  timeline: 1,
  begin: undefined,
  startedAt: '100.5',
  place: '10.0.0.1:5432',
  lsn: 1_000n,
  past: undefined,
  sentAt: 0,
  ...sample,
})

const standby = (sample: Partial<FollowerSample>): FollowerSample => ({
  systemId: '7',
  timeline: 1,
  exact: false,
  begin: undefined,
  inRecovery: true,
  lsn: 1_000n,
  startedAt: '50.5',
  place: '10.0.0.3:5432',
  receiver: 300,
  // By default it has replayed what it has received.
  receivedLsn: 'lsn' in sample ? sample.lsn : 1_000n,
  answeredAt: 0,
  ...sample,
})

/** The process's knowledge of one primary and one standby, as samples come in. */
class Watcher {
  present: PresentHistory | undefined
  follower: Follower | undefined
  hasFormer = false

  primary(sample: Partial<PrimarySample>): this {
    this.present = presentAfter(this.present, primary(sample))
    if (this.follower) this.follower = followerBeside(this.follower, this.present)
    return this
  }

  standby(sample: Partial<FollowerSample>): this {
    const { follower, present, hasFormer } = this
    this.follower = followerAfter(follower, standby(sample), present, hasFormer)
    return this
  }

  get standing(): string {
    return standingOf(this.follower!, this.present).kind
  }
}

const B = { startedAt: '60.5', place: '10.0.0.2:5432' }

describe('the history that a primary writes', () => {
  test('goes on through a restart in place, and ends where another server takes over or the timeline changes', () => {
    const one = presentAfter(undefined, primary({ timeline: 2, sentAt: 1 }))
    const again = presentAfter(one, primary({ timeline: 2, startedAt: '200.5', sentAt: 2 }))
    expect(again.epoch).toBe(one.epoch)
    const rival = presentAfter(again, primary({ timeline: 2, ...B, sentAt: 3 }))
    expect([rival.epoch, rival.hasRival, rival.formerAt]).toEqual([2, true, 2])
    const next = presentAfter(again, primary({ timeline: 3, ...B, sentAt: 3 }))
    expect([next.epoch, next.hasRival]).toEqual([2, false])
  })

  test('is another one where the timeline of the same number began elsewhere', () => {
    const one = presentAfter(undefined, primary({ timeline: 2, begin: 500n }))
    expect(presentAfter(one, primary({ timeline: 2, begin: 510n, sentAt: 1 })).epoch).toBe(2)
  })

  test('is not taken back by a late answer of the primary before', () => {
    const one = presentAfter(undefined, primary({ timeline: 2, ...B, sentAt: 10 }))
    expect(presentAfter(one, primary({ timeline: 1, sentAt: 9 }))).toBe(one)
  })
})

describe('a standby', () => {
  test('T50: that stood ahead of a primary that was asked later has diverged, also when that has passed it', () => {
    const watcher = new Watcher().standby({ lsn: 5_000n, answeredAt: 1 })
    watcher.primary({ timeline: 2, ...B, lsn: 2_000n, sentAt: 2 })
    expect(watcher.standing).toBe('diverged')
    watcher
      .primary({ timeline: 2, ...B, lsn: 9_000n, sentAt: 3 })
      .standby({ lsn: 5_000n, answeredAt: 4 })
    expect(watcher.standing).toBe('diverged')
    // A new life of it, after a rewind.
    watcher.standby({ lsn: 5_000n, timeline: 2, startedAt: '300.5', answeredAt: 5 })
    expect(watcher.standing).toBe('comparable')
  })

  test('that stood ahead of a primary that was asked before it answered proves nothing', () => {
    const watcher = new Watcher().primary({ lsn: 1_000n, sentAt: 2 })
    expect(watcher.standby({ lsn: 1_200n, answeredAt: 3 }).standing).toBe('comparable')
    watcher.primary({ lsn: 1_500n, sentAt: 4 })
    expect(watcher.standing).toBe('comparable')
  })

  test('T50: of a former timeline is not comparable until it is known to have followed', () => {
    const watcher = new Watcher().primary({ sentAt: 1 }).standby({ answeredAt: 2 })
    expect(watcher.standing).toBe('comparable')
    watcher.primary({ sentAt: 3 })
    watcher.primary({ timeline: 2, ...B, lsn: 1_100n, sentAt: 10 })
    expect(watcher.standing).toBe('unknown')
    // The receiver that it had under the former primary proves nothing, however long it lasts.
    for (let at = 11; at < 20; at += 2) {
      watcher.standby({ lsn: 1_100n, answeredAt: at })
      watcher.primary({ timeline: 2, ...B, lsn: 1_200n, sentAt: at + 1 })
    }
    expect(watcher.standing).toBe('unknown')
    watcher.standby({ lsn: 1_200n, receiver: 301, answeredAt: 20 })
    watcher.primary({ timeline: 2, ...B, lsn: 1_300n, sentAt: 21 })
    expect(watcher.standing).toBe('unknown')
    watcher.standby({ lsn: 1_250n, receiver: 301, answeredAt: 22 })
    expect(watcher.standing).toBe('unknown')
    watcher.standby({ lsn: 1_300n, receiver: 301, answeredAt: 23 })
    expect(watcher.standing).toBe('comparable')
    watcher.standby({ lsn: 1_300n, receiver: null, answeredAt: 24 })
    expect(watcher.standing).toBe('comparable')
  })

  test('T50: whose receiver lasts and is sent the log up to the end of the old timeline, over and over, is not taken for a follower', () => {
    // It stands at 5 000, the primary left the old timeline at 4 000, and the segment begins at 16.
    for (const replayed of [5_000n, 3_000n]) {
      const watcher = new Watcher().primary({ timeline: 2, ...B, lsn: 4_500n, sentAt: 1 })
      watcher.primary({ timeline: 2, ...B, lsn: 9_000n, sentAt: 2 })
      let at = 3
      for (const received of [5_000n, 5_000n, 16n, 4_000n, 16n, 4_000n]) {
        watcher.standby({ lsn: replayed, receivedLsn: received, receiver: 301, answeredAt: at })
        watcher.primary({ timeline: 2, ...B, lsn: 9_000n, sentAt: at + 1 })
        expect(watcher.standing, `${replayed} ${at}`).toBe('unknown')
        at += 2
      }
    }
  })

  test('T50: that receives is not taken for a follower while a former primary lives on', () => {
    const watcher = new Watcher().primary({ timeline: 2, ...B, lsn: 4_500n, sentAt: 1 })
    watcher.hasFormer = true
    for (let at = 2; at < 12; at += 2) {
      watcher.standby({ lsn: 4_000n + 200n * BigInt(at), receiver: 301, answeredAt: at })
      watcher.primary({ timeline: 2, ...B, lsn: 4_500n + 200n * BigInt(at), sentAt: at + 1 })
    }
    expect(watcher.standing).toBe('unknown')
    watcher.hasFormer = false
    watcher.standby({ lsn: 6_800n, receiver: 301, answeredAt: 12 })
    expect(watcher.standing).toBe('comparable')
  })

  test('T50: that has received nothing since the primary was found is not taken for a follower yet', () => {
    const watcher = new Watcher().primary({ timeline: 2, ...B, lsn: 5_000n, sentAt: 1 })
    for (let at = 2; at < 10; at += 2) {
      watcher.standby({ lsn: 5_000n, answeredAt: at })
      watcher.primary({ timeline: 2, ...B, lsn: 5_000n, sentAt: at + 1 })
    }
    expect(watcher.standing).toBe('unknown')
    watcher.standby({ lsn: 5_000n, receivedLsn: 5_100n, answeredAt: 10 })
    expect(watcher.standing).toBe('comparable')
  })

  test('T50: whose receivers come and go, as those of a standby that is refused do, is not taken for a follower', () => {
    const watcher = new Watcher().primary({ timeline: 2, ...B, lsn: 9_000n, sentAt: 1 })
    for (let at = 2; at < 20; at += 2) {
      watcher.standby({ lsn: 5_000n, receiver: at % 4 === 0 ? at : null, answeredAt: at })
      watcher.primary({ timeline: 2, ...B, lsn: 9_000n, sentAt: at + 1 })
    }
    expect(watcher.standing).toBe('unknown')
  })

  test('that tells its timeline is comparable on it, and before the point where the primary left an older one', () => {
    const past = TimelinePast.read(2, '1\t0/7D0\tno recovery target specified\n')
    const watcher = new Watcher().primary({ timeline: 2, ...B, lsn: 9_000n, past, sentAt: 1 })
    expect(watcher.standby({ timeline: 2, exact: true, answeredAt: 2 }).standing).toBe('comparable')
    const late = new Watcher().primary({ timeline: 2, ...B, lsn: 9_000n, past, sentAt: 1 })
    expect(late.standby({ exact: true, lsn: 2_000n, answeredAt: 2 }).standing).toBe('comparable')
    expect(late.standby({ exact: true, lsn: 2_001n, answeredAt: 3 }).standing).toBe('diverged')
  })

  test('T65: of a timeline that two servers have claimed is not comparable by its number', () => {
    const watcher = new Watcher()
      .primary({ timeline: 2, sentAt: 1 })
      .standby({ timeline: 2, exact: true, answeredAt: 2 })
    expect(watcher.standing).toBe('comparable')
    watcher.primary({ timeline: 2, ...B, lsn: 1_500n, sentAt: 3 })
    expect(watcher.standing).toBe('unknown')
    watcher.standby({ timeline: 2, exact: true, begin: 600n, answeredAt: 4 })
    watcher.primary({ timeline: 2, ...B, lsn: 1_500n, begin: 500n, sentAt: 5 })
    expect(watcher.standing).toBe('diverged')
  })

  test('T51: that is not in recovery is the primary itself, or has nothing to do with it', () => {
    const watcher = new Watcher().primary({ sentAt: 1 })
    const itself = {
      inRecovery: false,
      startedAt: '100.5',
      place: '127.0.0.1:5432',
      receiver: null,
    }
    expect(watcher.standby({ ...itself, answeredAt: 2 }).standing).toBe('itself')
    const promoted = new Watcher().primary({ sentAt: 1 })
    promoted.standby({ inRecovery: false, timeline: 2, answeredAt: 2 })
    expect(promoted.standing).toBe('unknown')
    expect(promoted.primary({ sentAt: 3 }).standing).toBe('diverged')
    expect(new Watcher().primary({}).standby({ systemId: '8' }).standing).toBe('foreign')
  })
})

describe('the past of a timeline', () => {
  test('is read from its history file', () => {
    const text = '1\t0/A000198\tbefore 2026\n\n# a comment\n3\t1/B0\tno recovery target specified\n'
    const past = TimelinePast.read(4, text)!
    expect([past.begin, past.beganAt(3), past.beganAt(1)]).toEqual([0x1000000b0n, 0xa000198n, 0n])
    expect([past.keeps(1, 0xa000198n), past.keeps(1, 0xa000199n)]).toEqual([true, false])
    expect([past.keeps(2, 1n), past.keeps(3, 0x1000000b0n)]).toEqual([false, true])
    expect(TimelinePast.read(2, 'no such file')).toBeUndefined()
    expect(TimelinePast.read(2, undefined)).toBeUndefined()
  })

  test('is known in part where only its begin is', () => {
    const past = TimelinePast.begunAt(3, 500n)
    expect([past.keeps(2, 500n), past.keeps(2, 501n)]).toEqual([true, false])
    expect([past.keeps(1, 400n), past.keeps(1, 501n)]).toEqual([undefined, false])
  })
})

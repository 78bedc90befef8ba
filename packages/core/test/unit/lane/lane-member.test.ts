import { describe, expect, it } from 'vitest'
import type { DriverConnection, SentStatement } from '../../../src/api/driver.js'
import { LaneMember, type MemberLane, type MemberRun } from '../../../src/lane/lane-member.js'
import { LanePace } from '../../../src/lane/lane-pace.js'
import { TextCost } from '../../../src/lane/text-cost.js'
import { Slot } from '../../../src/slot/slot.js'

/** A call that notes what becomes of it. */
class NotedRun implements MemberRun {
  readonly statement = { text: 'select $1' }
  readonly cost: TextCost
  readonly log: string[]
  readonly name: string
  isGivenUp = false
  sentAt = -1
  expectedMs = 0

  constructor(name: string, cost: TextCost, log: string[]) {
    this.name = name
    this.cost = cost
    this.log = log
  }

  get isSent(): boolean {
    return this.sentAt >= 0
  }

  done(): void {}

  withdrawn(): void {
    this.log.push(`${this.name} withdrawn`)
  }

  stranded(): void {
    this.log.push(`${this.name} stranded`)
  }
}

/** A round trip takes 1 ms, whatever is seen. */
class SteadyPace extends LanePace {
  override readonly tripMs = 1

  override answered(at: number): boolean {
    return at - this.busyUntil < 0.03
  }
}

function setUp() {
  const log: string[] = []
  const learned: [least: number, most: number][] = []
  const clock = { now: 100 }
  const connection = {
    lastByteAt: 0,
    inFlight: 1,
    info: { backendPid: 7 },
    share: (runs: readonly SentStatement[]) => {
      log.push(`sent ${runs.map((run) => (run as NotedRun).name).join()}`)
    },
  }
  const slot = new Slot(1, 0)
  slot.opened(connection as unknown as DriverConnection, new Map(), undefined, true)
  slot.share(clock.now)
  const pace = new SteadyPace()
  const lane = {
    pace,
    now: () => clock.now,
    flushSoon: () => log.push('flush soon'),
    cancel: (cancelled: Slot) => {
      log.push('cancel')
      cancelled.beginCancel()
    },
    learn: (_cost: TextCost, least: number, most: number) => learned.push([least, most]),
  } satisfies MemberLane
  const member = new LaneMember(lane, slot, 0)
  const cost = new TextCost(() => true)
  cost.learn(2)
  const add = (name: string): NotedRun => {
    const run = new NotedRun(name, cost, log)
    member.add(run)
    return run
  }
  /** The next bytes of the server, which answer these calls. */
  const answer = (at: number, ...runs: NotedRun[]): void => {
    clock.now = at
    connection.lastByteAt = at
    for (const run of runs) member.remove(run)
  }
  const settle = (): void => {
    slot.endCancel()
    slot.recheckQuiet()
  }
  const flush = (): void => member.flush(clock.now)
  return { log, learned, pace, clock, connection, slot, member, add, answer, settle, flush }
}

describe('a connection of the lane', () => {
  it('sends what has come together in one piece', () => {
    const { log, member, add, flush } = setUp()
    add('a')
    add('b')
    flush()
    add('c')
    flush()
    flush()
    expect(log).toEqual(['flush soon', 'sent a,b', 'flush soon', 'sent c'])
    expect([member.load, member.backlogMs]).toEqual([3, 6])
  })

  it('is done with a call whose cost was learned meanwhile', () => {
    const { member, add, answer, flush } = setUp()
    const [a, b] = [add('a'), add('b')]
    flush()
    a.cost.learn(50)
    answer(103, a)
    expect(member.backlogMs).toBe(2)
    answer(104, b)
    expect([member.load, member.backlogMs]).toEqual([0, 0])
  })

  it('takes a call back that is given up before it is sent', () => {
    const { log, member, add, flush } = setUp()
    const [a] = [add('a'), add('b')]
    member.cancel(a)
    member.remove(a)
    flush()
    expect(log).toEqual(['flush soon', 'a withdrawn', 'sent b'])
    expect(member.leaving).toBe(false)
  })

  it('hands back what was not sent when it was lost', () => {
    const { log, slot, add, flush } = setUp()
    add('a')
    add('b')
    slot.markLost(new Error('gone'))
    flush()
    expect(log).toEqual(['flush soon', 'a stranded', 'b stranded'])
  })

  it('cancels the call that its server runs, and gets no more', () => {
    const { log, member, add, flush } = setUp()
    const [a] = [add('a'), add('b')]
    flush()
    member.cancel(a)
    member.cancel(a)
    expect(log.filter((line) => line === 'cancel')).toHaveLength(1)
    expect(member.leaving).toBe(true)
  })

  it('frees others of a call after a second, and of the next one with its text soon after', () => {
    const { log, member, add, answer, settle, flush } = setUp()
    const [a, b] = [add('a'), add('b'), add('c')]
    expect(member.freeAt(100)).toBe(Number.POSITIVE_INFINITY)
    flush()
    const due = member.freeAt(100)
    expect(due).toBe(1_101)
    member.free(due)
    expect(log).toContain('cancel')
    expect(a.cost.isQuick).toBe(false)
    // Not again while the request is under way.
    expect(member.freeAt(due)).toBeGreaterThan(due)
    b.cost.stall(1_000)
    answer(1_102, a)
    settle()
    expect(member.freeAt(1_102)).toBe(1_153)
  })

  it('cancels a call behind others when it is its turn', () => {
    const { log, member, add, answer, flush } = setUp()
    const [a, b] = [add('a'), add('b')]
    flush()
    b.isGivenUp = true
    member.cancel(b)
    expect(log).not.toContain('cancel')
    answer(105, a)
    expect(log).toContain('cancel')
  })

  it('cancels the next one that was given up when the request before is settled', () => {
    const { log, member, add, answer, settle, flush } = setUp()
    const [a, b] = [add('a'), add('b')]
    flush()
    a.isGivenUp = true
    b.isGivenUp = true
    member.cancel(a)
    answer(105, a)
    expect(log.filter((line) => line === 'cancel')).toHaveLength(1)
    settle()
    expect(log.filter((line) => line === 'cancel')).toHaveLength(2)
  })

  it('does not cancel one again that is still to be answered', () => {
    const { log, member, add, settle, flush } = setUp()
    const [a] = [add('a'), add('b')]
    flush()
    a.isGivenUp = true
    member.cancel(a)
    settle()
    expect(log.filter((line) => line === 'cancel')).toHaveLength(1)
  })

  it('frees the others after a second, and asks again no sooner than a second later', () => {
    const { log, clock, member, add, answer, settle, flush } = setUp()
    const [a] = [add('a'), add('b'), add('c')]
    flush()
    expect(member.freeAt(110)).toBe(1_101)
    clock.now = 1_101
    member.free(1_101)
    settle()
    expect(member.freeAt(1_102)).toBe(2_101)
    clock.now = 2_101
    member.free(2_101)
    settle()
    expect(log.filter((line) => line === 'cancel')).toHaveLength(2)
    answer(2_200, a)
    // Those of its text may wait for the same lock.
    expect(member.freeAt(2_200)).toBeLessThan(2_300)
  })

  it('expects the answer to what was sent anew behind the others', () => {
    const { log, member, add, answer, flush } = setUp()
    const [a, b, c] = [add('a'), add('b'), add('c')]
    flush()
    // It was refused for its outdated plan.
    answer(103, b)
    a.isGivenUp = true
    member.cancel(a)
    expect(log).not.toContain('cancel')
    answer(104, c)
    expect(log).toContain('cancel')
    answer(105, a)
    expect(member.load).toBe(0)
  })

  it('keeps count over many answers', () => {
    const { member, add, answer, flush } = setUp()
    const runs = Array.from({ length: 3_000 }, (_, at) => add(String(at)))
    flush()
    for (const [at, run] of runs.entries()) answer(200 + at, run)
    expect(member.load).toBe(0)
  })

  describe('says for how long its server has been at one statement', () => {
    it('which is not at all before it has one', () => {
      const { clock, member, add } = setUp()
      expect(member.headMs(5_000)).toBe(0)
      add('a')
      clock.now = 200
      expect(member.headMs(200)).toBe(0)
    })

    it('since it was sent, or the answer before it', () => {
      const { member, add, answer, flush } = setUp()
      const [a, b] = [add('a'), add('b')]
      flush()
      expect(member.headMs(111)).toBe(10)
      answer(120, a)
      expect(member.headMs(131)).toBe(10)
      answer(140, b)
      expect(member.headMs(150)).toBe(0)
    })
  })

  describe('learns', () => {
    it('from the time between two pieces, shared by the answers of the first', () => {
      const { learned, member, add, answer, flush } = setUp()
      const [a, b, c, d] = [add('a'), add('b'), add('c'), add('d')]
      flush()
      answer(105, a, b)
      expect(learned).toEqual([])
      answer(109, c)
      answer(112, d)
      member.end()
      // Sent at 100, with a round trip of 1 ms. How much of it the first one took is not known.
      expect(learned).toEqual([
        [2, 2.5],
        [4, 4],
        [3, 3],
      ])
    })

    it('only a limit from what may have come while this process was busy', () => {
      const { learned, pace, member, add, answer, flush } = setUp()
      const a = add('a')
      flush()
      pace.worked(150)
      answer(150, a)
      member.end()
      expect(learned).toEqual([[0, 50]])
    })
  })
})

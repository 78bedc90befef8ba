import { describe, expect, it } from 'vitest'
import { type QueuedWork, WorkQueue } from '../../../../src/net/work/work-queue.js'

class NotedWork implements QueuedWork {
  sent = false
  readonly #name: string
  readonly #log: string[]
  repeats = 0
  constructor(name: string, log: string[]) {
    this.#name = name
    this.#log = log
  }
  wantsRepeat(idle: boolean): boolean {
    return idle && this.repeats-- > 0
  }
  settle(): void {
    this.#log.push(`${this.#name} settled`)
  }
  lose(reason: unknown): void {
    this.#log.push(`${this.#name} lost: ${reason as string}`)
  }
  toString(): string {
    return this.#name
  }
}

function setUp(): { queue: WorkQueue<NotedWork>; log: string[]; a: NotedWork; b: NotedWork } {
  const log: string[] = []
  const queue = new WorkQueue<NotedWork>({ query: (work) => log.push(`${work} sent`) })
  const [a, b] = [new NotedWork('a', log), new NotedWork('b', log)]
  queue.add(a)
  queue.add(b)
  return { queue, log, a, b }
}

describe('the work of a session', () => {
  it('is sent in order, the next before the last has settled', () => {
    const { queue, log } = setUp()
    expect([queue.length, ...log]).toEqual([2, 'a sent'])
    queue.answered(true)
    queue.answered(true)
    expect(log).toEqual(['a sent', 'b sent', 'a settled', 'b settled'])
    expect(queue.length).toBe(0)
    queue.answered(true)
    expect(log).toHaveLength(4)
  })

  it('is sent again if it asks for that, unless the queue was stopped', () => {
    const { queue, log, a } = setUp()
    a.repeats = 2
    queue.answered(true)
    expect(log).toEqual(['a sent', 'a sent'])
    queue.stop()
    queue.answered(true)
    expect(log).toEqual(['a sent', 'a sent', 'a settled'])
  })

  it('is skipped if it will not be answered when its turn comes', () => {
    const { queue, log, a, b } = setUp()
    const skip = (work: NotedWork): void => queue.skip(work, () => log.push(`${work} refused`))
    skip(b)
    skip(a)
    skip(a)
    expect(log).toEqual(['a sent', 'b sent', 'a refused'])
  })

  it('that was sent already is not sent by the queue, and settles in order', () => {
    const log: string[] = []
    const queue = new WorkQueue<NotedWork>({
      query: (work) => !work.sent && log.push(`${work} sent`),
    })
    const works = ['a', 'b', 'c'].map((name) => new NotedWork(name, log))
    for (const work of works) {
      work.sent = true
      queue.join(work)
    }
    expect([queue.length, queue.current, queue.last]).toEqual([3, works[0], works[2]])
    for (let left = 3; left > 0; left--) queue.answered(true)
    expect(log).toEqual(['a settled', 'b settled', 'c settled'])
  })

  it('is sent anew at once, and waits behind what was sent meanwhile', () => {
    const log: string[] = []
    const queue = new WorkQueue<NotedWork>({
      query: (work) => {
        if (work.sent) return
        work.sent = true
        log.push(`${work} sent`)
      },
    })
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new NotedWork(name, log)) as [
      NotedWork,
      NotedWork,
      NotedWork,
    ]
    queue.add(a)
    for (const work of [b, c]) {
      work.sent = true
      queue.join(work)
    }
    a.repeats = 1
    a.sent = false
    queue.answered(true)
    expect([queue.current, queue.last, queue.length]).toEqual([b, a, 3])
    for (let left = 3; left > 0; left--) queue.answered(true)
    expect(log).toEqual(['a sent', 'a sent', 'b settled', 'c settled', 'a settled'])
  })

  it('is lost in order when the session is over', () => {
    const { queue, log } = setUp()
    queue.lose('gone')
    expect(log).toEqual(['a sent', 'a lost: gone', 'b lost: gone'])
    expect([queue.length, queue.current]).toEqual([0, undefined])
  })
})

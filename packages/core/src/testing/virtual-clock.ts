import type { Clock, ClockTimer } from '../base/clock.js'

interface Event {
  readonly at: number
  readonly order: number
  /** Undefined once it was cancelled: what it held on to is let go. */
  fire: (() => void) | undefined
}

/** What falls due, earliest first; a binary heap, because a simulation has tens of thousands. */
class Agenda {
  readonly #events: Event[] = []

  /** The next of them, cancelled or not. */
  get next(): Event | undefined {
    return this.#events[0]
  }

  /** Those that have not been cancelled, in no order. */
  get live(): readonly Event[] {
    return this.#events.filter(({ fire }) => fire !== undefined)
  }

  /** One more. */
  add(event: Event): void {
    const events = this.#events
    let index = events.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(events[parent]!, event)) break
      events[index] = events[parent]!
      index = parent
    }
    events[index] = event
  }

  /** Takes the next one away. */
  shift(): void {
    const events = this.#events
    const last = events.pop()!
    const { length } = events
    if (length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(events[child + 1]!, events[child]!)) child++
      if (isBefore(last, events[child]!)) break
      events[index] = events[child]!
      index = child
    }
    events[index] = last
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at === other.at ? one.order < other.order : one.at < other.at
}

/**
 * Time that stands still until a test moves it. Between two timers every promise reaction runs to
 * its end.
 */
export interface VirtualClock extends Clock {
  /**
   * Moves time on by `ms`, firing what falls due, in order. Resolves when all of it and its promise
   * reactions have run.
   */
  advance(ms: number): Promise<void>
  /** Lets promise reactions run without moving time. */
  settle(): Promise<void>
  /** Moves the wall clock alone, as an administrator or a suspended machine would. */
  shiftWall(ms: number): void
  /**
   * Blocks the event loop for `ms`: time passes and timers fall due, but nothing runs until the
   * next `advance` or `settle`.
   */
  stall(ms: number): void
  /** Timers that are armed. */
  readonly pendingTimers: number
  /** Time of the next timer; `Infinity` if there is none. */
  readonly nextTimerAt: number
}

/** Makes a virtual clock that starts at 0. */
export function virtualClock(): VirtualClock {
  let now = 0
  let wallOffset = 1_700_000_000_000
  let order = 0
  const agenda = new Agenda()

  const schedule = (fire: () => void, at: number): Event => {
    const event: Event = { at, order: order++, fire }
    agenda.add(event)
    return event
  }
  const drain = (): Promise<void> =>
    // A tick queued from a promise reaction runs when every reaction has run, however long their
    // chain, and costs no turn of the event loop.
    new Promise((resolve) => process.nextTick(resolve))
  const settle = (): Promise<void> =>
    // A whole turn, so that unhandled rejections are noticed where they happen.
    new Promise((resolve) => setImmediate(resolve))
  const runDue = async (until: number): Promise<void> => {
    await settle()
    for (let event = agenda.next; event !== undefined && event.at <= until; event = agenda.next) {
      agenda.shift()
      if (event.fire === undefined) continue
      now = Math.max(now, event.at)
      event.fire()
      await drain()
    }
  }
  return {
    now: () => now,
    wallNow: () => wallOffset + now,
    setTimer(fire, delayMs): ClockTimer {
      const event = schedule(fire, now + Math.max(0, delayMs))
      return {
        cancel: () => {
          event.fire = undefined
        },
        keepAlive: () => {},
      }
    },
    afterIo(fire) {
      schedule(fire, now)
    },
    async advance(ms) {
      const until = now + ms
      await runDue(until)
      now = until
      await settle()
    },
    async settle() {
      await runDue(now)
    },
    shiftWall(ms) {
      wallOffset += ms
    },
    stall(ms) {
      now += ms
    },
    get pendingTimers() {
      return agenda.live.length
    },
    get nextTimerAt() {
      return Math.min(Number.POSITIVE_INFINITY, ...agenda.live.map(({ at }) => at))
    },
  }
}

import type { Clock, ClockTimer } from '../clock.js'

interface Event {
  readonly at: number
  readonly order: number
  readonly fire: () => void
  cancelled: boolean
}

/** Time that stands still until a test moves it. Between two timers every promise reaction runs to its end. */
export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, firing what falls due, in order. Resolves when all of it and its promise reactions have run. */
  advance(ms: number): Promise<void>
  /** Lets promise reactions run without moving time. */
  settle(): Promise<void>
  /** Moves the wall clock alone, as an administrator or a suspended machine would. */
  shiftWall(ms: number): void
  /** Blocks the event loop for `ms`: time passes and timers fall due, but nothing runs until the next `advance` or `settle`. */
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
  const events: Event[] = []

  const schedule = (fire: () => void, at: number): Event => {
    const event: Event = { at, order: order++, fire, cancelled: false }
    let index = events.length
    while (index > 0 && events[index - 1]!.at > at) index--
    events.splice(index, 0, event)
    return event
  }
  const drain = (): Promise<void> =>
    // A tick queued from a promise reaction runs when every reaction has run, however long their chain, and costs no
    // turn of the event loop.
    new Promise((resolve) => process.nextTick(resolve))
  const settle = (): Promise<void> =>
    // A whole turn, so that unhandled rejections are noticed where they happen.
    new Promise((resolve) => setImmediate(resolve))
  const live = (): Event[] => events.filter((event) => !event.cancelled)
  const runDue = async (until: number): Promise<void> => {
    await settle()
    while (events.length > 0 && events[0]!.at <= until) {
      const event = events.shift()!
      if (event.cancelled) continue
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
          event.cancelled = true
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
      return live().length
    },
    get nextTimerAt() {
      return live()[0]?.at ?? Number.POSITIVE_INFINITY
    },
  }
}

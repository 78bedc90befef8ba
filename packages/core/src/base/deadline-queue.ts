/**
 * Something that must not last beyond a moment. The links belong to the `DeadlineQueue` it stands
 * in.
 */
export abstract class Timed {
  // Fields are declared and assigned in the constructors: field initializers of three levels of
  // classes cost a tenth of an acquire.
  /** When it expires, on the pool's clock. Meaningful while it stands in a queue. */
  declare deadlineAt: number
  /** Owned by the queue. */
  declare earlier: Timed | undefined
  /** Owned by the queue. */
  declare later: Timed | undefined
  /** Owned by the queue; undefined while it stands in none. */
  declare deadlineLane: DeadlineLane | undefined

  /** Stands in no queue. */
  constructor() {
    this.deadlineAt = 0
    this.earlier = undefined
    this.later = undefined
    this.deadlineLane = undefined
  }

  /** Called once when the deadline has passed, after it has left the queue. */
  abstract expire(now: number): void
}

/**
 * Entries of one duration, first to expire first. Since they share the duration, a new one nearly
 * always goes last.
 */
interface DeadlineLane {
  head: Timed | undefined
  tail: Timed | undefined
}

/**
 * Every deadline of one pool. Adding, removing and finding the next one cost O(1) because entries
 * are kept in one list per duration, and a pool knows few durations; no timer is made per call.
 */
export class DeadlineQueue {
  // Made with the first deadline: idle pools may be many.
  #lanes: Map<number, DeadlineLane> | undefined
  #lastKey = -1
  #lastLane: DeadlineLane | undefined

  /** Lets `entry` expire at `now + durationMs`. An entry stands in one queue at a time. */
  add(entry: Timed, now: number, durationMs: number): void {
    const lane = this.#laneOf(Math.ceil(durationMs))
    entry.deadlineAt = now + durationMs
    entry.deadlineLane = lane
    let before = lane.tail
    while (before !== undefined && before.deadlineAt > entry.deadlineAt) before = before.earlier
    const after = before === undefined ? lane.head : before.later
    entry.earlier = before
    entry.later = after
    if (before === undefined) lane.head = entry
    else before.later = entry
    if (after === undefined) lane.tail = entry
    else after.earlier = entry
  }

  /** Takes `entry` out; does nothing if it is in no queue. */
  remove(entry: Timed): void {
    const lane = entry.deadlineLane
    if (lane === undefined) return
    if (entry.earlier === undefined) lane.head = entry.later
    else entry.earlier.later = entry.later
    if (entry.later === undefined) lane.tail = entry.earlier
    else entry.later.earlier = entry.earlier
    entry.earlier = undefined
    entry.later = undefined
    entry.deadlineLane = undefined
  }

  /**
   * When the next entry expires; `Infinity` if there is none. Forgets the lists of durations that
   * are no longer used.
   */
  nextAt(): number {
    let next = Number.POSITIVE_INFINITY
    if (this.#lanes === undefined) return next
    for (const [key, lane] of this.#lanes) {
      if (lane.head === undefined) {
        if (lane !== this.#lastLane) this.#lanes.delete(key)
      } else if (lane.head.deadlineAt < next) {
        next = lane.head.deadlineAt
      }
    }
    return next
  }

  /**
   * Expires what is due, at most `limit` entries, so that thousands of them do not stall the event
   * loop at once. Returns whether more is due.
   */
  expire(now: number, limit: number): boolean {
    if (this.#lanes === undefined) return false
    let left = limit
    for (const lane of this.#lanes.values()) {
      while (lane.head !== undefined && lane.head.deadlineAt <= now) {
        if (left-- === 0) return true
        const entry = lane.head
        this.remove(entry)
        entry.expire(now)
      }
    }
    return false
  }

  #laneOf(key: number): DeadlineLane {
    if (key === this.#lastKey && this.#lastLane !== undefined) return this.#lastLane
    this.#lanes ??= new Map()
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { head: undefined, tail: undefined }
      this.#lanes.set(key, lane)
    }
    this.#lastKey = key
    this.#lastLane = lane
    return lane
  }
}

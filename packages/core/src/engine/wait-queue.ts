import { Timed } from '../base/deadline-queue.js'
import { own } from '../base/own.js'
import type { AcceptsServer } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'

/**
 * A caller that waits for a connection. It leaves the queue before `receive` or `refuse` is called,
 * and exactly one of them is.
 */
export abstract class Waiter extends Timed {
  /** Higher is served first. */
  declare readonly priority: number
  /** Which servers will do; undefined for any. Set before it waits. */
  declare accepts: AcceptsServer | undefined
  /** Whether it stands for the shared lane, which lends to its own callers. */
  declare isLane: boolean
  /** When it began to wait. */
  declare enqueuedAt: number
  /** Owned by the queue. */
  declare ahead: Waiter | undefined
  /** Owned by the queue. */
  declare behind: Waiter | undefined
  /** Owned by the queue; undefined while it does not wait. */
  declare lane: WaitLane | undefined

  /** Makes a waiter of one priority. */
  constructor(priority: number) {
    super()
    this.priority = priority
    this.enqueuedAt = 0
    this.isLane = false
    this.accepts = undefined
    this.ahead = undefined
    this.behind = undefined
    this.lane = undefined
  }

  /** Gets a connection that is lent to it already. */
  abstract receive(slot: Slot, now: number): void
  /** Fails with nothing sent. `isHere`: its caller is on the stack, and on that of the error. */
  abstract refuse(error: Error, isHere?: boolean): void
}

/** Waiters of one priority, in order of arrival. */
interface WaitLane {
  readonly priority: number
  head: Waiter | undefined
  tail: Waiter | undefined
}

/**
 * Pending acquires: first come first served within a priority; insert, handoff and cancel in O(1).
 * A connection passes over callers that want another server.
 */
export class WaitQueue {
  // The lane of priority 0 is always there, because nearly every call uses it.
  readonly #normal: WaitLane = { priority: 0, head: undefined, tail: undefined }
  // Sorted by priority, highest first.
  readonly #lanes: WaitLane[] = [this.#normal]
  /** Number of waiters. */
  readonly size: number = 0
  /** Number of waiters that want a certain server. */
  readonly choosy: number = 0

  /** Puts a waiter behind those of its priority. */
  push(waiter: Waiter): void {
    const lane = this.#laneOf(waiter.priority)
    waiter.lane = lane
    waiter.ahead = lane.tail
    waiter.behind = undefined
    if (lane.tail === undefined) lane.head = waiter
    else lane.tail.behind = waiter
    lane.tail = waiter
    own<WaitQueue>(this).size++
    if (waiter.accepts !== undefined) own<WaitQueue>(this).choosy++
  }

  /** Takes out the next waiter, or the next that accepts this connection. */
  shift(slot?: Slot): Waiter | undefined {
    if (this.size === 0) return undefined
    if (slot !== undefined && this.choosy > 0) {
      const found = this.#taker(slot)
      if (found !== undefined) this.remove(found)
      return found
    }
    for (const { head } of this.#lanes) {
      if (head !== undefined) {
        this.remove(head)
        return head
      }
    }
    return undefined
  }

  /** Whether a waiter accepts this connection. */
  wants(slot: Slot): boolean {
    return this.size > this.choosy || this.#taker(slot) !== undefined
  }

  /** Waiters that want a certain server, in order. */
  choosyOnes(): readonly Waiter[] {
    if (this.choosy === 0) return []
    return this.#lanes.flatMap((lane) => [...inOrder(lane)].filter(isChoosy))
  }

  #taker({ server }: Slot): Waiter | undefined {
    for (const lane of this.#lanes) {
      for (let waiter = lane.head; waiter !== undefined; waiter = waiter.behind) {
        if (waiter.accepts === undefined || waiter.accepts(server)) return waiter
      }
    }
    return undefined
  }

  /** The waiter that has waited longest, of any priority, beside the shared lane. */
  oldest(): Waiter | undefined {
    let oldest: Waiter | undefined
    for (const { head } of this.#lanes) {
      if (head?.isLane === false && (oldest === undefined || head.enqueuedAt < oldest.enqueuedAt)) {
        oldest = head
      }
    }
    return oldest
  }

  /** The waiter that is next; undefined if there is none. */
  get first(): Waiter | undefined {
    return this.#lanes.find(({ head }) => head !== undefined)?.head
  }

  /** Whether a waiter waits here. */
  holds({ lane }: Waiter): boolean {
    return lane !== undefined && this.#lanes.includes(lane)
  }

  /** Takes out every waiter of a kind, in order. */
  takeOut<Kind extends Waiter>(isOfKind: (waiter: Waiter) => waiter is Kind): Kind[] {
    const found = this.#lanes.flatMap((lane) => [...inOrder(lane)].filter(isOfKind))
    for (const waiter of found) this.remove(waiter)
    return found
  }

  /** Takes a waiter out; returns whether it was in. */
  remove(waiter: Waiter): boolean {
    const lane = waiter.lane
    if (lane === undefined) return false
    if (waiter.ahead === undefined) lane.head = waiter.behind
    else waiter.ahead.behind = waiter.behind
    if (waiter.behind === undefined) lane.tail = waiter.ahead
    else waiter.behind.ahead = waiter.ahead
    waiter.ahead = undefined
    waiter.behind = undefined
    waiter.lane = undefined
    own<WaitQueue>(this).size--
    if (waiter.accepts !== undefined) own<WaitQueue>(this).choosy--
    // There may be many priorities, each used once.
    if (lane.head === undefined && lane !== this.#normal)
      this.#lanes.splice(this.#lanes.indexOf(lane), 1)
    return true
  }

  #laneOf(priority: number): WaitLane {
    if (priority === 0) return this.#normal
    const index = this.#lanes.findIndex((lane) => lane.priority <= priority)
    const found = this.#lanes[index]
    if (found?.priority === priority) return found
    const lane: WaitLane = { priority, head: undefined, tail: undefined }
    this.#lanes.splice(index === -1 ? this.#lanes.length : index, 0, lane)
    return lane
  }
}

function* inOrder({ head }: WaitLane): Generator<Waiter> {
  for (let waiter = head; waiter !== undefined; waiter = waiter.behind) yield waiter
}

function isChoosy({ accepts }: Waiter): boolean {
  return accepts !== undefined
}

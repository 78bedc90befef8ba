import type { DriverConnection, SentStatement } from '../api/driver.js'
import type { Slot } from '../slot/slot.js'
import type { LanePace } from './lane-pace.js'
import type { TextCost } from './text-cost.js'

/** Others that wait behind one statement are freed of it after that, in milliseconds. */
export const FREE_MS = 1_000
// If it is one of several whose text has kept others for so long, after that.
const FREE_SOON_MS = 50

/** A call on a connection of the lane. */
export interface MemberRun extends SentStatement {
  /** What is known of its text. */
  readonly cost: TextCost
  /** Whether it is to be cancelled as soon as it is its turn on the server. */
  readonly isGivenUp: boolean
  /** When it was sent, on the pool's clock; negative while it was not. */
  sentAt: number
  /** How long it was expected to take its server when it was added, in milliseconds. */
  expectedMs: number
  /** Whether it was sent. */
  readonly isSent: boolean
  /** It was taken back before it was sent. */
  withdrawn(): void
  /** The connection was lost before it was sent. */
  stranded(): void
}

/** What a connection of the lane asks of it. */
export interface MemberLane {
  /** The time that passes between the servers and this process. */
  readonly pace: LanePace
  /** Time now, on the pool's clock. */
  now(): number
  /** Has `flush` called when the callers of this turn have said what they want. */
  flushSoon(member: LaneMember): void
  /** Has the server cancel what a connection runs. */
  cancel(slot: Slot): void
  /** A statement took its server between `least` and `most`, in milliseconds. */
  learn(cost: TextCost, least: number, most: number): void
}

/**
 * One connection of the lane, for as long as something is in flight on it. Knows what is in flight
 * in which order, what of it the server runs now, and what it learns from the times of the answers.
 */
export class LaneMember {
  /** The connection. */
  readonly slot: Slot
  /** Its session. */
  readonly connection: DriverConnection
  /** Under which suspicion of the pool it was lent: a later one casts doubt on it. */
  readonly suspicion: number
  /** Statements on it that are not answered. */
  load = 0
  /** How long the server will take for these, in milliseconds, by what is known of their texts. */
  backlogMs = 0
  /** Whether it takes no more, so that it soon goes back to the pool. */
  leaving = false
  /** Whether another pool is owed it, so that it leaves this pool too. */
  isOwed = false
  readonly #lane: MemberLane
  #unsent: MemberRun[] = []
  // Those in flight, in order, from `#head` on.
  #sent: MemberRun[] = []
  #head = 0
  // The one that the server was asked to end last, and when.
  #cancelled: MemberRun | undefined
  #cancelledAt = 0
  // Since when the server has had nothing to do but the first of them.
  #headSince = 0
  // The bytes of one moment: when they came, how many answers they held, and what the first of them
  // belonged to.
  #lastByteAt = -1
  #cameAt = 0
  #came = 0
  #first: TextCost | undefined
  #least = 0
  #most = 0

  /** Takes a connection that is lent to the lane. */
  constructor(lane: MemberLane, slot: Slot, suspicion: number) {
    this.#lane = lane
    this.slot = slot
    this.suspicion = suspicion
    this.connection = slot.connection!
  }

  /** Takes a call, which goes out at the end of this turn. */
  add(run: MemberRun): void {
    if (this.#unsent.push(run) === 1) this.#lane.flushSoon(this)
    this.load++
    run.expectedMs = run.cost.ms
    this.backlogMs += run.expectedMs
  }

  /** Sends what has come together. */
  flush(now: number): void {
    const runs = this.#unsent
    if (runs.length === 0) return
    this.#unsent = []
    if (this.slot.over) {
      for (const run of runs) run.stranded()
      return
    }
    if (this.#head === this.#sent.length) {
      this.#headSince = now
      this.slot.ask(now)
    }
    for (const run of runs) {
      run.sentAt = now
      this.#sent.push(run)
    }
    this.connection.share!(runs)
  }

  /** A call is answered, or was taken back. */
  remove(run: MemberRun): void {
    this.load--
    this.backlogMs = this.load === 0 ? 0 : Math.max(0, this.backlogMs - run.expectedMs)
    if (!run.isSent) {
      this.#unsent.splice(this.#unsent.indexOf(run), 1)
      return
    }
    this.#measure(run)
    if (this.#sent[this.#head] !== run) this.#skipRepeated(run)
    this.#head++
    if (this.#head === this.#sent.length) {
      this.#sent = []
      this.#head = 0
      return
    }
    if (this.#head >= 1_024) {
      this.#sent = this.#sent.slice(this.#head)
      this.#head = 0
    }
    const next = this.#sent[this.#head]!
    this.#headSince = Math.max(this.#cameAt, next.sentAt)
    if (next.isGivenUp && !this.slot.cancelling) this.#cancelHead()
  }

  /** Those before the one that is answered were sent anew, and are answered behind the others. */
  #skipRepeated(run: MemberRun): void {
    const index = this.#sent.indexOf(run, this.#head)
    this.#sent.push(...this.#sent.slice(this.#head, index))
    this.#head = index
  }

  /**
   * Has a call cancelled: one that was not sent is taken back, the one that the server runs is
   * cancelled there, and any other when it is its turn.
   */
  cancel(run: MemberRun): void {
    if (!run.isSent) {
      run.withdrawn()
    } else if (this.#sent[this.#head] === run && !this.slot.cancelling) this.#cancelHead()
  }

  /** For how long the server has run the statement that others wait for, in milliseconds. */
  headMs(now: number): number {
    const isIdle = this.#head === this.#sent.length
    return isIdle ? 0 : now - this.#headSince - this.#lane.pace.tripMs
  }

  /**
   * When the others that wait behind the statement that the server runs are to be freed of it;
   * `Infinity` while none wait.
   */
  freeAt(now: number): number {
    const { slot, connection } = this
    const head = this.#sent[this.#head]
    // A server that has given no key takes no cancel request.
    const mayBe = head !== undefined && this.load > 1 && connection.info.backendPid > 0
    if (!mayBe) return Number.POSITIVE_INFINITY
    if (slot.cancelling) return now + FREE_SOON_MS
    // It is asked no more than once a second to end: each time costs the server a connection.
    if (head === this.#cancelled) return this.#cancelledAt + FREE_MS
    return now - this.headMs(now) + (head.cost.ms >= FREE_MS ? FREE_SOON_MS : FREE_MS)
  }

  /** Frees the others of the statement that the server runs, which starts over elsewhere. */
  free(now: number): void {
    // Those of its text that wait behind it may wait for the same lock.
    this.#sent[this.#head]?.cost.stall(this.headMs(now))
    this.#cancelHead()
  }

  /** When the answers came that are being handed out, on the pool's clock. */
  get cameAt(): number {
    return this.#cameAt
  }

  /** Nothing is in flight any more. */
  end(): void {
    this.#learn()
  }

  #cancelHead(): void {
    const { slot } = this
    const head = this.#sent[this.#head]
    // The request may meet the next one. Nothing is put behind those any more.
    this.leaving = true
    this.#cancelled = head
    this.#cancelledAt = this.#lane.now()
    this.#lane.cancel(slot)
    // One request ends one statement, and the next one may have been given up meanwhile.
    slot.watchAnswers(() => {
      if (slot.cancelling) return false
      const next = this.#sent[this.#head]
      if (next !== head && next?.isGivenUp === true && !slot.over) this.#cancelHead()
      return true
    })
  }

  #measure(run: MemberRun): void {
    const { lastByteAt } = this.connection
    if (lastByteAt === this.#lastByteAt) {
      this.#came++
      return
    }
    this.#lastByteAt = lastByteAt
    this.#learn()
    const lane = this.#lane
    const at = lane.now()
    const { pace } = lane
    const isBusy = pace.answered(at, at - run.sentAt, at - this.#headSince)
    // It was there at the latest when it had been on its way for so long, and its server may have
    // had it before: then this is the time since the last answer.
    this.#most = at - Math.max(this.#cameAt, run.sentAt)
    this.#least = at - Math.max(this.#cameAt, run.sentAt + pace.tripMs)
    // What came while this process was busy may have come earlier.
    if (isBusy) this.#least = 0
    this.#cameAt = at
    this.#came = 1
    this.#first = run.cost
  }

  /** Learns from the answers that came together: the first of them has had its server to itself. */
  #learn(): void {
    const first = this.#first
    if (first === undefined) return
    this.#first = undefined
    this.#lane.learn(first, this.#least / this.#came, this.#most / this.#came)
  }
}

import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import { CONFIRM_MS } from '../outcome/cancelled-call.js'
import { hasCondition } from '../outcome/conditions.js'
import { ConnectionLostError } from '../outcome/errors.js'
import type { SettleCall } from '../outcome/fail-call.js'
import type { Slot } from '../slot/slot.js'
import { setDeadline } from '../statement/session-work.js'
import {
  type AnswerTo,
  type RunHost,
  type RunOwner,
  StatementRun,
} from '../statement/statement-run.js'
import type { LaneMember, MemberRun } from './lane-member.js'
import type { LanePace } from './lane-pace.js'
import type { TextCost } from './text-cost.js'

/** What a call asks of its lane. */
export interface RunLane extends RunOwner {
  /** The time that passes between the servers and this process. */
  readonly pace: LanePace
  /** Learns what a statement has cost that had its connection to itself. */
  learn(cost: TextCost, least: number, most: number): void
  /** The call is over for its connection, which it shared. */
  left(run: SharedRun, member: LaneMember): void
  again(run: StatementRun, slot: Slot): void
}

/**
 * A call whose text may share a connection. It rides on one that others share, once its text is
 * known to be quick; until then, and when it was cancelled in the place of another one, it has one
 * to itself.
 */
export class SharedRun extends StatementRun implements MemberRun {
  /** What is known of its text. */
  readonly cost: TextCost
  /** When it was sent, on the pool's clock; negative while it was not. */
  sentAt: number
  /** How long it was expected to take its server, in milliseconds. */
  expectedMs: number
  readonly #lane: RunLane
  readonly #host: RunHost
  #member: LaneMember | undefined

  /** `resolve` settles the caller's promise, as that of any statement. */
  constructor(
    host: RunHost,
    lane: RunLane,
    cost: TextCost,
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    resolve: ((result: QueryResult<never>) => void) & SettleCall,
  ) {
    super(host, lane, statement, options, startedAt, resolve)
    this.cost = cost
    this.sentAt = -1
    this.expectedMs = 0
    this.#host = host
    this.#lane = lane
    this.#member = undefined
  }

  /** The shared connection that it is on; undefined while it is on none. */
  get member(): LaneMember | undefined {
    return this.#member
  }

  /** Whether it went out on its shared connection. */
  get isSent(): boolean {
    return this.sentAt >= 0
  }

  /** Whether it is to be cancelled as soon as it is its turn on the server. */
  get isGivenUp(): boolean {
    return !this.running
  }

  /** Goes out on a shared connection. Returns false if its time was over. */
  ride(member: LaneMember, now: number): boolean {
    if (!this.begin(member.slot, now)) return false
    this.#member = member
    this.sentAt = -1
    return true
  }

  /** It was taken back before it was sent. */
  withdrawn(): void {
    this.takenBack()
    this.leave()
  }

  /** Its connection ended before it was sent. */
  stranded(): void {
    this.startOver(this.#member!.slot)
  }

  /** Takes the answer on a shared connection. */
  done(error: Error | null, result?: QueryResult<unknown>): void {
    const member = this.#member!
    const { slot } = member
    if (error !== null && this.running && mayStartOver(slot, error)) {
      slot.answered()
      this.startOver(slot)
      slot.recheckQuiet()
    } else this.answered(slot, error, result)
    // The owner of a run is told of its end before the answer is here if its caller gave up.
    if (this.#member !== undefined) this.leave()
  }

  /** It no longer has a part in its shared connection. */
  leave(): void {
    const member = this.#member
    if (member === undefined) return
    this.#member = undefined
    this.#lane.left(this, member)
  }

  override refuse(error: Error): void {
    // Its caller is further up the stack than an error shows.
    super.refuse(error)
  }

  protected override send(slot: Slot, statement: Statement, done: AnswerTo): void {
    const { clock } = this.#host
    this.#lane.pace.lent(slot)
    const sentAt = clock.now()
    super.send(slot, statement, (error, result) => {
      const tookMs = clock.now() - sentAt
      // How much of it this process was busy with other things is not known here.
      const least = this.cost.isSure ? 0 : tookMs - this.#lane.pace.tripMs
      if (error === null) this.#lane.learn(this.cost, least, tookMs)
      done(error, result)
    })
  }

  protected override cancel(slot: Slot, now: number): void {
    if (this.#member === undefined) super.cancel(slot, now)
    else {
      setDeadline(this.#host, this, now, CONFIRM_MS)
      this.#member.cancel(this)
    }
  }

  protected override isCommitted(slot: Slot): boolean {
    return this.#member !== undefined || super.isCommitted(slot)
  }
}

/**
 * Whether it is known to have done nothing: a cancel request of ours ended it that was meant for
 * another one, or it was not sent before its connection was lost.
 */
function mayStartOver(slot: Slot, error: Error): boolean {
  if (error instanceof ConnectionLostError) return error.executed === 'no'
  return slot.cancelSent && hasCondition(error, 'query_canceled')
}

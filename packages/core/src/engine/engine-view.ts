import type { BudgetSeat } from '../api/connection-budget.js'
import type { EventHub } from '../api/events.js'
import type { PoolConfig } from '../api/pool-config.js'
import type { PoolerInEffect } from '../api/pooler.js'
import type { Clock } from '../base/clock.js'
import type { DeadlineQueue } from '../base/deadline-queue.js'
import type { PoolTimer } from '../base/pool-timer.js'
import type { Connector } from '../connect/connector.js'
import type { Opening, SlotOwner } from '../connect/opening.js'
import type { ConnectError, PoolGauges } from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'
import type { StatsRecorder } from './stats-recorder.js'
import type { Waiter } from './wait-queue.js'

/**
 * The life of a pool: `open`; `serving` the callers that waited when it was closed; `closing`, with
 * no caller left to serve; `closed`, with no connection left.
 */
export type EnginePhase = 'open' | 'serving' | 'closing' | 'closed'

/** The shared lane of a pool, as its engine sees it. */
export interface EngineLane {
  /**
   * Calls that wait for a place on a shared connection, beyond the lane's own place in the queue.
   */
  readonly pending: number
  /** Takes a call out that waits for a place; returns whether it was in. */
  leave(waiter: Waiter): boolean
  /** A caller waits for a connection of its own. */
  makeRoom(now: number): void
  /** Refuses all calls that wait for a place. */
  refuseAll(error: Error): void
  /** Frees what waits behind a statement that does not end, and gives up what is due to others. */
  check(now: number): void
  /** When `check` has something to do next; `Infinity` for never. */
  nextAt(now: number): number
}

/**
 * One pool's engine, as its parts see it: what they share, and what they ask of one another. Each
 * member is described where it is implemented.
 */
export interface EngineView extends SlotOwner {
  readonly name: string
  readonly config: PoolConfig
  readonly phase: EnginePhase
  readonly era: number
  readonly pooler: PoolerInEffect | undefined
  readonly clock: Clock
  readonly timer: PoolTimer
  readonly deadlines: DeadlineQueue
  readonly hub: EventHub
  readonly recorder: StatsRecorder
  readonly slots: Set<Slot>
  readonly connector: Connector
  readonly opening: Opening
  readonly seat: BudgetSeat | undefined
  readonly lineBroke: (() => void) | undefined
  readonly lane: EngineLane | undefined
  now(): number
  wakeAt(time: number): void
  wakeForUpkeep(now: number): void
  gauges(): PoolGauges
  take(now: number, accepts?: AcceptsServer): Slot | undefined
  wait(waiter: Waiter, now: number, timeoutMs: number | undefined): void
  cancel(slot: Slot): void
  refuseNew(): void
  refuseWaiters(error: Error): void

  readonly handoff: {
    readonly pending: number
    readonly choosy: number
    readonly longestIdle: Slot | undefined
    readonly suspicion: number
    wanted(): number
    lend(slot: Slot, now: number, waitMs: number): void
    leave(waiter: Waiter): void
    offer(slot: Slot, now: number): void
    removeIdle(slot: Slot): void
    expectBack(more: number): void
    supply(now: number): void
    suspect(): void
    wishes(): Iterable<AcceptsServer>
    dismiss(isVain: (accepts: AcceptsServer) => boolean, refusal: () => Error): void
  }
  readonly growth: {
    readonly connecting: number
    step(now: number): void
    reachable(now: number): void
    refusal(now: number): ConnectError | undefined
  }
  readonly arrivals: {
    wanted(): number
    usable(): number
    open(): Promise<boolean>
    reopen(reason: string): void
    failed(error: unknown): void
  }
  readonly returns: {
    giveBack(slot: Slot): void
    reuse(slot: Slot, now: number): void
    rest(slot: Slot): void
  }
  readonly departures: {
    reasonToRetire(slot: Slot, now: number): string | undefined
    retireUnneeded(): void
    retire(slot: Slot, reason: string): void
    destroy(slot: Slot, reason: string): void
    break(slot: Slot, reason: string): void
    ended(slot: Slot, reason: unknown): void
    left(): void
    report(slot: Slot, reason: string): void
  }
  readonly sessions: {
    readonly size: number
    closeAll(reason: Error): void
    destroyAll(reason: string): void
  }
  readonly quarantine: { readonly requests: number }
  readonly leaks: {
    check(slot: Slot, now: number): void
    ended(slot: Slot): void
  }
  readonly wishes: {
    opened(slot: Slot): void
    forget(): void
    dismissVain(): void
  }
  readonly closing: { check(): void; served(): void } | undefined
}

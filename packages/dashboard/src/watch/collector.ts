import type { Clock, ClockTimer } from '@poolhouse/core'
import type { DashboardState, NowMessage, PastMessage, SampleView } from '../dashboard-state.js'
import type { EventLog } from './event-log.js'
import type { StateReader } from './state-reader.js'

/** How far back the charts of a page look. */
const KEPT_MS = 120_000
/** What happens together, such as the steps of a failover, is told together. */
const NEWS_MS = 20
/** While calls are held, the page shows for how long already. */
const HOLDING_MS = 200

/** What a collector works with. */
export interface CollectorParts {
  /** Reads the pools. */
  readonly reader: StateReader
  /** What happened. */
  readonly log: EventLog
  /** Takes what the open pages are told. */
  readonly tell: (message: NowMessage) => void
  /** Time between two pictures, in milliseconds. */
  readonly intervalMs: number
  /** Source of time. */
  readonly clock: Clock
}

/**
 * Owns the last two minutes. Takes a picture of the pools now and then: one for all open pages, and
 * none while there is no page.
 */
export class Collector {
  readonly #parts: CollectorParts
  #samples: readonly SampleView[] = []
  #timer: ClockTimer | undefined
  #dueAt = 0
  #isRunning = false
  // Up to where the pages know what happened.
  #told = -1

  /** Takes no picture before `start`. */
  constructor(parts: CollectorParts) {
    this.#parts = parts
  }

  /** A first page is open. */
  start(): void {
    this.#isRunning = true
    this.#next(this.#parts.intervalMs)
  }

  /** No page is open any more. */
  stop(): void {
    this.#isRunning = false
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Something happened that the open pages should show at once. */
  hurry(): void {
    if (this.#isRunning) this.#next(NEWS_MS)
  }

  /** Everything that a page needs which opens now. The other pages get this picture too. */
  past(): PastMessage {
    const { log } = this.#parts
    const state = this.#picture()
    return { state, samples: this.#samples, entries: log.entries, marks: log.marks }
  }

  /** The pools as they are now. */
  state(): DashboardState {
    return this.#parts.reader.read()
  }

  #next(delayMs: number): void {
    const { clock } = this.#parts
    const at = clock.now() + delayMs
    if (this.#timer !== undefined && this.#dueAt <= at) return
    this.#timer?.cancel()
    this.#dueAt = at
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined
      const { pools } = this.#picture()
      const isHolding = pools.some(({ heldSince }) => heldSince !== undefined)
      const { intervalMs } = this.#parts
      this.#next(isHolding ? Math.min(HOLDING_MS, intervalMs) : intervalMs)
    }, delayMs)
  }

  #picture(): DashboardState {
    const { reader, log, tell } = this.#parts
    log.mark()
    const state = reader.read()
    const sample = sampleOf(state)
    this.#samples = [...this.#samples, sample].filter(({ at }) => at >= state.at - KEPT_MS)
    const isNew = ({ seq }: { readonly seq: number }): boolean => seq > this.#told
    const [entries, marks] = [log.entries.filter(isNew), log.marks.filter(isNew)]
    this.#told = Math.max(this.#told, entries.at(-1)?.seq ?? -1, marks.at(-1)?.seq ?? -1)
    tell({ state, samples: [sample], entries, marks })
    return state
  }
}

function sampleOf({ at, pools }: DashboardState): SampleView {
  const ofPool = pools.map(({ key, connections: { used, idle, waiting }, wait, query }) => [
    key,
    [used, idle, waiting, wait?.p50, wait?.p99, query?.p50, query?.p99].map(
      (value) => value ?? null,
    ),
  ])
  return { at, pools: Object.fromEntries(ofPool) as SampleView['pools'] }
}

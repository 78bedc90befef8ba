import { Overload } from '../engine/overload.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import { WaitQueue } from '../engine/wait-queue.js'
import type { SharedRun } from './shared-run.js'

/** The calls that wait for a place on a shared connection, and what is done when they are many. */
export class LaneQueue extends WaitQueue {
  readonly #engine: PoolEngine
  #shedding: Overload | undefined

  /** Calls wait in it for the lane of this engine. */
  constructor(engine: PoolEngine) {
    super()
    this.#engine = engine
  }

  /** The call to serve next, past those that have waited too long while load is shed. */
  next(now: number): SharedRun | undefined {
    const overload = this.#overload()
    let run = this.shift() as SharedRun | undefined
    while (overload !== undefined && run !== undefined) {
      const waitMs = now - run.enqueuedAt
      if (overload.admit(waitMs, now)) break
      run.refuse(this.#engine.handoff.shed(overload.options.targetMs, waitMs))
      run = this.shift() as SharedRun | undefined
    }
    return run
  }

  /**
   * Why a call with a limit of so many milliseconds should not wait: load is shed, and waits are
   * longer. Undefined if it may.
   */
  tooLongFor(limitMs: number): Error | undefined {
    if (this.size === 0) return undefined
    const waitMs = this.#overload()?.tooLongFor(limitMs)
    const { handoff } = this.#engine
    if (waitMs === undefined) return undefined
    return handoff.overloaded(handoff.hopeless(limitMs, waitMs))
  }

  #overload(): Overload | undefined {
    const { overload } = this.#engine.config
    if (overload !== this.#shedding?.options) this.#shedding = overload && new Overload(overload)
    return this.#shedding
  }
}

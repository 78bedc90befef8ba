import type { Slot } from './slot.js'
import type { RunHost, RunOwner, StatementRun } from './statement-run.js'

/**
 * The statements of one lease or session: one in flight, the rest in order of their calls. A statement behind one that was
 * given up waits until the connection is quiet, so that the cancel request meant for the first cannot hit the second.
 */
export class StatementOrder implements RunOwner {
  readonly #host: RunHost
  readonly #slot: Slot
  readonly #queue: StatementRun[] = []
  #busy = false

  /** Begins with nothing in flight. */
  constructor(host: RunHost, slot: Slot) {
    this.#host = host
    this.#slot = slot
  }

  /** Runs the statement now, or after those before it. */
  submit(run: StatementRun, now: number): void {
    if (this.#busy) {
      run.queue(now)
      this.#queue.push(run)
      return
    }
    this.#busy = true
    run.receive(this.#slot, now)
  }

  finished(_run: StatementRun, slot: Slot): void {
    if (slot.quiet) this.#next()
    else void slot.whenQuiet().then(() => this.#next())
  }

  /** Fails everything that has not been sent. */
  drop(error: Error): void {
    for (const run of this.#queue.splice(0)) run.drop(error)
  }

  #next(): void {
    let run = this.#queue.shift()
    while (run?.settled === true) run = this.#queue.shift()
    if (run === undefined) this.#busy = false
    else run.receive(this.#slot, this.#host.now())
  }
}

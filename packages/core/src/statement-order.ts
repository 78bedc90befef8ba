import { ConnectionLostError } from './errors.js'
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
    // What has not been sent must not be, once the session is over.
    if (this.#slot.over) this.drop(lostBefore(this.#slot))
    let run = this.#queue.shift()
    while (run?.settled === true) run = this.#queue.shift()
    if (run === undefined) this.#busy = false
    else run.receive(this.#slot, this.#host.now())
  }
}

/** The error for a statement that was not sent because its session is over. */
export function lostBefore(slot: Slot): ConnectionLostError {
  const reason = slot.lostReason
  const what = reason instanceof Error ? reason.message : String(reason ?? 'closed')
  return new ConnectionLostError(`the connection is gone: ${what}`, {
    executed: 'no',
    cause: reason,
  })
}

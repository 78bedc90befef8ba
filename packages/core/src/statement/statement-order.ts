import { LeaseBusyError } from '../outcome/errors.js'
import type { Executed } from '../outcome/outcome.js'
import type { Slot } from '../slot/slot.js'
import type { ExclusiveWork, OrderedWork, WorkOwner } from './session-work.js'
import type { RunHost, RunOwner } from './statement-run.js'

/**
 * The statements of one lease or session: one in flight, the rest in order of their calls. A
 * statement behind one that was given up waits until the connection is quiet, so that the cancel
 * request meant for the first cannot hit the second. Nothing waits behind a stream or a copy: its
 * reader would wait for itself.
 */
export class StatementOrder implements RunOwner, WorkOwner {
  readonly #host: RunHost
  readonly #slot: Slot
  readonly #queue: OrderedWork[] = []
  // Not over for its caller yet.
  #open: ExclusiveWork | undefined
  // What has the session now.
  #current: OrderedWork | undefined
  #busy = false

  /** Begins with nothing in flight. */
  constructor(host: RunHost, slot: Slot) {
    this.#host = host
    this.#slot = slot
  }

  /** Begins the work now, or after what is before it. */
  submit(work: OrderedWork, now: number): void {
    if (this.#open !== undefined) {
      work.drop(new LeaseBusyError(this.#host.name, this.#open.kind))
      return
    }
    this.#submit(work, now)
  }

  /**
   * Gives the session to a stream or a copy, now or after what is before it. Throws
   * `LeaseBusyError` if another one is open.
   */
  open(work: ExclusiveWork): void {
    if (this.#open !== undefined) throw new LeaseBusyError(this.#host.name, this.#open.kind)
    this.#open = work
    this.#submit(work, this.#host.now())
  }

  #submit(work: OrderedWork, now: number): void {
    if (this.#busy) {
      work.queue(now)
      this.#queue.push(work)
      return
    }
    this.#busy = true
    this.#current = work
    work.receive(this.#slot, now)
  }

  finished(_work: OrderedWork, slot: Slot): void {
    this.freed(slot)
  }

  over(work: ExclusiveWork): void {
    if (this.#open === work) this.#open = undefined
  }

  freed(slot: Slot): void {
    if (slot.quiet) this.#next()
    else void slot.whenQuiet().then(() => this.#next())
  }

  /** Whether a stream or a copy is open, or waits for its turn. */
  get hasOpen(): boolean {
    return this.#open !== undefined
  }

  /**
   * Ends the stream or copy that is open, if one is. What is submitted from now on waits for its
   * end on the server.
   */
  close(error: Error): void {
    this.#open?.interrupt(() => error)
  }

  /**
   * Fails everything that has not been sent, also of a batch, and ends what is open. Each is told
   * by an error of its own what is known of it.
   */
  drop(errorOf: (executed: Executed) => Error): void {
    this.#open?.interrupt(errorOf)
    this.#current?.cut?.(errorOf)
    for (const run of this.#queue.splice(0)) run.drop(errorOf('no'))
  }

  #next(): void {
    // What has not been sent must not be, once the session is over.
    if (this.#slot.over) this.drop((executed) => this.#slot.lostError(executed))
    let run = this.#queue.shift()
    while (run?.settled === true) run = this.#queue.shift()
    this.#current = run
    if (run === undefined) this.#busy = false
    else run.receive(this.#slot, this.#host.now())
  }
}

import type { EventEmitter } from 'node:events'

type Listener = (...args: unknown[]) => void

/** The listeners of an emitter at one moment, so that those who come later can be sent away. */
export class OwnListeners {
  readonly #emitter: EventEmitter
  readonly #own: ReadonlyMap<string | symbol, ReadonlySet<Listener>>

  /** Remembers who listens now. */
  constructor(emitter: EventEmitter) {
    this.#emitter = emitter
    this.#own = new Map(
      emitter.eventNames().map((event) => [event, new Set(listenersOf(emitter, event))]),
    )
  }

  /** Removes everybody else. */
  restore(): void {
    for (const event of this.#emitter.eventNames()) {
      const own = this.#own.get(event)
      for (const listener of listenersOf(this.#emitter, event)) {
        if (own?.has(listener) !== true) this.#emitter.removeListener(event, listener)
      }
    }
  }
}

// Raw, so that those for one time are recognised again.
function listenersOf(emitter: EventEmitter, event: string | symbol): Listener[] {
  return emitter.rawListeners(event) as Listener[]
}

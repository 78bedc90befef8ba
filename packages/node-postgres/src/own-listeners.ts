import type { EventEmitter } from 'node:events'

type Listener = (...args: unknown[]) => void

/** Remembers the listeners of an emitter, so that later ones can be removed. */
export class OwnListeners {
  readonly #emitter: EventEmitter
  readonly #own: ReadonlyMap<string | symbol, ReadonlySet<Listener>>

  /** Keeps the listeners that are there now. */
  constructor(emitter: EventEmitter) {
    this.#emitter = emitter
    this.#own = new Map(
      emitter.eventNames().map((event) => [event, new Set(listenersOf(emitter, event))]),
    )
  }

  /** Removes all other listeners. */
  restore(): void {
    for (const event of this.#emitter.eventNames()) {
      const own = this.#own.get(event)
      for (const listener of listenersOf(this.#emitter, event)) {
        if (own?.has(listener) !== true) this.#emitter.removeListener(event, listener)
      }
    }
  }
}

// Raw, so that `once` listeners are recognised.
function listenersOf(emitter: EventEmitter, event: string | symbol): Listener[] {
  return emitter.rawListeners(event) as Listener[]
}

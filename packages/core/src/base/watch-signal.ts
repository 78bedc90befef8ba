import { rethrowLater } from './rethrow-later.js'

interface Watch {
  readonly listeners: Set<() => void>
  readonly fire: () => void
}

// One listener for each signal, however many calls wait: Node.js warns of a leak from the eleventh
// on, and many calls may share a signal.
const watches = new WeakMap<AbortSignal, Watch>()

/**
 * Calls `listener` once when the signal fires, unless `unwatchSignal` was called before. Nothing
 * for a signal that has fired, or for none.
 */
export function watchSignal(signal: AbortSignal | undefined, listener: () => void): void {
  if (signal === undefined || signal.aborted) return
  let watch = watches.get(signal)
  if (watch === undefined) {
    watch = newWatch(signal)
    watches.set(signal, watch)
    signal.addEventListener('abort', watch.fire, { once: true })
  }
  watch.listeners.add(listener)
}

/** Forgets a listener of `watchSignal`. With the last one nothing of ours is left on the signal. */
export function unwatchSignal(signal: AbortSignal | undefined, listener: () => void): void {
  const watch = signal && watches.get(signal)
  if (watch === undefined || !watch.listeners.delete(listener) || watch.listeners.size > 0) return
  watches.delete(signal!)
  signal!.removeEventListener('abort', watch.fire)
}

function newWatch(signal: AbortSignal): Watch {
  const listeners = new Set<() => void>()
  const fire = (): void => {
    // A listener may take others away, which are then not called any more.
    for (const listener of listeners) {
      listeners.delete(listener)
      try {
        listener()
      } catch (error) {
        rethrowLater(error)
      }
    }
    watches.delete(signal)
  }
  return { listeners, fire }
}

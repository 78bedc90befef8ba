import { own } from '../base/own.js'
import type { CallObserver, CallWatcher, WatchedPool } from './call-watcher.js'

/**
 * Owns who watches the calls of one pool. One watcher at most observes the calls of a pool of
 * connections, so that none is counted twice: the first that wants to.
 */
export class CallWatchers {
  /** Who is told of the calls of a pool of connections; undefined for no one. */
  readonly observer: CallObserver | undefined = undefined
  readonly #pool: WatchedPool | undefined
  readonly #watchers = new Set<CallWatcher>()
  // Whose the observer is.
  #observing: CallWatcher | undefined

  /** `pool` is undefined for a pool that is made of others. */
  constructor(pool: WatchedPool | undefined) {
    this.#pool = pool
  }

  /** Adds a watcher, once. */
  add(watcher: CallWatcher): void {
    this.#watchers.add(watcher)
    this.#observe()
  }

  /** Removes a watcher. */
  remove(watcher: CallWatcher): void {
    this.#watchers.delete(watcher)
    if (this.#observing !== watcher) return
    const { observer } = this
    this.#observing = undefined
    own<CallWatchers>(this).observer = undefined
    observer!.stopped()
    this.#observe()
  }

  /** The pool is closed: nothing of it is watched any more. */
  end(): void {
    for (const watcher of [...this.#watchers]) this.remove(watcher)
  }

  /** See `CallWatcher`. */
  held(pool: string): (error: unknown) => void {
    const ends = [...this.#watchers].map((watcher) => watcher.held(pool))
    return (error) => {
      for (const end of ends) end(error)
    }
  }

  /** See `CallWatcher`. */
  retried(pool: string): void {
    for (const watcher of this.#watchers) watcher.retried(pool)
  }

  #observe(): void {
    if (this.#pool === undefined || this.observer !== undefined) return
    for (const watcher of this.#watchers) {
      const observer = watcher.watch(this.#pool)
      if (observer === undefined) continue
      this.#observing = watcher
      own<CallWatchers>(this).observer = observer
      return
    }
  }
}

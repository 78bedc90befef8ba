/**
 * What fake timers hang on the functions they put in the place of the real ones
 * (`@sinonjs/fake-timers`, which Jest and Vitest use too).
 */
interface Faked {
  readonly clock?: Readonly<Record<string, unknown>>
}

/**
 * A global function as Node.js made it, even if a test runner has put a fake in its place before
 * this was loaded: connections are real, and would hang for ever if time stood still under them.
 */
function real<
  Name extends
    | 'Date'
    | 'clearImmediate'
    | 'clearTimeout'
    | 'queueMicrotask'
    | 'setImmediate'
    | 'setTimeout',
>(name: Name): (typeof globalThis)[Name] {
  const found = globalThis[name]
  return ((found as Faked).clock?.[`_${name}`] as typeof found | undefined) ?? found
}

// Taken at load, so that fakes that come later change nothing.
const now = real('Date').now
const nextTick = ((process.nextTick as Faked).clock?.['_nextTick'] ??
  process.nextTick) as typeof process.nextTick

/** The timers of Node.js, whatever a test runner fakes. */
export const realTimers: {
  /** The global `clearImmediate`. */
  readonly clearImmediate: typeof clearImmediate
  /** The global `clearTimeout`. */
  readonly clearTimeout: typeof clearTimeout
  /** The global `queueMicrotask`. */
  readonly queueMicrotask: typeof queueMicrotask
  /** The global `setImmediate`. */
  readonly setImmediate: typeof setImmediate
  /** The global `setTimeout`. */
  readonly setTimeout: typeof setTimeout
  /** `process.nextTick`. */
  readonly nextTick: typeof process.nextTick
  /** `Date.now()`. */
  readonly wallNow: () => number
} = {
  clearImmediate: real('clearImmediate'),
  clearTimeout: real('clearTimeout'),
  queueMicrotask: real('queueMicrotask'),
  setImmediate: real('setImmediate'),
  setTimeout: real('setTimeout'),
  nextTick: nextTick.bind(process),
  wallNow: () => now(),
}

/**
 * Whether foreign code that calls `setImmediate` and `setTimeout` by their global names gets the
 * real ones.
 */
export function timersAreReal(): boolean {
  return (
    globalThis.setImmediate === realTimers.setImmediate &&
    globalThis.setTimeout === realTimers.setTimeout
  )
}

/**
 * Runs foreign code that calls `setImmediate` and `setTimeout` by their global names, with the real
 * ones in their place.
 */
export function withRealTimers<R>(run: () => R): R {
  if (timersAreReal()) return run()
  const restore = useRealTimers()
  try {
    return run()
  } finally {
    restore()
  }
}

/** Puts the real timers in the place of faked ones. Returns how to undo that. */
export function useRealTimers(): () => void {
  const { setImmediate, setTimeout, clearImmediate, clearTimeout } = globalThis
  // What is called back calls them too.
  globalThis.setImmediate = ((callback: () => void, ...args: []) =>
    realTimers.setImmediate(() => withRealTimers(() => callback(...args)))) as never
  globalThis.setTimeout = ((callback: () => void, delayMs: number, ...args: []) =>
    realTimers.setTimeout(() => withRealTimers(() => callback(...args)), delayMs)) as never
  globalThis.clearImmediate = realTimers.clearImmediate
  globalThis.clearTimeout = realTimers.clearTimeout
  return () => {
    Object.assign(globalThis, { setImmediate, setTimeout, clearImmediate, clearTimeout })
  }
}

import type { Pool } from '../api/pool.js'

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

type Inspect = (value: unknown, options: unknown) => string

/**
 * Has the objects of a class show a short state under a name when they are printed, by
 * `console.log`, `util.inspect`, `JSON.stringify` and loggers. `stateOf` returns plain values and
 * no secrets. Not enumerable.
 */
export function readable<T extends object>(
  type: { readonly prototype: T },
  name: string,
  stateOf: (it: T) => object,
): void {
  const define = (key: PropertyKey, value: unknown): void => {
    Object.defineProperty(type.prototype, key, { value, writable: true, configurable: true })
  }
  define('toJSON', function (this: T) {
    return stateOf(this)
  })
  define(INSPECT, function (this: T, _depth: number, options: unknown, inspect: Inspect) {
    // The prototype itself has no state.
    return this === type.prototype ? name : `${name} ${inspect(stateOf(this), options)}`
  })
}

/** What a pool shows of itself: its name and its connections now. */
export function stateOfPool(pool: Pick<Pool, 'name' | 'stats'>): object {
  const { total, idle, leased, connecting, pending, max } = pool.stats()
  return { name: pool.name, total, idle, leased, connecting, pending, max }
}

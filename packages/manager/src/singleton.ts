const PLACE: unique symbol = Symbol.for('poolhouse.singletons') as never

interface Kept {
  readonly key: string | undefined
  readonly value: unknown
}

/**
 * Options of `singleton`.
 *
 * @example
 * singleton('db', () => createManager(options), { key: process.env.DATABASE_URL })
 */
export interface SingletonOptions {
  /**
   * Identifies what the value is made of, such as its configuration as text. When it changes, a new
   * value is made and the former one is closed. Default: one value for ever.
   */
  key?: string | undefined
}

/**
 * Makes a value once for each name in the process, also if modules are evaluated again (hot reload)
 * or installed twice. With another `key` than before, it makes a new value and closes the former
 * one in the background. Throws what `factory` throws, and keeps nothing then.
 *
 * @example
 * const manager = singleton('db', () => createManager(options))
 */
export function singleton<T extends object>(
  name: string,
  factory: () => T,
  options: SingletonOptions = {},
): T {
  const place = globalThis as { [PLACE]?: Map<string, Kept> }
  place[PLACE] ??= new Map()
  const kept = place[PLACE]
  const former = kept.get(name)
  const { key } = options
  if (former !== undefined && former.key === key) return former.value as T
  const value = factory()
  kept.set(name, { key, value })
  const { close } = (former?.value ?? {}) as { close?: () => unknown }
  if (typeof close === 'function') {
    Promise.resolve()
      .then(() => close.call(former!.value))
      .catch((error: unknown) =>
        process.emitWarning(error instanceof Error ? error : String(error)),
      )
  }
  return value
}

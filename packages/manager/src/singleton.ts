const PLACE: unique symbol = Symbol.for('poolhouse.singletons') as never

interface Kept {
  readonly key: string | undefined
  readonly value: unknown
}

/** Options of `singleton`. */
export interface SingletonOptions {
  /**
   * What the value was made of, such as its configuration as text: with another one it is made
   * anew, and the former is closed. Default: never anew.
   */
  key?: string | undefined
}

/**
 * Makes something once for each name in the process, also where modules are evaluated again and
 * again (hot reload) or twice (duplicate installations): `singleton('db', () => createManager(…))`.
 * With another `key` than before it is made anew and the former one is closed in the background.
 * What `factory` throws is thrown, and nothing is kept.
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

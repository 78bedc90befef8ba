import type { LoadHook } from 'node:module'
import { DEFAULT_FILE, readMultiplexSwitch, switchDefault } from './multiplex-switch.js'

const to = readMultiplexSwitch()

/** Loads modules for Node.js, and the file with the default of `multiplex` switched. */
export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context)
  if (to === undefined || !url.endsWith(DEFAULT_FILE)) return loaded
  return { ...loaded, source: switchDefault(String(loaded.source), to) }
}

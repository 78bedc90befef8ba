import type { FileConfig } from './load-config.js'

/**
 * Returns the configuration as it is given, so that an editor completes and checks the file that
 * `loadConfig` reads. Reads and checks nothing itself.
 *
 * @example
 * // poolhouse.config.ts
 * export default defineConfig({
 *   databases: { app: { nodes: 'postgres://app@a,b,c/app', pool: { max: 20 } } },
 * })
 */
export function defineConfig<const Config extends FileConfig>(config: Config): Config {
  return config
}

import { createRequire } from 'node:module'
import type { PgLibrary } from './pg-library.js'

// What has been said, so that it is said once.
const told = new Set<string>()

/**
 * Warns of another copy of `pg` that the process has loaded: to a library that uses that one, a
 * facade is no `pg.Pool`. Bundled copies cannot be seen.
 */
export function warnOfCopies(pg: PgLibrary): void {
  const others = otherCopies(pg)
  if (others.length === 0 || told.has(others.join())) return
  told.add(others.join())
  process.emitWarning(
    `more than one copy of pg is loaded: ${others.join(', ')} beside the one of nodePostgres(). A library that uses another one does not know this pool for a pg.Pool; have one copy installed (npm ls pg, npm dedupe), or pass the library's own: nodePostgres({ pg })`,
    'PoolhouseWarning',
  )
}

/** The files of the other copies of `pg` that are loaded. */
function otherCopies(pg: PgLibrary): string[] {
  const url = import.meta.url as string | undefined
  // Bundlers that make CommonJS leave it undefined.
  if (url === undefined) return []
  const { cache } = createRequire(url)
  return Object.keys(cache).filter((file) => {
    if (!/[\\/]pg[\\/]lib[\\/]index\.js$/.test(file)) return false
    const { Client } = cache[file]!.exports as Partial<PgLibrary>
    return Client !== undefined && Client !== pg.Client
  })
}

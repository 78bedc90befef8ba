// Fails if the hover text of a public option lacks its unit, its default or an example, or that of
// a public function or method an example: `pnpm docs:hovers:check`. That the examples compile is
// checked with the other code of the documentation, in tests/docs/snippets.
import { fileURLToPath } from 'node:url'
import { findHoverGaps } from './reference/hovers.js'
import { type Chapter, DOUBT, ENTRY_POINTS, POOLS, TESTKIT } from './reference/outline.js'
import { PublicApi } from './reference/public-api.js'

/**
 * What pools, drivers and their own test suites are built from, beside what applications and their
 * tests import.
 */
const BUILDING_BLOCKS = /^@poolhouse\/(?:core\/(?:kit|net|sql|testing|types)|testkit\/conformance)$/

/** What a framework, Node.js or a library hands to Poolhouse: it has texts of its own. */
const FOREIGN = [
  'DnsResolver',
  'ExpressResponse',
  'FastifyHost',
  'FastifyLikeReply',
  'FastifyReply',
  'HonoContext',
  'HonoLikeContext',
  'MetricsResponse',
  'NodeResponse',
  'TraceChannel',
  'TracePoint',
  'TraceSubscribers',
]

const root = fileURLToPath(new URL('..', import.meta.url))
const entryPoints = Object.entries(ENTRY_POINTS).filter(([name]) => !BUILDING_BLOCKS.test(name))
const chapters: readonly Chapter[] = [...POOLS, DOUBT, ...TESTKIT]
const gaps = findHoverGaps(new PublicApi(root, Object.fromEntries(entryPoints)), {
  options: new Set(chapters.flatMap(({ options = [] }) => options)),
  changes: new Set(chapters.flatMap(({ changes = [] }) => changes)),
  foreign: new Set(FOREIGN),
})
for (const gap of gaps) console.error(gap)
if (gaps.length > 0) process.exitCode = 1

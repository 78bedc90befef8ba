import type { ReadRoute } from '../route/read-route.js'
import type { SessionReads } from '../session/session-reads.js'

/** What the reads of a view accept, and what they must see. */
export interface ReadLane {
  /** What they accept. */
  readonly route: ReadRoute
  /** What they must see; undefined for nothing in particular. */
  readonly session: SessionReads | undefined
  /** Whether their user said what they accept, so that `runWith` has no say. */
  readonly own: boolean
}

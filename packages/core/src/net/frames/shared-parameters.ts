import { readParameter } from './frame-bodies.js'
import { readOnlyMap } from './read-only-map.js'

/** One log-in and what it said. */
interface Known {
  readonly frames: Buffer
  readonly parameters: ReadonlyMap<string, string>
}

const HEADER = 5
// A pool has sessions of one kind; with several users, databases and servers there are a few more.
const KEPT = 16

const recent: Known[] = []

/**
 * The parameters that the ParameterStatus frames of a log-in tell. Nearly every session begins
 * alike: they are read once, and all get one map, which takes more than a kilobyte. It cannot be
 * written to.
 */
export function sharedParameters(frames: Buffer): ReadonlyMap<string, string> {
  for (const known of recent) if (known.frames.equals(frames)) return known.parameters
  const read = new Map<string, string>()
  for (let at = 0; at < frames.length; ) {
    const end = at + 1 + frames.readUInt32BE(at + 1)
    const { name, value } = readParameter(frames.subarray(at + HEADER, end))
    read.set(name, value)
    at = end
  }
  const parameters = readOnlyMap(read)
  // A copy, because the chunk that they came in may be much larger.
  recent.unshift({ frames: Buffer.from(frames), parameters })
  if (recent.length > KEPT) recent.pop()
  return parameters
}

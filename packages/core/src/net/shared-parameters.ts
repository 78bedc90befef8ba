// A pool has sessions of one kind; with several users, databases and servers there are a few more.
const KEPT = 16

const recent: ReadonlyMap<string, string>[] = []

/**
 * A map with the same entries, the same one for every session that begins alike: nearly all do, and it takes more than a kilobyte. It must
 * not be written to; neither must the one given.
 */
export function sharedParameters(
  parameters: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const known = recent.find((other) => sameEntries(other, parameters))
  if (known !== undefined) return known
  recent.unshift(parameters)
  if (recent.length > KEPT) recent.pop()
  return parameters
}

function sameEntries(
  one: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): boolean {
  if (one.size !== other.size) return false
  for (const [name, value] of one) if (other.get(name) !== value) return false
  return true
}

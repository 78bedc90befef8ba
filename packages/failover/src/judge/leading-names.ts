import { areNamesOfOne, type ClusterView } from './cluster-view.js'

/**
 * Maps each further name of a server to the leading one. Several names of one server are one node:
 * two names in DNS, `localhost` and its address, a reader endpoint that leads to the writer because
 * there is no replica left, an old and a new name while a discovery moves a node. The leading name
 * gets the work, and the others do not count as a second primary.
 *
 * A name that is listed leads before one that is not any more, then the name of the primary before
 * the others, then the name that was configured first. Names that have not answered are left out.
 */
export function leadingNames(view: ClusterView): ReadonlyMap<string, string> {
  const leading = new Map<string, string>()
  const answering = [...view.nodes].filter(([, { standing }]) => standing.kind === 'answer')
  if (answering.length < 2) return leading
  const left = new Set(answering.map(([id]) => id))
  for (const [id, record] of answering) {
    if (!left.delete(id)) continue
    const names = [id]
    for (const [other, its] of answering) {
      if (left.has(other) && areNamesOfOne(record, its)) {
        left.delete(other)
        names.push(other)
      }
    }
    if (names.length === 1) continue
    const leader = leaderOf(view, names)
    for (const name of names) if (name !== leader) leading.set(name, leader)
  }
  return leading
}

function leaderOf({ leaving, lastPrimary }: ClusterView, names: readonly string[]): string {
  const listed = names.filter((name) => !leaving.has(name))
  const candidates = listed.length > 0 ? listed : names
  return candidates.find((name) => name === lastPrimary) ?? candidates[0]!
}

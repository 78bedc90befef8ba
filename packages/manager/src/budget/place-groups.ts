import type { Place } from './place.js'

/**
 * Groups the names that share a budget: names that lead to one server, and names that share a
 * server with any of these. In the order of the places.
 */
export function groupsOf(places: Iterable<Place>): readonly (readonly Place[])[] {
  const groups: Place[][] = []
  for (const place of places) {
    const near = groups.filter((group) => group.some((other) => other.isNear(place)))
    const [first, ...others] = near
    if (first === undefined) {
      groups.push([place])
      continue
    }
    for (const other of others) {
      first.push(...other)
      groups.splice(groups.indexOf(other), 1)
    }
    first.push(place)
  }
  return groups
}

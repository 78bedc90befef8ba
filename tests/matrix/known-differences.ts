import type { KnownDifference } from './conformance.js'

/** Why the cases of a corner are known to differ, by the beginning of its name. */
const KNOWN: readonly (KnownDifference & { readonly corner: RegExp })[] = []

/** Those of a corner. */
export function knownDifferences(corner: string): readonly KnownDifference[] {
  return KNOWN.filter((each) => each.corner.test(corner))
}

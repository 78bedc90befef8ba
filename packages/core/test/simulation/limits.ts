/** Longest time of a call whose parts have limits of their own. */
export const GENEROUS_MS = 60_000
/** After its deadline a statement may be kept this long for the server's answer. */
export const CONFIRM_MS = 200
/** Quarantine, cancellation and rollback of a predecessor on the same lease. */
export const CLEANING_MS = 6_000
/**
 * Longest time a deadlock may last: half a second without a release, and the pool looks once a
 * second.
 */
export const DEADLOCK_MS = 2_000
